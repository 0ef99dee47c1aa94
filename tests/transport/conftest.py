from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from posthog_llm_cli.model import Chunk, Delivery, Endpoint
from posthog_llm_cli.transport import Capture, RetryNotice, new_client
from tests.transport.making import NOW
from tests.transport.server import Script, Server, serving, take_all


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    with ExitStack() as stack:

        def start(script: Script = take_all, **options: Any) -> Server:
            return stack.enter_context(serving(script, **options))

        yield start


@pytest.fixture(autouse=True, scope="session")
def no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust nobody: each client would otherwise read some hundred certificates, for servers that speak plain HTTP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no-authorities")))
        yield


@dataclass
class Bench:
    """A `Capture` whose waits cost no time, with everything it waited for and announced."""

    capture: Capture
    slept: list[float]
    notices: list[RetryNotice]
    time: list[float] = field(default_factory=lambda: [0.0])

    def deliver(self, chunk: Chunk) -> Delivery:
        delivery = self.capture.deliver(chunk)
        assert len(delivery.outcomes) == len(chunk.events)
        return delivery


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    """Make `Capture`s that end with the test; sleeping moves their monotonic clock on."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:

        def make(
            endpoint: Endpoint = Endpoint.V1,
            *,
            max_retries: int = 2,
            timeout_s: float = 5.0,
            rate_limit: float | None = None,
            sleep: Callable[[float], None] | None = None,
            real_sleep: bool = False,
            now: datetime = NOW,
        ) -> Bench:
            slept: list[float] = []
            notices: list[RetryNotice] = []
            clock = [0.0]

            def instead(seconds: float) -> None:
                slept.append(seconds)
                clock[0] += seconds
                if sleep is not None:
                    sleep(seconds)

            capture = Capture(
                new_client(timeout_s=timeout_s),
                endpoint=endpoint,
                max_retries=max_retries,
                rate_limit=rate_limit,
                run_clock=lambda: now,
                sleep=None if real_sleep else instead,
                monotonic=lambda: clock[0],
                on_retry=notices.append,
            )
            stack.callback(capture.close)
            return Bench(capture, slept, notices, clock)

        yield make
