"""A deliverer that is made when the first chunk comes, and only then."""

import threading
from collections.abc import Sequence

import pytest

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.model import Chunk, Delivery, Endpoint, HostLoad
from posthog_llm_cli.transport import Deferred, Rehearsal
from tests.transport.making import a_chunk


class Noting(Rehearsal):
    """A rehearsal that says what it was told."""

    def __init__(self) -> None:
        super().__init__(Endpoint.V1)
        self.told: list[str] = []

    def deliver(self, chunk: Chunk) -> Delivery:
        self.told.append("deliver")
        return super().deliver(chunk)

    def loads(self) -> Sequence[HostLoad]:
        self.told.append("loads")
        return ()

    def stop(self) -> None:
        self.told.append("stop")

    def close(self) -> None:
        self.told.append("close")


def never() -> Noting:
    raise AssertionError("nothing was to be delivered")


def test_nothing_is_made_for_a_run_that_delivers_nothing() -> None:
    deferred = Deferred(never)
    assert list(deferred.loads()) == []
    deferred.stop()
    deferred.close()


def test_it_is_made_once_however_many_threads_begin_together() -> None:
    made: list[Noting] = []
    together = threading.Barrier(8)

    def make() -> Noting:
        made.append(Noting())
        return made[-1]

    deferred = Deferred(make)

    def deliver() -> None:
        together.wait()
        deferred.deliver(a_chunk())

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert made[0].told == ["deliver"] * 8


def test_what_was_made_is_told_everything() -> None:
    noting = Noting()
    deferred = Deferred(lambda: noting)
    assert deferred.deliver(a_chunk()).outcomes
    deferred.loads()
    deferred.close()
    assert noting.told == ["deliver", "loads", "stop", "close"]


def test_what_is_made_after_the_end_was_told_to_end_before_it_delivers() -> None:
    noting = Noting()
    deferred = Deferred(lambda: noting)
    deferred.stop()
    deferred.deliver(a_chunk())
    assert noting.told == ["stop", "deliver"]


def test_what_cannot_be_made_says_so_and_is_tried_again() -> None:
    noting = Noting()
    answers = [ConfigError("no certificates"), None]

    def make() -> Noting:
        error = answers.pop(0)
        if error is not None:
            raise error
        return noting

    deferred = Deferred(make)
    with pytest.raises(ConfigError, match="no certificates"):
        deferred.deliver(a_chunk())
    deferred.deliver(a_chunk())
    assert noting.told == ["deliver"]
