import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.sources.files import Source, expand, size_of
from tests.cli.running import unprivileged


def names(spec: Path | str, base: Path) -> list[str]:
    """What a spec names, below `base`; a problem by its code."""
    found = []
    for item in expand(str(spec)):
        if isinstance(item, SourceError):
            found.append(f"{item.code}:{item.uri.removeprefix(f'{base}/')}")
        else:
            assert item.path is not None
            found.append(item.path.removeprefix(f"{base}/"))
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/2.jsonl", "b/1.jsonl", "b.log", "a/x/deep.jsonl", ".hidden", ".git/config", "a/.b/c", "z[1].jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_a_directory_is_every_file_below_it_in_the_order_of_paths_but_hidden_ones(tree: Path) -> None:
    expected = ["a/x/deep.jsonl", "b.log", "b/1.jsonl", "b/2.jsonl", "z[1].jsonl"]
    assert names(tree, tree) == expected == sorted(expected)


def test_links_in_a_circle_end_and_each_directory_is_read_once(tree: Path) -> None:
    (tree / "a" / "up").symlink_to(tree)
    (tree / "b" / "again").symlink_to(tree / "b")
    found = [Path(name).name for name in names(tree, tree)]
    assert sorted(found) == ["1.jsonl", "2.jsonl", "b.log", "deep.jsonl", "z[1].jsonl"]


def test_what_is_no_file_is_passed_over_in_a_directory_and_a_dead_link_is_named(tree: Path) -> None:
    os.mkfifo(tree / "empty" / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tree / "empty" / "socket"))
    (tree / "empty" / "loop").symlink_to("loop")
    (tree / "empty" / "gone").symlink_to("nowhere")
    assert names(tree / "empty", tree) == ["source-not-found:empty/gone", "source-unreadable:empty/loop"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("b/*.jsonl", ["b/1.jsonl", "b/2.jsonl"]),
        ("b/[2-9].jsonl", ["b/2.jsonl"]),
        ("**/*.jsonl", ["a/x/deep.jsonl", "b/1.jsonl", "b/2.jsonl", "z[1].jsonl"]),
        ("**", ["a/x/deep.jsonl", "b.log", "b/1.jsonl", "b/2.jsonl", "z[1].jsonl"]),
        ("*/**/*.jsonl", ["a/x/deep.jsonl", "b/1.jsonl", "b/2.jsonl"]),
        ("**/x/*", ["a/x/deep.jsonl"]),
        ("**/a/**", ["a/x/deep.jsonl"]),
        ("b*", ["b.log", "b/1.jsonl", "b/2.jsonl"]),
        ("z[1].jsonl", ["z[1].jsonl"]),
        ("*.csv", ["source-not-found:*.csv"]),
        ("**/*.csv", ["source-not-found:**/*.csv"]),
        ("empty", ["source-not-found:empty"]),
        ("missing", ["source-not-found:missing"]),
        ("b.log/x", ["source-not-found:b.log/x"]),
        ("n" * 300, ["source-unreadable:" + "n" * 300]),
        ("b*/", ["b/1.jsonl", "b/2.jsonl"]),
        ("*/1.jsonl", ["b/1.jsonl"]),
        (".h*", [".hidden"]),
        (".*/con*", [".git/config"]),
        ("b/../b/1*", ["b/../b/1.jsonl"]),
        ("b//1*", ["b/1.jsonl"]),
    ],
)
def test_a_spec_names_its_files(tree: Path, pattern: str, expected: list[str]) -> None:
    assert names(f"{tree}/{pattern}", tree) == expected


@pytest.mark.parametrize("pattern", ["loop/*.jsonl", "l*/1.jsonl", "l*/*/x", "l*/**/*.jsonl", "loop/**"])
def test_what_a_glob_may_not_look_into_is_named(tree: Path, pattern: str) -> None:
    (tree / "loop").symlink_to("loop")
    (found,) = names(tree / pattern, tree)
    assert found.startswith("source-unreadable:loop")


def test_a_folder_that_may_not_be_listed_is_named_and_its_neighbours_are_read(tree: Path) -> None:
    (tree / "a").chmod(0)
    script = "import sys; from posthog_llm_cli.sources.files import expand; print(*(found.uri for found in expand(sys.argv[1])))"
    words = [*unprivileged(), sys.executable, "-c", script, f"{tree}/[ab]/*"]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(tree / "a"), str(tree / "b" / "1.jsonl"), str(tree / "b" / "2.jsonl")]
    (tree / "a").chmod(0o755)


@pytest.mark.parametrize("pattern", ["deep", "deep/**/*.jsonl"])
def test_a_folder_may_lie_as_deep_as_a_path_is_long(tree: Path, pattern: str) -> None:
    folders = [str(tree / "deep")]
    while len(folders) < 1200:
        folders.append(f"{folders[-1]}/d")
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102 - Path's parts take long
    deepest = f"{folders[-1]}/1.jsonl"
    with open(deepest, "w"):  # noqa: PTH123
        pass
    try:
        assert [found.uri for found in expand(str(tree / pattern))] == [deepest]
    finally:  # what pytest tidies up with cannot
        os.unlink(deepest)  # noqa: PTH108
        for folder in reversed(folders):
            os.rmdir(folder)  # noqa: PTH106


def test_a_dead_link_that_a_glob_matches_is_named(tree: Path) -> None:
    (tree / "b" / "9.jsonl").symlink_to("nowhere")
    assert sorted(names(tree / "b/*.jsonl", tree)) == ["b/1.jsonl", "b/2.jsonl", "source-not-found:b/9.jsonl"]


@pytest.mark.parametrize("pattern", ["empty/*", "**/pipe*", "empty/pipe[s]"])
def test_a_glob_passes_over_what_is_no_file_as_a_directory_does(tree: Path, pattern: str) -> None:
    os.mkfifo(tree / "empty" / "pipes")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tree / "empty" / "socket"))
    assert names(tree / pattern, tree) == [f"source-not-found:{pattern}"]
    (tree / "empty" / "pipe.jsonl").write_text("{}\n")
    if pattern != "empty/pipe[s]":
        assert names(tree / pattern, tree) == ["empty/pipe.jsonl"]


def test_relative_globs_keep_their_names(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert names("**/[12].jsonl", tree) == ["b/1.jsonl", "b/2.jsonl"]
    assert names("./b/*", tree) == ["./b/1.jsonl", "./b/2.jsonl"]


def test_a_name_that_is_no_utf_8_has_a_uri_that_can_be_written(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.log"
    with open(path, "wb") as file:  # noqa: PTH123 -- a name in bytes
        file.write(b"{}")
    (found,) = expand(str(tmp_path))
    assert isinstance(found, Source)
    assert found.uri.encode().endswith("/\ufffd.log".encode())
    assert size_of(found, 0) == 2
