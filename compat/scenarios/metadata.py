"""Who asked, in which conversation, with which words of their own, and to which PostHog project it goes."""

from typing import Any

from compat.scenarios._scenario import Scenario, chat


def _with(name: str, metadata: Any, ask: str = "completion", **arguments: Any) -> Scenario:
    return chat(f"metadata: {name}", ask, metadata=metadata, **arguments)


_PACKED = '{"device_id": "d-1", "account_uuid": "", "session_id": "11111111-2222-3333-4444-555555555555"}'
_OLD_PACKED = "user_0a1b2c_account_aaaaaaaa-0000-0000-0000-000000000001_session_bbbbbbbb-0000-0000-0000-000000000002"

_USERS = (
    _with("user", {"user_id": "anna"}),
    _with("user, async", {"user_id": "anna"}, "acompletion"),
    _with("user as a number", {"user_id": 42}),
    _with("user zero", {"user_id": 0}),
    _with("user empty", {"user_id": ""}),
    _with("user reserved", {"user_id": "Anonymous"}),
    _with("user packed in JSON", {"user_id": _PACKED}),
    _with("user packed in a word", {"user_id": _OLD_PACKED}),
    _with("a session packed beside the user", {"user_id": "anna"}, user=_PACKED),
    _with(
        "words for nothing",
        {"user_id": "MaxDepthExceeded", "feature": "CircularReference Detected", "a": {"b": "Unserializable Object"}},
    ),
    _with("user as an object", {"user_id": {"name": "anna"}}),
    _with("user of 300 letters", {"user_id": "ü" * 150}),
    _with("user beside an end user", {"user_id": "anna"}, user="end-9"),
    chat("metadata: none, an end user", "acompletion", user="end-9"),
    _with("null", None),
    _with("empty", {}),
)

_TRACES = (
    _with("session", {"session_id": "s-1"}),
    _with("trace", {"trace_id": "t-1"}, "acompletion"),
    _with("session and trace", {"session_id": "s-1", "trace_id": "t-1"}, "acompletion"),
    _with("session and trace the same", {"session_id": "s-1", "trace_id": "s-1"}),
    _with("parent run", {"parent_run_id": "run-1"}),
    _with("parent", {"parent_id": "p-1"}, "acompletion"),
    _with("both parents", {"parent_run_id": "run-1", "parent_id": "p-1"}),
    _with("ids that PostHog does not take", {"session_id": "a b/c", "trace_id": "t#1", "parent_id": "ü" * 150}),
    chat("ids: LiteLLM's session", "acompletion", litellm_session_id="ls-1"),
    chat("ids: LiteLLM's trace", litellm_trace_id="lt-1"),
    chat("ids: LiteLLM's session and trace", "acompletion", litellm_session_id="ls-1", litellm_trace_id="lt-1"),
    chat("ids: of all kinds", litellm_session_id="ls-1", litellm_trace_id="lt-1",
         metadata={"session_id": "s-1", "trace_id": "t-1", "user_id": "anna"}),
    chat("ids: a call id of the caller", litellm_call_id="call-of-the-caller"),
)  # fmt: skip

_WISHES = {
    "$ai_session_id": "wished-session",
    "$ai_trace_id": "wished-trace",
    "$ai_parent_id": "wished-parent",
    "$ai_span_name": "wished span",
    "$ai_trace_name": "wished trace",
    "$ai_prompt_name": "wished prompt",
    "$session_id": "web-session",
    "$groups": {"company": "acme"},
}

_OWN_WORDS = (
    _with("own keys", {"feature": "search", "plan": "pro", "count": 3, "ratio": 0.5, "beta": True}),
    _with("nested", {"customer": {"id": 7, "tags": ["a", "b"], "deep": {"er": None}}, "list": [1, None, {"x": "y"}]}),
    _with("nulls", {"a": None, "b": "", "c": [], "d": {}}, "acompletion"),
    _with("letters of many scripts", {"größe": "日本", "emoji 👩‍🔬": "עברית"}),
    _with("wishes", _WISHES),
    _with("wishes of a wrong type", {"$ai_trace_id": 7, "$ai_session_id": None, "$groups": "acme", "$ai_span_name": ["x"]}),
    _with("overwriting", {"$ai_model": "gpt-9", "$ai_input": "forged", "$ai_total_cost_usd": 99, "$ai_is_error": True,
                          "$lib": "forged", "$process_person_profile": True, "$set": {"email": "a@example.com"}}),
    _with("names", {"generation_name": "greet", "trace_name": "welcome", "generation_id": "g-1"}),
    _with("tags", {"tags": ["one", "two", "User-Agent: curl"]}, "acompletion"),
    _with("secrets", {"api_key": "invented", "my_secret": "invented", "password": "invented", "access_token": "invented",
                      "Authorization": "Bearer invented", "nested": {"api_key": "invented", "kept": 1, "headers": {"a": "b"}},
                      "max_tokens_hint": 5, "kept": "yes"}),
    _with("the proxy's own words", {"user_api_key_alias": "key alias", "user_api_key_team_alias": "team", "user_api_key": "hash",
                                    "headers": {"x": "y"}, "model_group": "g", "deployment": "d", "api_base": "b", "endpoint": "e",
                                    "litellm_api_version": "1", "user_agent": "curl", "requester_ip_address": "10.0.0.1",
                                    "previous_models": ["m"], "queue_time_seconds": 1, "team_spend": 2, "_hidden": 1}),
    _with("the router's own words", {"tag_routing": {"tags": ["a"]}, "routing_decision": {"model": "m"}, "file_checksum": "0a",
                                     "quality_router_decision": {"m": 1}, "is_silent_experiment": True, "feature": "search"}),
    _with("of a web server", {"user_agent": "Firefox", "requester_ip_address": "10.0.0.1", "user_id": "anna", "feature": "search"}),
    _with("an image inside", {"shot": {"type": "image", "data": "data:image/png;base64," + "iVBORw0KGgo" * 24}}),
)  # fmt: skip

TEAM_KEY = "phc_compatTeamProject0002"

_DESTINATIONS = (
    chat("destination: a key", posthog_api_key=TEAM_KEY),
    chat("destination: a key, async", "acompletion", posthog_api_key=TEAM_KEY),
    chat("destination: a key and a host", posthog_api_key=TEAM_KEY, posthog_host="{posthog}/team"),
    chat("destination: a host, async", "acompletion", posthog_host="{posthog}/team/"),
    chat("destination: a key and a URL", "acompletion", posthog_api_key=TEAM_KEY, posthog_api_url="{posthog}/team"),
    chat("destination: an empty key", posthog_api_key=""),
    chat(
        "destination: in the metadata",
        metadata={"posthog_api_key": TEAM_KEY, "posthog_host": "{posthog}/team", "kept": 1},
    ),
)

METADATA: tuple[Scenario, ...] = (*_USERS, *_TRACES, *_OWN_WORDS, *_DESTINATIONS)
