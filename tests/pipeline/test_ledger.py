"""What the pipeline asks of the ledger and when: after the dead letters, before the report; and a ledger that fails."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.committed import Commit
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import ExitCode, LedgerError
from posthog_llm_cli.model import Converted, ConvertOptions, Destination, LogLine, Settled, Settlement
from posthog_llm_cli.pipeline import Stop, outbox, send
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.report.models import Tally
from posthog_llm_cli.values import replace
from tests.laws import examples
from tests.pipeline import fakes

Key = tuple[Destination, str]


@dataclass
class Notebook:
    """A ledger in memory; fails at the Nth lookup or settling, if told to."""

    settled: dict[Key, Settlement] = field(default_factory=dict)
    notes: dict[Key, int] = field(default_factory=dict)
    fails_at_lookup: int | None = None
    fails_at_settling: int | None = None
    lookups: int = 0
    settlings: int = 0
    log: list[str] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)

    def outcome_of(self, destination: Destination, uuid: str) -> Settlement | None:
        self.lookups += 1
        if self.lookups == self.fails_at_lookup:
            raise LedgerError("the ledger is damaged")
        return self.settled.get((destination, uuid))

    def note_on(self, destination: Destination, uuid: str) -> int:
        return self.notes.get((destination, uuid), 0)

    def is_settled(self, destination: Destination, uuid: str) -> bool:
        return (destination, uuid) in self.settled

    def settle(self, settled: Sequence[Settled], commits: Sequence[Commit]) -> None:
        self.commits.extend(commits)
        if not settled:
            return
        self.settlings += 1
        self.log.append("settled")
        if self.settlings == self.fails_at_settling:
            raise LedgerError("the disk is full")
        for part in settled:
            self.notes.update({(part.destination, uuid): note for uuid, note in part.notes.items()})
            self.settled.update({(part.destination, uuid): outcome for uuid, outcome in part.outcomes})


def from_letters(log_line: LogLine, options: ConvertOptions) -> list[Converted]:
    """The fakes' conversion; records of `letters.jsonl` come from dead letters."""
    converted = fakes.convert(log_line, options)
    return [replace(one, from_letter=log_line.ref.uri == "letters.jsonl") for one in converted]


def run(
    texts: Sequence[str | LogLine],
    notebook: Notebook,
    *,
    recorder: fakes.Recorder | None = None,
    letters: fakes.Letters | None = None,
    **plan: object,
) -> RunReport:
    report = fakes.report()
    lines = [one if isinstance(one, LogLine) else fakes.line(one, number) for number, one in enumerate(texts, 1)]
    send(
        fakes.Source(lines),
        fakes.plan(**plan),
        deliverer=recorder or fakes.Recorder(),
        dead_letters=letters or fakes.Letters(),
        ledger=notebook,
        report=report,
        observer=fakes.Watcher(),
        stop=Stop(),
        convert_line=from_letters,
    )
    return report


def letter(text: str, number: int = 1) -> LogLine:
    found = fakes.line(text, number)
    return replace(found, ref=replace(found.ref, uri="letters.jsonl"))


def test_what_is_settled_is_not_sent_and_counted_as_already_sent() -> None:
    notebook, recorder = Notebook(), fakes.Recorder()
    run(["e:1", "e:2"], notebook)
    report = run(["e:1", "e:1", "e:2", "e:3"], notebook, recorder=recorder)
    assert recorder.uuids == [fakes.event_uuid("3")]
    assert (report.already_sent, report.duplicates, report.accepted) == (2, 1, 1)
    (counts,) = report.destinations.values()
    assert counts.models.named["model-1"] == Tally(already_sent=1, duplicates=1)
    assert counts.models.named["model-3"] == Tally(accepted=1)


def test_unconfirmed_is_never_settled() -> None:
    notebook = Notebook()
    run(["e:1"], notebook, recorder=fakes.Recorder(judge=lambda _event: fakes.UNCONFIRMED))
    assert notebook.settled == {}
    assert run(["e:1"], notebook).accepted == 1


def test_a_letter_takes_up_what_is_rejected_and_nothing_else() -> None:
    notebook = Notebook()
    refused = fakes.event_uuid("no")
    recorder = fakes.Recorder(lambda event: fakes.REFUSED if event.uuid == refused else fakes.ACCEPTED)
    run(["e:no e:yes"], notebook, recorder=recorder)
    assert sorted(notebook.settled.values()) == [Settlement.ACCEPTED, Settlement.REJECTED]
    assert run(["e:no e:yes"], notebook).already_sent == 2
    report = run(["e:no", letter("e:no e:yes", 2), letter("e:no", 3)], notebook)
    # The plain one stays rejected; its letter is sent; the accepted one stays; the second letter is a duplicate.
    assert (report.already_sent, report.accepted, report.duplicates) == (2, 1, 1)
    assert set(notebook.settled.values()) == {Settlement.ACCEPTED}


def test_dead_letters_are_kept_and_synced_before_the_ledger_notes_them() -> None:
    notebook = Notebook()

    class Logging(fakes.Letters):
        def add(self, letter: DeadLetter) -> bool:
            notebook.log.append("kept")
            return super().add(letter)

        def sync(self) -> bool:
            notebook.log.append("synced")
            return True

    run(["e:1 e:2"], notebook, recorder=fakes.Recorder(lambda _event: fakes.REFUSED), letters=Logging())
    assert notebook.log == ["kept", "kept", "synced", "settled"]


@pytest.mark.parametrize("fails", ["add", "sync"])
def test_a_rejection_whose_letter_is_not_safe_is_not_settled(fails: str) -> None:
    class Failing(fakes.Letters):
        def add(self, letter: DeadLetter) -> bool:
            return fails != "add"

        def sync(self) -> bool:
            return fails != "sync"

    notebook, no = Notebook(), fakes.event_uuid("no")
    recorder = fakes.Recorder(lambda event: fakes.REFUSED if event.uuid == no else fakes.ACCEPTED)
    run(["e:no e:yes"], notebook, recorder=recorder, letters=Failing())
    assert list(notebook.settled.values()) == [Settlement.ACCEPTED]


def test_a_limit_counts_what_was_sent_before() -> None:
    notebook = Notebook()
    texts = [f"e:{number}" for number in range(6)]
    assert run(texts, notebook, limit=3).accepted == 3
    again = run(texts, notebook, limit=3)
    assert (again.accepted, again.already_sent, again.limit_reached) == (0, 3, True)
    assert run(texts, notebook, limit=5).accepted == 2


def test_what_was_answered_meanwhile_is_noted_down_at_once() -> None:
    """While the ledger takes its time, as a slow disk's does, others are answered: they go into the next transaction."""
    sizes: list[int] = []

    class Slow(Notebook):
        def settle(self, settled: Sequence[Settled], commits: Sequence[Commit]) -> None:
            if settled:
                sizes.append(len(settled))
                time.sleep(0.05)
            super().settle(settled, commits)

    notebook, refused = Slow(), {fakes.event_uuid(str(number)) for number in range(0, 40, 3)}
    recorder = fakes.Recorder(lambda event: fakes.REFUSED if event.uuid in refused else fakes.ACCEPTED)
    letters = fakes.Letters()
    texts = [f"e:{number}:{'ab'[number % 2]}" for number in range(40)]
    report = run(texts, notebook, recorder=recorder, letters=letters, bounds=Bounds(1, 100_000), concurrency=4)
    assert (report.accepted, report.rejected, len(letters.letters)) == (26, 14, 14)
    assert sum(sizes) == 40
    assert 1 < max(sizes) <= outbox._MOST_TOGETHER
    assert len(notebook.settled) == 40
    assert {uuid for (_, uuid), outcome in notebook.settled.items() if outcome is Settlement.REJECTED} == refused


@pytest.mark.parametrize("fault", ["lookup", "settling"])
def test_a_ledger_that_fails_ends_the_run_with_7_and_counts_everything(fault: str) -> None:
    notebook = Notebook(**{f"fails_at_{fault}": 3})  # type: ignore[arg-type]  # one of its two fields
    source = [f"e:{number}" for number in range(1000)]
    report = run(source, notebook, recorder=fakes.Recorder(takes_s=0.01), bounds=Bounds(2, 100_000))
    assert report.ledger_error is not None
    assert report.exit_code is ExitCode.LEDGER
    assert report.records < 1000
    assert report.accepted + report.unconfirmed == report.records
    assert (notebook.lookups if fault == "lookup" else notebook.settlings) == 3  # it was met, and asked no more


@settings(max_examples=examples(40), deadline=None)
@given(
    calls=st.lists(st.integers(0, 8), max_size=15),
    seeds=st.lists(st.integers(0, 100), min_size=1, max_size=4),
)
def test_runs_one_after_the_other_send_each_event_until_it_is_settled_and_never_again(
    calls: list[int], seeds: list[int]
) -> None:
    notebook = Notebook()
    settled: set[str] = set()
    for seed in seeds:
        recorder = fakes.Recorder(judge=fakes.judge_by(seed))
        report = run([f"e:{number}" for number in calls], notebook, recorder=recorder)
        assert not settled & set(recorder.uuids)
        assert set(recorder.uuids) | settled == {fakes.event_uuid(str(number)) for number in calls}
        settled = {uuid for _, uuid in notebook.settled}
        assert report.records == len(calls)
