import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli import model
from posthog_llm_cli.values import quick_value


@dataclass(frozen=True, slots=True)
class Plain:
    """As dataclasses make it."""

    name: str
    size: int = 3
    words: list[str] = field(default_factory=list)


@quick_value
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made fast."""

    name: str
    size: int = 3
    words: list[str] = field(default_factory=list)


ARGUMENTS = st.one_of(
    st.tuples(st.text()),
    st.tuples(st.text(), st.integers()),
    st.tuples(st.text(), st.integers(), st.lists(st.text())),
)


def parts(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, one.name) for one in fields(value))


@given(ARGUMENTS, st.sets(st.sampled_from(["size", "words"])))
def test_a_quick_value_is_what_a_dataclass_makes_it(arguments: tuple[Any, ...], named: set[str]) -> None:
    others: dict[str, Any] = {"size": 9, "words": ["x"]}
    by_name = {name: others[name] for name in named if len(arguments) == 1}
    quick, plain = Quick(*arguments, **by_name), Plain(*arguments, **by_name)
    assert type(quick) is Quick
    assert parts(quick) == parts(plain)
    assert repr(quick) == repr(plain).replace("Plain", "Quick")
    assert quick == Quick(*arguments, **by_name)
    assert parts(replace(quick, size=-1)) == parts(replace(plain, size=-1))
    assert pickle.loads(pickle.dumps(quick)) == copy.deepcopy(quick) == quick


def test_nobody_changes_a_quick_value() -> None:
    quick = Quick("a")
    with pytest.raises(FrozenInstanceError):
        quick.name = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del quick.size
    assert quick.name == "a"


def test_each_value_gets_what_a_factory_makes_for_it_alone() -> None:
    assert Quick("a").words is not Quick("a").words


@pytest.mark.parametrize("arguments", [(), ("a", 1, [], "more")])
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\)"):
        Quick(*arguments)


def test_the_values_of_the_pipe_stay_what_they_were() -> None:
    ref = model.SourceRef("app.jsonl", 3, 20)
    assert ref == model.SourceRef(uri="app.jsonl", line=3, offset=20)
    assert hash(ref) == hash(model.SourceRef("app.jsonl", 3, 20))
    assert model.Destination("https://a.example", "k") != model.Destination("https://b.example", "k")
    assert "raw" not in repr(model.LogLine(ref, b"secret"))
