"""What a run notes is there for the next one, whatever happened in between."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import LedgerError
from posthog_llm_cli.ledger import NoLedger, care, reading, view
from posthog_llm_cli.ledger.schema import TABLES
from posthog_llm_cli.model import Destination, Settled, Settlement
from tests.converting import ROOT
from tests.laws import examples
from tests.ledger.making import EU, LOOK, NOW, US, accepted, ended, filled, ids, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def test_what_is_settled_is_known_to_the_next_run_by_destination(path: Path) -> None:
    one, two, three, four = ids(4)
    with opened(path) as ledger:
        assert ledger.outcome_of(US, one) is None
        ledger.settle([Settled(US, [(one, Settlement.ACCEPTED), (two, Settlement.REJECTED)])])
        ledger.settle([Settled(EU, [(three, Settlement.EDGE)])])
    with opened(path, "run-2") as ledger:
        found = [ledger.outcome_of(US, uuid) for uuid in (one, two, three, four, one.upper().replace("-", ""))]
        assert found == [Settlement.ACCEPTED, Settlement.REJECTED, None, None, Settlement.ACCEPTED]
        assert ledger.outcome_of(EU, three) is Settlement.EDGE
        assert ledger.outcome_of(Destination(US.host, EU.api_key), one) is None


def test_what_several_deliveries_have_settled_is_noted_down_in_one_transaction(path: Path) -> None:
    one, two, three, four = ids(4)
    with opened(path) as ledger:
        before = ledger._file.total_changes
        ledger.settle(
            [
                Settled(US, [(one, Settlement.ACCEPTED)]),
                Settled(EU, [(one, Settlement.REJECTED)]),
                Settled(US, []),
                Settled(US, [(two, Settlement.TRUNCATED), (three, Settlement.EDGE)], {two: 5}),
            ]
        )
        assert ledger._file.total_changes > before
        assert not ledger._file.in_transaction
    with opened(path, "run-2") as ledger:
        found = [ledger.outcome_of(US, uuid) for uuid in (one, two, three, four)]
        assert found == [Settlement.ACCEPTED, Settlement.TRUNCATED, Settlement.EDGE, None]
        assert (ledger.note_on(US, two), ledger.note_on(US, one)) == (5, 0)
        assert ledger.outcome_of(EU, one) is Settlement.REJECTED
    assert care.check(path) == care.Checked(4, ())


def test_of_a_transaction_that_fails_nothing_is_noted(path: Path) -> None:
    with opened(path) as ledger:
        with pytest.raises(ValueError, match="hexadecimal"):
            ledger.settle([Settled(US, accepted(ids(3))), Settled(EU, accepted(["no uuid"]))])
        ledger.settle([Settled(EU, accepted(ids(1)))])
    assert care.check(path) == care.Checked(1, ())


def test_a_rejected_event_may_become_an_accepted_one_and_the_tallies_follow(path: Path) -> None:
    one, two = ids(2)
    with opened(path) as ledger:
        ledger.settle([Settled(US, [(one, Settlement.REJECTED), (two, Settlement.REJECTED)])])
    with opened(path, "run-2") as ledger:
        ledger.settle([Settled(US, [(one, Settlement.ACCEPTED)])])
    with opened(path, "run-3") as ledger:
        assert ledger.outcome_of(US, one) is Settlement.ACCEPTED
    (known,) = reading.status(path).destinations
    assert (known.accepted, known.rejected) == (1, 1)
    assert care.check(path).problems == ()


@pytest.mark.parametrize("events", [31, 32, 33, 64, 100])
def test_a_delivery_of_any_size_is_settled_though_some_of_it_was_before(path: Path, events: int) -> None:
    settled = ids(events)
    with opened(path) as ledger:
        ledger.settle([Settled(US, [(one, Settlement.REJECTED) for one in settled[::3]])])
    with opened(path, "run-2") as ledger:
        ledger.settle([Settled(US, accepted(settled))])
    with opened(path, "run-3") as ledger:
        assert {ledger.outcome_of(US, one) for one in settled} == {Settlement.ACCEPTED}
    (known,) = reading.status(path).destinations
    assert (known.accepted, known.rejected) == (events, 0)
    assert care.check(path).problems == ()


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(
        st.tuples(st.booleans(), st.dictionaries(st.integers(0, 9), st.sampled_from(Settlement), max_size=5)),
        max_size=8,
    )
)
def test_the_last_word_on_an_event_counts_and_a_check_finds_nothing(
    tmp_path: Path, deliveries: list[tuple[bool, dict[int, Settlement]]]
) -> None:
    path = tmp_path / os.urandom(8).hex() / "ledger.sqlite"
    known: dict[tuple[Destination, str], Settlement] = {}
    uuids = ids(10)
    for number, (is_eu, outcomes) in enumerate(deliveries):
        destination = EU if is_eu else US
        settled = [(uuids[index], outcome) for index, outcome in outcomes.items()]
        with opened(path, f"run-{number}") as ledger:
            ledger.settle([Settled(destination, settled)])
        known.update({(destination, uuid): outcome for uuid, outcome in settled})
    with opened(path, "last") as ledger:
        for destination in (US, EU):
            for uuid in uuids:
                assert ledger.outcome_of(destination, uuid) is known.get((destination, uuid))
    assert care.check(path) == care.Checked(len(known), ())


def test_no_key_and_no_distinct_id_stands_in_the_file_and_only_its_owner_reads_it(path: Path) -> None:
    with opened(path, distinct_id="someone@example.org") as ledger:
        ledger.settle([Settled(US, accepted(ids(3)))])
        ledger.end("{}", exit_code=0, ended_at=NOW)
        files = {file.name: file for file in path.parent.iterdir()}
        assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite.lock"} <= set(files)
        for file in files.values():
            content = file.read_bytes()
            assert US.api_key.encode() not in content
            assert b"someone@" not in content
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_delivery_is_on_disk_when_settle_returns(path: Path) -> None:
    """A copy of the files at that moment is what a killed process leaves; nothing was closed."""
    ledger = opened(path)
    ledger.settle([Settled(US, accepted(ids(5)))])
    copy = path.parent / "copy.sqlite"
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    ledger.close()
    with opened(copy, "run-2") as again:
        assert again.outcome_of(US, ids(5)[4]) is Settlement.ACCEPTED


def test_a_view_reads_beside_a_run_and_leaves_nothing_behind(path: Path) -> None:
    assert isinstance(view(path, LOOK), NoLedger)
    assert not path.parent.exists()
    (one,) = filled(path, 1)
    before = sorted(file.name for file in path.parent.iterdir())
    found = view(path, LOOK)
    assert found.outcome_of(US, one) is Settlement.ACCEPTED
    found.close()
    assert sorted(file.name for file in path.parent.iterdir()) == before
    with opened(path, "run-2"):
        beside = view(path, LOOK)
        assert beside.outcome_of(US, one) is Settlement.ACCEPTED
        beside.close()


def test_calls_sent_under_another_distinct_id_are_counted(path: Path) -> None:
    first = opened(path, distinct_id="a")
    first.settle([Settled(US, accepted(ids(3)))])
    ended(first)
    with opened(path, "run-2", distinct_id="b") as ledger:
        assert ledger.warning is None  # nothing of the first run is open
        for uuid in ids(4):
            ledger.outcome_of(US, uuid)
        assert ledger.other_distinct_id == 3
    with opened(path, "run-3", distinct_id="a") as ledger:
        ledger.outcome_of(US, ids(1)[0])
        assert ledger.other_distinct_id == 0


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_with_open_calls_under_another_distinct_id_is_told(path: Path, killed: bool) -> None:
    first = opened(path, distinct_id="a")
    if killed:
        first.close()
    else:
        ended(first, exit_code=5, report='{"unconfirmed": 7}')
    second = opened(path, "run-2", distinct_id="a")
    assert second.warning is None
    second.close()
    with opened(path, "run-3", distinct_id="b") as ledger:
        assert ledger.warning is not None
        assert "another --distinct-id" in ledger.warning


def test_a_ledger_takes_less_than_a_hundred_bytes_an_event(path: Path) -> None:
    filled(path, 20_000)
    assert path.stat().st_size / 20_000 < 100


def test_the_page_on_the_ledger_has_the_schema_of_the_code() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text()
    for statement in TABLES.values():
        assert statement + ";" in page


def test_a_foreign_writer_is_told_as_what_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthog_llm_cli.ledger.files._BUSY_S", 0.1)
    filled(path, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="another program writes into it"):
        opened(path, "run-2")
    other.close()
