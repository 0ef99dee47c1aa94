from contextlib import closing
from pathlib import Path

from benchmarks.growth import ask, fill, uuid_of
from posthog_llm_cli.ledger.files import open_for_reading
from posthog_llm_cli.model import Destination

WHERE = Destination("http://127.0.0.1:1", "phc_benchmark_no_real_project_key")


def settled(path: Path) -> int:
    file = open_for_reading(path)
    assert file is not None
    with closing(file):
        (count,) = file.execute("SELECT count(*) FROM settled").fetchone()
    return int(count)


def test_a_ledger_is_filled_to_the_number_asked_for_and_knows_each_of_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, WHERE, 0, 300)
    assert settled(path) == 300
    fill(path, WHERE, 300, 1_000)
    assert settled(path) == 1_000
    lookups_and_settling = ask(path, WHERE, 1_000, seed=7)
    assert len(lookups_and_settling) == 3
    assert settled(path) == 21_000


def test_the_fillers_are_all_different() -> None:
    assert len({uuid_of(number) for number in range(10_000)}) == 10_000
