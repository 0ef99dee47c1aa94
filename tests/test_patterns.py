"""Patterns that are compiled when they are first used: each is one, and importing the package compiles none."""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import posthog_llm_cli
from posthog_llm_cli.patterns import lazily


def _patterns() -> Iterator[tuple[str, "re.Pattern[str]"]]:
    for module in pkgutil.walk_packages(posthog_llm_cli.__path__, "posthog_llm_cli."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if type(value) is type(lazily("")):
                    yield f"{module.name}.{name}", value


PATTERNS = dict(_patterns())


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_a_regular_expression(name: str) -> None:
    assert PATTERNS[name].groups >= 0  # asks the compiled one


def test_there_are_patterns_to_ask() -> None:
    assert len(PATTERNS) > 100


def test_a_lazy_pattern_says_what_a_compiled_one_says() -> None:
    lazy, compiled = lazily("(a+)b", re.IGNORECASE), re.compile("(a+)b", re.IGNORECASE)
    for text in ("xAABy", "b", "", "aab aab"):
        assert (lazy.search(text) is None) == (compiled.search(text) is None)
        assert lazy.sub(r"\1", text) == compiled.sub(r"\1", text)
        assert lazy.findall(text) == compiled.findall(text)
    assert lazy.groups == compiled.groups
    assert lazily(rb"\d").search(b"a1") is not None


def test_a_pattern_that_is_none_says_so_when_it_is_used() -> None:
    broken = lazily("(")
    with pytest.raises(re.error):
        broken.search("")


def test_a_pattern_is_not_compiled_before_it_is_used() -> None:
    program = """
import re._compiler
compiled = []
original = re._compiler.compile
re._compiler.compile = lambda *a: compiled.append(a[0]) or original(*a)
import posthog_llm_cli.convert
from posthog_llm_cli.formats._errors import _KEYS
before = [text for text in compiled if text == _KEYS._text]
_KEYS.search("")
assert _KEYS._text in compiled
print(len(before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
