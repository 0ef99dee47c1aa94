"""The scenarios as data, and the pin."""

from collections import Counter

from compat.pin import pinned
from compat.provider import answer
from compat.scenarios import SCENARIOS
from compat.scenarios.running import RUNNING
from tests.converting import ROOT


def test_there_are_many_scenarios_each_with_its_name_and_at_least_one_call() -> None:
    assert len(SCENARIOS) >= 60
    assert [name for name, count in Counter(scenario.name for scenario in SCENARIOS).items() if count > 1] == []
    for scenario in SCENARIOS:
        assert scenario.logged > scenario.doubled >= 0
        assert scenario.logged >= scenario.failed >= 0


def test_every_kind_of_call_is_made() -> None:
    asked = {scenario.ask for scenario in SCENARIOS}
    assert asked >= {
        "completion", "acompletion", "stream", "astream", "embedding", "aembedding", "text_completion", "responses", "aresponses",
        "image_generation", "messages", "router_acompletion", "cached_acompletion", "in_flight", "refused", "aspeech", "arerank",
    }  # fmt: skip
    assert any(scenario.settings for scenario in RUNNING)


def test_the_pin_is_one_version_and_the_documents_name_it() -> None:
    assert pinned().count(".") == 2
    assert f"LiteLLM {pinned()}" in (ROOT / "docs" / "compatibility.md").read_text()


def test_the_stand_in_for_the_providers_fails_on_demand_and_knows_its_paths() -> None:
    assert answer("/as/429/v1/chat/completions", b"{}")[0] == 429
    assert answer("/v1/chat/completions", b'{"stream": true}')[2] == "text/event-stream"
    assert answer("/v1/no-such-thing", b"{}")[0] == 404
