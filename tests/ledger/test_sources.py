"""What the ledger notes of sources: looked up by content, moved on, and forgotten where it may not hold any more."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posthog_llm_cli.committed import Commit, Reached
from posthog_llm_cli.errors import ConfigError, LedgerError
from posthog_llm_cli.ledger import Ledger, RunStart, care, reading, records, salvage, sources
from posthog_llm_cli.ledger.files import version_of
from posthog_llm_cli.ledger.schema import APPLICATION_ID, OLDER, SCHEMA_VERSION, UPDATE
from posthog_llm_cli.model import Settled
from tests.ledger.making import LOOK, NOW, US, accepted, ended, filled, ids, opened

HEAD = b"0123456789" * 200


def commit(
    offset: int, *, uri: str = "a.jsonl", records: int = 10, is_whole: bool = False, file_state: bytes | None = None
) -> Commit:
    place = Reached(uri, HEAD[:1024], offset, b"d" * 16, offset // 10, is_whole=is_whole, file_state=file_state)
    return Commit(place, records, records)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def noted(path: Path, *commits: Commit) -> None:
    ledger = opened(path)
    ledger.settle([Settled(US, accepted(ids(2)))], commits)
    ended(ledger)


def offsets(ledger: Ledger, head: bytes = HEAD) -> list[int]:
    return [found.offset for found in ledger.committed(head)]


def test_a_source_is_found_by_its_head_alone(path: Path) -> None:
    noted(path, commit(500), commit(3000, uri="b.jsonl"))
    with opened(path, "run-2") as ledger:
        assert sorted(offsets(ledger)) == [500, 3000]
        assert offsets(ledger, HEAD[:300]) == [500], "a head may be shorter than what was read"
        assert offsets(ledger, b"x" + HEAD) == offsets(ledger, b"") == []


def test_a_row_moves_on_with_its_source(path: Path) -> None:
    noted(path, commit(500))
    with opened(path, "run-2") as ledger:
        (known,) = ledger.committed(HEAD)
        ledger.claim("a.jsonl.1", known)
        assert offsets(ledger) == [], "no other source of this run goes on from it"
        ledger.settle([], [commit(900, uri="a.jsonl.1", records=20)])
        ledger.settle([], [commit(1200, uri="a.jsonl.1", records=30)])
    (row,) = reading.sources(path, most=9)
    assert (Path(row.name).name, row.offset, row.records, row.run_id) == ("a.jsonl.1", 1200, 30, "run-2")


def test_a_source_of_few_records_is_not_noted(path: Path) -> None:
    noted(path, commit(500, records=3))
    assert reading.sources(path, most=9) == []


def test_a_settling_that_fails_notes_no_source_either(path: Path) -> None:
    with opened(path) as ledger:
        with pytest.raises(ValueError, match="non-hexadecimal"):
            ledger.settle([Settled(US, accepted(["no uuid"]))], [commit(500)])
        assert offsets(ledger) == []


def test_a_forgotten_destination_takes_all_sources_along(path: Path) -> None:
    noted(path, commit(500), commit(700, uri="b.jsonl"))
    care.forget_destination(path, 1, now=NOW)
    assert reading.status(path).sources == 0


def test_a_forgotten_source_leaves_the_others(path: Path) -> None:
    noted(path, commit(500), commit(700, uri="b.jsonl"))
    (row,) = reading.sources(path, most=9, name=str(Path("a.jsonl").absolute()))
    assert care.forget_sources(path, [row.number], now=NOW) == 1
    assert [Path(one.name).name for one in reading.sources(path, most=9)] == ["b.jsonl"]
    with pytest.raises(ConfigError):
        care.forget_sources(path.with_name("none"), [1], now=NOW)


def test_a_repaired_ledger_has_every_source_read_again(path: Path) -> None:
    """What was lost lies somewhere in them."""
    noted(path, commit(500))
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE tallies SET events = 7")
        file.commit()
    assert salvage.repair(path, now=NOW).kept is not None
    assert reading.status(path).sources == 0
    assert care.check(path).problems == ()


def test_a_source_of_a_run_that_is_missing_is_told(path: Path) -> None:
    noted(path, commit(500))
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE sources SET run = 99")
        file.commit()
    assert care.check(path).problems == ("1 sources of a run that is missing",)


def test_the_rows_used_longest_ago_go_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_ROWS", 2)
    for run in range(4):
        ledger = opened(path, f"run-{run}")
        ledger.settle([], [commit(500 + run, uri=f"{run}.jsonl")])
        ended(ledger)
    assert [one.offset for one in reading.sources(path, most=9)] == [503, 502, 501]


def test_other_settings_know_nothing_of_it(path: Path) -> None:
    noted(path, commit(500))
    with Ledger(path, RunStart("run-2", NOW, settings=b"others")) as other:
        assert offsets(other) == []
    with Ledger(path, RunStart("run-3", NOW, since=NOW)) as later:
        assert offsets(later) == [500], "all of it was settled, whenever it was"


# ----------------------------------------------------------------------------------------- files in a state that is known


def test_a_file_is_found_by_its_state_under_the_same_settings_alone(path: Path) -> None:
    noted(path, commit(500, file_state=b"state"))
    with opened(path, "run-2") as ledger:
        known = ledger.unchanged(b"state")
        assert known is not None
        assert (known.offset, known.records) == (500, 10)
        assert ledger.unchanged(b"other") is None
        ledger.claim("a.jsonl", known)
        assert ledger.unchanged(b"state") is None, "the same file twice in one run is read"
    with Ledger(path, RunStart("run-3", NOW, settings=b"others")) as other:
        assert other.unchanged(b"state") is None


def test_a_row_that_is_noted_again_stays_settled_since_when_it_was(path: Path) -> None:
    noted(path, commit(500))
    for offset, settled_since in ((500, ""), (900, "2026")):
        with Ledger(path, RunStart(f"run-{offset}", NOW, since=NOW)) as ledger:
            ledger.begin()
            (known,) = ledger.committed(HEAD)
            ledger.claim("a.jsonl", known)
            ledger.settle([], [commit(offset, records=20, file_state=b"state")])
            ended(ledger)
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("SELECT substr(since, 1, 4) FROM sources").fetchall() == [(settled_since,)]


def test_a_row_that_moves_on_keeps_no_state_of_before(path: Path) -> None:
    noted(path, commit(500, file_state=b"state"))
    with opened(path, "run-2") as ledger:
        (known,) = ledger.committed(HEAD)
        ledger.claim("a.jsonl", known)
        ledger.settle([], [commit(900, records=20)])
    with opened(path, "run-3") as ledger:
        assert ledger.unchanged(b"state") is None
        assert offsets(ledger) == [900]


def older(path: Path, version: int) -> None:
    """Make the ledger one that an earlier version wrote, with what is in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        tables = {
            name: file.execute(f"SELECT * FROM {name}").fetchall() for name in OLDER[version] if "_by_" not in name
        }
    path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute(f"PRAGMA application_id={APPLICATION_ID}")
        file.execute(f"PRAGMA user_version={version}")
        for statement in OLDER[version].values():
            file.execute(statement)
        for name, rows in tables.items():
            width = len(file.execute(f"SELECT * FROM {name}").description)
            file.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * width)})", [row[:width] for row in rows])
        file.execute("PRAGMA journal_mode=WAL")


def made(path: Path, version: int) -> list[str]:
    events = filled(path, 700)
    with opened(path, "run-2") as ledger:
        ledger.settle([], [commit(500), commit(800, uri="b.jsonl", is_whole=True)])
        ended(ledger)
    older(path, version)
    return events


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("before", OLDER)
def test_a_ledger_of_an_earlier_version_is_brought_up_to_date_with_all_that_it_knows(path: Path, before: int) -> None:
    events = made(path, before)
    assert version(path) == before
    with opened(path, "run-3") as ledger:
        assert all(ledger.is_settled(US, event) for event in events)
        assert sorted(offsets(ledger)) == [500, 800]
        (known,) = [one for one in ledger.committed(HEAD) if one.offset == 500]
        ledger.claim("a.jsonl", known)
        ledger.settle([], [commit(900, records=20, file_state=b"state")])
        ended(ledger)
    assert version(path) == SCHEMA_VERSION
    with opened(path, "run-4") as ledger:
        known_now = ledger.unchanged(b"state")
        assert known_now is not None
        assert known_now.offset == 900
        ended(ledger)
    checked = care.check(path)
    assert (checked.problems, checked.events) == ((), 700)


@pytest.mark.parametrize("before", OLDER)
def test_a_ledger_of_an_earlier_version_is_looked_at_as_it_is(path: Path, before: int) -> None:
    events = made(path, before)
    view = records.view(path, LOOK)
    assert all(view.is_settled(US, event) for event in events)
    assert sorted(one.offset for one in view.committed(HEAD)) == [500, 800]
    assert view.unchanged(b"state") is None
    view.close()
    assert (reading.status(path).sources, care.check(path).problems) == (2, ())
    assert version(path) == before


@pytest.mark.parametrize("before", OLDER)
def test_a_ledger_that_is_brought_up_to_date_just_now_is_looked_at_all_the_same(
    path: Path, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = made(path, before)

    def meanwhile(file: sqlite3.Connection) -> int:
        monkeypatch.undo()
        found = version_of(file)
        opened(path, "run-3").close()
        assert version(path) == SCHEMA_VERSION
        return found

    monkeypatch.setattr("posthog_llm_cli.ledger.files.version_of", meanwhile)
    with closing(records.view(path, LOOK)) as view:
        assert all(view.is_settled(US, event) for event in events)
        assert sorted(one.offset for one in view.committed(HEAD)) == [500, 800]
        assert view.unchanged(b"state") is None


@pytest.mark.parametrize("before", OLDER)
def test_a_damaged_ledger_of_an_earlier_version_is_repaired(path: Path, before: int) -> None:
    made(path, before)
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE tallies SET events = 7")
        file.commit()
    repaired = salvage.repair(path, now=NOW)
    assert repaired.events == 700
    assert version(path) == SCHEMA_VERSION


def test_an_update_that_is_cut_short_leaves_the_ledger_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, 1)
    statements = {1: (*UPDATE[1], "SELECT no FROM such")}
    monkeypatch.setattr("posthog_llm_cli.ledger.files.UPDATE", statements)
    with pytest.raises(LedgerError):
        opened(path, "run-3")
    monkeypatch.undo()
    assert version(path) == 1
    with opened(path, "run-4") as ledger:
        assert sorted(offsets(ledger)) == [500, 800]
