import copy
import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

import posthog_llm_cli
from posthog_llm_cli import model
from posthog_llm_cli.values import State, Value, asdict, field, replace

_MAY_HOLD_CONTENT = frozenset({"raw", "properties", "api_key", "distinct_id", "metadata", "user", "encoded"})
"""Names of fields that hold a prompt, an answer or a key wherever they occur."""
_SEEN_ON_PURPOSE = frozenset({
    "BuildOptions.distinct_id", "BuildOptions.properties", "FormatCoverage.properties", "SeenRequest.api_key",
    "Settings.distinct_id", "Settings.properties", "Usage.raw",
})  # fmt: skip
"""What the operator gave, names, counts, and what the mock server is there to show."""


class Note(Value, frozen=True):
    """A value with every kind of field."""

    hidden: ClassVar[frozenset[str]] = frozenset({"text"})

    text: str
    size: int = 3
    words: list[str] = field(default_factory=list)


class Pen(State):
    """Something that changes."""

    ink: str


@given(st.text(), st.integers(), st.lists(st.text()), st.integers())
def test_values_are_their_fields(text: str, size: int, words: list[str], other: int) -> None:
    note = Note(text, size, words=words)
    assert asdict(note) == {"text": text, "size": size, "words": words}
    assert note == Note(text, size, words)
    assert (note == Note(text, other, words)) is (size == other)
    assert replace(note, size=other) == Note(text, other, words)
    assert pickle.loads(pickle.dumps(note)) == copy.deepcopy(note) == note


def test_nobody_changes_a_value() -> None:
    note = Note("a")
    with pytest.raises(AttributeError):
        note.size = 4  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del note.size
    assert note.size == 3


def test_each_value_gets_what_a_factory_makes_for_it_alone() -> None:
    assert Note("a").words is not Note("a").words


@pytest.mark.parametrize("arguments", [(), ("a", 1, [], "more")])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        Note(*arguments)


def test_what_may_hold_content_is_not_shown() -> None:
    assert repr(Note("my prompt", 4)) == "Note(size=4, words=[])"
    assert "my prompt" not in f"{Pen('my prompt')!r} {[Pen('my prompt')]}"


def test_states_are_compared_by_what_they_hold_and_are_no_keys() -> None:
    pen = Pen("blue")
    assert pen == Pen("blue")
    pen.ink = "red"
    assert pen != Pen("blue")
    with pytest.raises(TypeError):
        hash(pen)


def test_the_values_of_the_pipe_stay_what_they_were() -> None:
    ref = model.SourceRef("app.jsonl", 3, 20)
    assert ref == model.SourceRef(uri="app.jsonl", line=3, offset=20)
    assert hash(ref) == hash(model.SourceRef("app.jsonl", 3, 20))
    assert model.Destination("https://a.example", "k") != model.Destination("https://b.example", "k")
    assert "secret" not in repr(model.LogLine(ref, b"secret"))


def _values() -> Iterator[type[Value]]:
    for module in pkgutil.walk_packages(posthog_llm_cli.__path__, "posthog_llm_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = list(Value.__subclasses__())
    assert len(found) > 100
    yield from (kind for kind in found if kind.__module__.startswith("posthog_llm_cli."))


def test_no_value_of_the_package_shows_what_may_hold_content() -> None:
    shown = {
        f"{kind.__qualname__}.{name}"
        for kind in _values()
        for name in kind.__struct_fields__
        if name in _MAY_HOLD_CONTENT and name not in kind.hidden
    }
    assert shown <= _SEEN_ON_PURPOSE


def test_rich_shows_no_more_than_repr_does() -> None:
    ref = model.SourceRef("app.jsonl", 3, 20)
    for value in (Note("my prompt", 4), Pen("my prompt"), model.LogLine(ref, b"my prompt")):
        assert "my prompt" not in pretty_repr(value)
    assert pretty_repr(Note("my prompt", 4)) == "Note(size=4, words=[])"
    assert "phc_0123456789" not in pretty_repr(model.Destination("https://a.example", "phc_0123456789"))
