"""A ledger that is damaged, newer, something else or without room is told as what it is, and never begun anew."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from posthog_llm_cli.errors import ConfigError, LedgerError
from posthog_llm_cli.ledger import care, reading, salvage, view
from posthog_llm_cli.ledger.schema import PAGE_BYTES
from posthog_llm_cli.model import Settled, Settlement
from tests.converting import ROOT
from tests.ledger.making import LOOK, NOW, US, accepted, ended, filled, ids, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def scribble(path: Path, page: int, content: bytes = b"\xa5" * PAGE_BYTES) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        before = file.read(len(content))
        file.seek(page * PAGE_BYTES)
        file.write(content)
    assert before != content


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute(statement)
        file.commit()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 500)


def cut_off(path: Path) -> None:
    os.truncate(path, 700)


def head_lost(path: Path) -> None:
    scribble(path, 0)


def newer(path: Path) -> None:
    change(path, "PRAGMA user_version = 3")


def foreign(path: Path) -> None:
    path.unlink()
    change(path, "CREATE TABLE notes (text)")


def other_tables(path: Path) -> None:
    change(path, "DROP TABLE tallies")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def lost_beside_its_wal(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.with_name(path.name + "-wal").write_bytes(b"w" * 100)


FAULTS: dict[Callable[[Path], None], str] = {
    empty: "damaged", garbage: "damaged", cut_off: "damaged", head_lost: "damaged", other_tables: "damaged",
    newer: "found schema 3", foreign: "another SQLite database", folder: "expected a file and found something else",
    lost_beside_its_wal: "found only its ledger.sqlite-wal",
}  # fmt: skip


def test_what_cannot_be_looked_at_is_not_begun_anew(path: Path) -> None:
    path.symlink_to(path)
    for attempt in (lambda: opened(path), lambda: view(path, LOOK), lambda: care.check(path)):
        with pytest.raises(LedgerError, match="too many levels of symbolic links"):
            attempt()
    assert path.is_symlink()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_leaves_no_connection_open(path: Path, fault: Callable[[Path], None]) -> None:
    filled(path, 100)
    fault(path)
    for attempt in (lambda: opened(path, "run-2"), lambda: view(path, LOOK)):
        with pytest.raises(LedgerError) as caught:
            attempt()
        assert caught.value.hint  # the error's traceback holds all that nobody has closed
        assert str(path) not in map(os.path.realpath, Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_told_and_nothing_is_changed(path: Path, fault: Callable[[Path], None]) -> None:
    filled(path, 100)
    fault(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    for attempt in (lambda: opened(path, "run-2"), lambda: view(path, LOOK)):
        with pytest.raises(LedgerError, match=FAULTS[fault]) as caught:
            attempt()
        assert caught.value.hint
    after = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    assert {name: after[name] for name in before if not name.endswith(".lock")} == {
        name: content for name, content in before.items() if not name.endswith(".lock")
    }


def test_a_bad_page_is_told_when_it_is_met_and_after_a_kill_at_once(path: Path) -> None:
    settled = filled(path, 5_000)
    opened(path, "killed").close()  # it never ended
    for page in range(40, 60):
        scribble(path, page)
    with pytest.raises(LedgerError, match="damaged"):
        opened(path, "run-3")
    with closing(sqlite3.connect(path)) as file:  # a run that ended is not looked through; the lookup meets the page
        file.execute("UPDATE runs SET ended_at = started_at")
        file.commit()
    with opened(path, "run-4") as ledger, pytest.raises(LedgerError, match="damaged"):
        [ledger.outcome_of(US, uuid) for uuid in settled]


@pytest.mark.parametrize("outcome", ["7", "'accepted'", "x'00'", "2.5"])
def test_an_outcome_that_is_none_is_damage_where_it_is_met(path: Path, outcome: str) -> None:
    """A page in the place of another has rows of other columns."""
    (uuid,) = filled(path, 1)
    change(path, f"UPDATE settled SET outcome = {outcome}")
    with opened(path, "run-2") as ledger, pytest.raises(LedgerError, match="damaged"):
        ledger.outcome_of(US, uuid)


@pytest.mark.parametrize("report", ["'{\"records\": 1'", "'[]'", "7", "x'ff00'"])
def test_a_report_that_is_none_is_not_shown_and_hides_no_run(path: Path, report: str) -> None:
    filled(path, 3)
    change(path, f"UPDATE runs SET report = {report}")
    (run,) = reading.runs(path, most=5)
    assert (run.run_id, run.accepted, run.report) == ("run-1", 3, None)
    assert reading.status(path).last_run == run


def known_after(found: salvage.Repaired, path: Path, settled: Sequence[str], *, damaged: bytes) -> list[str]:
    """Return which ids a repaired ledger still knows; it is whole, and the damaged file is kept as it was."""
    assert found.kept is not None
    assert found.kept.read_bytes() == damaged
    assert care.check(path) == care.Checked(found.events, ())
    with opened(path, "run-2") as ledger:
        return [uuid for uuid in settled if ledger.outcome_of(US, uuid) is Settlement.ACCEPTED]


def test_repair_saves_what_is_readable_keeps_the_old_file_and_tells_what_is_lost(path: Path) -> None:
    settled = filled(path, 20_000)
    for page in (50, 200, 201):
        scribble(path, page)
    damaged = path.read_bytes()
    assert care.check(path).problems
    found = salvage.repair(path, now=NOW)
    assert found.expected == 20_000
    assert 19_000 < found.events < 20_000
    known = known_after(found, path, settled, damaged=damaged)
    assert len(known) == found.events
    assert not list(path.parent.glob("*.repaired*"))


@pytest.mark.parametrize("left", [0.5, 0.8, 0.95])
def test_repair_saves_what_a_file_that_was_cut_off_still_holds(path: Path, left: float) -> None:
    settled = filled(path, 20_000)
    os.truncate(path, int(path.stat().st_size * left))
    damaged = path.read_bytes()
    with pytest.raises(LedgerError, match="damaged"):
        opened(path, "run-2")
    found = salvage.repair(path, now=NOW)
    assert 3_000 < found.events < 20_000
    known = known_after(found, path, settled, damaged=damaged)
    assert found.events - 1 <= len(known), "the id at the cut may have lost its end"


def test_repair_takes_what_is_in_the_wal(path: Path, tmp_path: Path) -> None:
    filled(path, 3_000)
    ledger = opened(path, "run-2")
    ledger.settle([Settled(US, accepted(ids(10, of="late")))])
    copy = tmp_path / "copy.sqlite"
    for suffix in ("", "-wal"):  # what a kill leaves
        shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    ledger.close()
    scribble(copy, 30)
    found = salvage.repair(copy, now=NOW)
    assert (found.expected, found.kept is not None) == (3_010, True)
    assert care.check(copy).problems == ()


def test_repair_of_a_whole_ledger_changes_nothing(path: Path) -> None:
    filled(path, 10)
    before = sorted(file.name for file in path.parent.iterdir())
    found = salvage.repair(path, now=NOW)
    assert (found.events, found.kept) == (10, None)
    assert sorted(file.name for file in path.parent.iterdir()) == before


@pytest.mark.parametrize("fault", [newer, foreign, garbage, empty, head_lost], ids=lambda fault: fault.__name__)
def test_repair_refuses_what_it_cannot_save_and_changes_nothing(path: Path, fault: Callable[[Path], None]) -> None:
    filled(path, 100)
    fault(path)
    before = path.read_bytes()
    with pytest.raises(LedgerError):
        salvage.repair(path, now=NOW)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.repaired*")) + list(path.parent.glob("*.damaged*"))


def test_a_check_finds_tallies_that_lie_and_repair_counts_anew(path: Path) -> None:
    filled(path, 10)
    change(path, "UPDATE tallies SET events = 11")
    assert care.check(path).problems == ("the tallies of 2 runs and outcomes are not what is settled",)
    assert salvage.repair(path, now=NOW).events == 10
    assert reading.status(path).destinations[0].accepted == 10


def test_there_is_nothing_to_read_where_no_ledger_is(path: Path) -> None:
    for ask in (reading.status, care.check, lambda path: salvage.repair(path, now=NOW)):
        with pytest.raises(ConfigError, match="expected a ledger and found none"):
            ask(path)
    assert not path.exists()


def test_forgetting_a_destination_re_opens_its_events_and_no_others(path: Path) -> None:
    settled = filled(path, 10)
    other = opened(path, "run-2")
    other.settle([Settled(US.__class__("https://eu.example", US.api_key), accepted(settled))])
    ended(other)
    assert care.forget_destination(path, 1, now=NOW) == 10
    with opened(path, "run-3") as ledger:
        assert ledger.outcome_of(US, settled[0]) is None
        assert ledger.outcome_of(US.__class__("https://eu.example", US.api_key), settled[0]) is Settlement.ACCEPTED
        ledger.settle([Settled(US, accepted(settled))])
    assert care.check(path).problems == ()


def test_a_disk_that_is_full_is_told_and_what_was_settled_before_stays(path: Path) -> None:
    """RLIMIT_FSIZE: no file of this process may grow beyond 150 kB, as on a full disk."""
    script = f"""
import resource
from pathlib import Path
from posthog_llm_cli.errors import LedgerError
from posthog_llm_cli.model import Settled
from tests.ledger.making import US, accepted, ids, opened
ledger = opened(Path({str(path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
settled = 0
try:
    for start in range(0, 100_000, 500):
        ledger.settle([Settled(US, accepted(ids(start + 500)[start:]))])
        settled = start + 500
except LedgerError as error:
    print(settled, error.message, "|", error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    settled = int(done.stdout.split()[0])
    assert "expected room for the ledger" in done.stdout
    assert "make room on the disk" in done.stdout
    assert 0 < settled < 100_000
    with opened(path, "run-2") as ledger:
        known = [ledger.outcome_of(US, uuid) for uuid in ids(settled + 500)]
    assert known == [Settlement.ACCEPTED] * settled + [None] * 500
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
