from collections.abc import Iterator

import pytest

from posthog_llm_cli.mockserver import MockServer


@pytest.fixture(scope="module")
def shared() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def server(shared: MockServer) -> MockServer:
    shared.reset()
    return shared
