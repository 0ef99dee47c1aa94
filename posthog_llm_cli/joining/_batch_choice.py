"""Which input line an output line of a batch answers (openai-logs.md 4.3, "Join"). Pure.

A `custom_id` is unique within one batch only, and real repositories use the same ones for several batches. So a line is
found by its id, and among several files that hold it, by what the output file as a whole says about them.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from posthog_llm_cli.formats.openai_batch import is_mismatch, model_fit
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

_WORDS = lazily(r"[a-z]+|\d+")
_ROLES = frozenset({
    "batch", "in", "input", "inputs", "request", "requests", "prompt", "prompts", "question", "questions", "out",
    "output", "outputs", "response", "responses", "result", "results", "answer", "answers", "completion", "completions",
    "err", "error", "errors", "failed", "file", "json", "jsonl", "ndjson", "txt", "gz", "zst",
})  # fmt: skip
_MAX_COMPARED = 64
_MAX_REMEMBERED = 1024


class Request(Value, frozen=True):
    """An input line that may be the one: the number of its source, its place in the order of reading, its model.

    `times` is how often its file asks this of the model under the same id; this is the last time.
    """

    source: int
    seq: int
    model: str | None
    times: int = 1


class Twins:
    """Input files that hold the same ids and models in the same order: nothing but their names tells them apart."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._by_plain_name: dict[str, list[str]] = {}

    def add(self, name: str, source: int) -> None:
        """Take one more file of the kind."""
        self._sources[name] = source
        self._by_plain_name.setdefault(plain_name(name), []).append(name)

    def named(self, name: str) -> Collection[str]:
        """The files that are named as an output is, but for the words for their roles; all of them if none is."""
        return self._by_plain_name.get(plain_name(name)) or self._sources

    def source(self, name: str) -> int:
        """The number of one of the files."""
        return self._sources[name]

    def __len__(self) -> int:
        return len(self._sources)


class Chooser:
    """Finds the input lines of one output file.

    `name` is the output file's, `inputs` are all input files, under the first of each kind. Where there are several
    kinds, `learn` must be given every line of the output file once, in the order of their ids, before `choose` is
    asked; `scan` gives the input lines of every id of the output file again. Memory grows with the number of files
    alone.
    """

    def __init__(self, name: str, inputs: Mapping[int, Twins], scan: Callable[[], Iterable[Sequence[Request]]]) -> None:
        self._name = name
        self._inputs = inputs
        self._scan = scan
        self._coverage: Counter[int] = Counter()
        self._fit: Counter[int] = Counter()
        self._is_mixed = False
        self._learnt: tuple[bytes, str | None] | None = None
        self._chosen: int | None = None
        self._rivals: frozenset[int] | None = None
        self._nearest: dict[frozenset[int], tuple[int, int]] = {}

    def learn(self, custom_id: bytes, model: str | None, requests: Sequence[Request]) -> None:
        """Take note of one line of the output: its id, the model that answered, and the input lines with that id."""
        id_before, model_before = self._learnt or (None, None)
        if custom_id != id_before:
            model_before = None
            self._coverage.update({request.source for request in requests})
        # An id that two models answered: this is no batch's output, but several in one file or pipe.
        self._is_mixed = self._is_mixed or (None not in {model, model_before} and model != model_before)
        self._learnt = (custom_id, model or model_before)
        fits: dict[int, int] = {}
        for request in requests:
            fits[request.source] = max(fits.get(request.source, 0), model_fit(request.model, model))
        self._fit.update(fits)

    def choose(self, model: str | None, requests: Sequence[Request]) -> tuple[Request, int, bool] | None:
        """Return the input line of an output line, or None.

        `model` is the one that answered, `requests` the input lines with the id. Also returned: the number of the file
        (the line's own, or a twin of it), and whether only names spoke for it.
        """
        eligible = self._eligible(model, requests)
        if not eligible:
            return None
        best = max(self._rank(request, model) for request in eligible)
        tied = [request for request in eligible if self._rank(request, model) == best]
        kinds = frozenset(request.source for request in tied)
        kind, source = self._nearest_of(kinds)
        last = max((request for request in tied if request.source == kind), key=lambda request: request.seq)
        return last, source, sum(len(self._inputs[each]) for each in kinds) > 1

    def _eligible(self, model: str | None, requests: Sequence[Request]) -> Sequence[Request]:
        """Those of the files that cover most ids; where the chosen one lacks this id, those of a further part."""
        if not requests or len(self._inputs) == 1 or self._is_mixed:
            return requests
        first = self._chosen_file()
        if any(request.source == first for request in requests):
            most = self._coverage[first]
            return [request for request in requests if self._coverage[request.source] == most]
        # An input in several files: one that shares no id with the chosen one goes on where that one ends. One that
        # does is another batch with the same ids, and its prompt would be a wrong one.
        rivals = self._rivals_of(first)
        return [
            request for request in requests if request.source not in rivals and not is_mismatch(request.model, model)
        ]

    def _chosen_file(self) -> int:
        """The input file that the output file as a whole belongs to (the first of its kind)."""
        if self._chosen is None:
            most = max(self._coverage.values())
            covering = [kind for kind, count in self._coverage.items() if count == most]
            best = max(self._fit[kind] for kind in covering)
            self._chosen, _ = self._nearest_of(frozenset(kind for kind in covering if self._fit[kind] == best))
        return self._chosen

    def _rivals_of(self, first: int) -> frozenset[int]:
        """The files that share an id of this output with the chosen one."""
        if self._rivals is None:
            sharing = ({request.source for request in requests} for requests in self._scan())
            self._rivals = frozenset().union(*(kinds for kinds in sharing if first in kinds))
        return self._rivals

    def _rank(self, request: Request, model: str | None) -> tuple[int, int, int]:
        """What speaks for an input line: that its file covers the output's ids, and that its model answered."""
        covered, fit = self._coverage[request.source], model_fit(request.model, model)
        whole = self._fit[request.source]
        return (fit, covered, whole) if self._is_mixed else (covered, fit, whole)

    def _nearest_of(self, kinds: frozenset[int]) -> tuple[int, int]:
        """The kind and the number of the file among these whose name is nearest to the output's."""
        found = self._nearest.get(kinds)
        if found is None:
            kind_of = {name: kind for kind in kinds for name in self._inputs[kind].named(self._name)}
            name = nearest(self._name, kind_of)
            kind = kind_of[name]
            if len(self._nearest) >= _MAX_REMEMBERED:
                self._nearest.clear()
            found = self._nearest[kinds] = (kind, self._inputs[kind].source(name))
        return found


# ---------------------------------------------------------------------------------------------------------------- names


def plain_name(name: str) -> str:
    """Return a file's name without what says that it is an input or an output: `run_2/batch_input.jsonl` is `run 2`."""
    return " ".join(word for word in _WORDS.findall(name.lower()) if word not in _ROLES)


def nearest(name: str, others: Iterable[str]) -> str:
    """Return the name among `others`, in whatever order, that is most like `name`."""
    plain = plain_name(name)
    found = sorted(others)
    if len(found) == 1:
        return found[0]
    same = [other for other in found if plain_name(other) == plain]
    if not same and len(found) > _MAX_COMPARED:  # comparing takes its time: only what begins or ends alike
        found = heapq.nlargest(_MAX_COMPARED, found, key=lambda other: _ends_alike(plain, plain_name(other)))
    return max(same or found, key=lambda other: (_likeness(plain, plain_name(other)), _likeness(name, other)))


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other, autojunk=False).ratio()


def _ends_alike(name: str, other: str) -> int:
    return _begins_alike(name, other) + _begins_alike(name[::-1], other[::-1])


def _begins_alike(name: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))
