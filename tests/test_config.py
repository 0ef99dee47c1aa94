"""Flags over the environment, over ./plh.toml, over the user's plh.toml, over the defaults; and no key in any message."""

import pickle
import pwd
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.config import values
from posthog_llm_cli.config.display import Display, read_display
from posthog_llm_cli.config.options import OPTIONS
from posthog_llm_cli.config.resolution import ledger_path, load, require_key, resolve
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.model import Endpoint, Historical, Media
from tests.laws import examples

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = "phc_abcdefghijklmnopqrstuvwxyz0123456789"
OTHER_KEY = "phc_zyxwvutsrqponmlkjihgfedcba9876543210"


class Home:
    """A working directory and a user's folders, both empty."""

    def __init__(self, root: Path) -> None:
        self.cwd, self.config, self.state = root / "project", root / "config", root / "state"
        self.cwd.mkdir()
        self.config.mkdir()

    def project(self, text: str) -> None:
        (self.cwd / "plh.toml").write_text(text)

    def user(self, text: str) -> None:
        (self.config / "plh.toml").write_text(text)

    def resolve(self, flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        return resolve(flags or {}, environ or {}, self.cwd, self.config, state_home=self.state, now=NOW)

    def error(self, flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.resolve(flags, environ)
        return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


# -------------------------------------------------------------------------------------------------------- precedence

# name, its field, three (text, value in a file, what it means), weakest first
CASES: list[tuple[str, str, list[tuple[str, str, Any]]]] = [
    ("format", "format", [("litellm", '"litellm"', "litellm"), ("openai-chat", '"openai-chat"', "openai-chat"), ("auto", '"auto"', None)]),
    ("since", "since", [("1d", '"1d"', NOW - timedelta(days=1)), ("2026-11-01", "2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)), ("36h", '"36h"', NOW - timedelta(hours=36))]),
    ("until", "until", [("1d", '"1d"', NOW - timedelta(days=1)), ("2026-11-01", "2026-11-01T00:00:00Z", datetime(2026, 11, 1, tzinfo=UTC)), ("5m", '"5m"', NOW - timedelta(minutes=5))]),
    ("limit", "limit", [("1", "1", 1), ("20", "20", 20), ("300", "300", 300)]),
    ("metadata_only", "metadata_only", [("send", '"send"', True), ("reject", '"reject"', False), ("send", '"send"', True)]),
    ("default_time", "default_time", [("2d", '"2d"', NOW - timedelta(days=2)), ("2026-11-01", "2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)), ("3d", '"3d"', NOW - timedelta(days=3))]),
    ("timezone", "timezone", [("Europe/Berlin", '"Europe/Berlin"', ZoneInfo("Europe/Berlin")), ("utc", '"utc"', UTC), ("Asia/Tokyo", '"Asia/Tokyo"', ZoneInfo("Asia/Tokyo"))]),
    ("max_record", "max_record", [("4MB", '"4MB"', 4_000_000), ("77", "77", 77), ("1KiB", '"1KiB"', 1024)]),
    ("api_key", "api_key", [(KEY, f'"{KEY}"', KEY), (OTHER_KEY, f'"{OTHER_KEY}"', OTHER_KEY), ("phc_x", '"phc_x"', "phc_x")]),
    ("record_keys_only", "record_keys_only", [("", "true", True)]),
    ("allow_host", "allow_host", [("https://a.example", '["https://a.example"]', ("https://a.example",)), ("https://B.example/", '["https://B.example/"]', ("https://b.example",)), ("http://c:81", '["http://c:81"]', ("http://c:81",))]),
    ("endpoint", "endpoint", [("v1", '"v1"', Endpoint.V1), ("batch", '"batch"', Endpoint.BATCH), ("ai-batch", '"ai-batch"', Endpoint.AI_BATCH)]),
    ("distinct_id", "distinct_id", [("a", '"a"', "a"), ("b", '"b"', "b"), ("c", '"c"', "c")]),
    ("property", "properties", [("a=1", '["a=1"]', {"a": "1"}), ("b=x=y", '["b=x=y"]', {"b": "x=y"}), ("c=", '["c="]', {"c": ""})]),
    ("privacy_mode", "privacy_mode", [("true", "true", True), ("off", "false", False), ("YES", "true", True)]),
    ("media", "media", [("keep", '"keep"', Media.KEEP), ("redact", '"redact"', Media.REDACT), ("keep", '"keep"', Media.KEEP)]),
    ("import_id", "import_id", [("a", '"a"', "a"), ("b", '"b"', "b"), ("c", '"c"', "c")]),
    ("chunk_events", "chunk_events", [("1", "1", 1), ("2", "2", 2), ("3", "3", 3)]),
    ("chunk_bytes", "chunk_bytes", [("1k", '"1k"', 1000), ("2", "2", 2), ("3MiB", '"3MiB"', 3 * 1024**2)]),
    ("concurrency", "concurrency", [("1", "1", 1), ("64", "64", 64), ("3", "3", 3)]),
    ("max_retries", "max_retries", [("0", "0", 0), ("100", "100", 100), ("3", "3", 3)]),
    ("timeout", "timeout_s", [("0.5", "0.5", 0.5), ("2", "2", 2.0), ("3", "3", 3.0)]),
    ("rate_limit", "rate_limit", [("0.5", "0.5", 0.5), ("2", "2", 2.0), ("3", "3", 3.0)]),
    ("historical_migration", "historical_migration", [("on", '"on"', Historical.ON), ("off", '"off"', Historical.OFF), ("auto", '"auto"', Historical.AUTO)]),
    ("dead_letter", "dead_letter", [("/a", '"/a"', "/a"), ("/b/", '"/b/"', "/b/"), ("/c", '"/c"', "/c")]),
    ("ledger", "ledger", [("/a", '"/a"', Path("/a")), ("/b.sqlite", '"/b.sqlite"', Path("/b.sqlite")), ("/c", '"/c"', Path("/c"))]),
    ("lock_wait", "lock_wait_s", [("5", "5", 5.0), ("1m", "60", 60.0), ("0", "0", 0.0)]),
    ("max_duration", "max_duration_s", [("90s", '"90s"', 90.0), ("10m", "600", 600.0), ("2h", '"2h"', 7200.0)]),
    ("workers", "workers", [("1", "1", 1), ("2", "2", 2), ("3", "3", 3)]),
    ("shard", "shard", [("1/1", '"1/1"', (1, 1)), ("2/8", '"2/8"', (2, 8)), ("8/8", '"8/8"', (8, 8))]),
    ("yes", "yes", [("", "true", True)]),
    ("dry_run", "dry_run", [("", "true", True)]),
    ("mock", "mock", [("true", "true", True), ("0", "false", False), ("on", "true", True)]),
    ("json", "json", [("", "true", True)]),
    ("quiet", "quiet", [("", "true", True)]),
    ("verbose", "verbose", [("", "true", True)]),
]  # fmt: skip
NAMES = [case[0] for case in CASES]
SWITCHES = {name for name, option in OPTIONS.items() if bool in option.in_file}


def flag(name: str, text: str) -> dict[str, object]:
    if name in SWITCHES:
        return {name: True}
    return {name: [text] if OPTIONS[name].repeatable else text}


def test_the_table_of_cases_is_the_table_of_options() -> None:
    # these have tests of their own
    assert set(NAMES) == set(OPTIONS) - {"host", "api_key_file", "no_ledger"}


def test_no_ledger_is_none_unless_a_stronger_layer_names_one(home: Home) -> None:
    assert home.resolve({"no_ledger": True}, {"PLH_LEDGER": "/l"}).ledger is None
    home.project("no_ledger = true")
    assert home.resolve().ledger is None
    assert home.resolve({}, {"PLH_LEDGER": "/l"}).ledger == Path("/l")
    assert "--no-ledger" in home.error({"ledger": "/l", "no_ledger": True}).message


def test_dead_letters_go_beside_the_ledger(home: Home) -> None:
    assert home.resolve({"ledger": "/pvc/plh/l.sqlite"}).dead_letter == "/pvc/plh/dead-letters/"


@pytest.mark.parametrize(("name", "field", "given_values"), CASES, ids=NAMES)
def test_each_layer_wins_over_those_below_it(
    home: Home, name: str, field: str, given_values: list[tuple[str, str, Any]]
) -> None:
    default = getattr(home.resolve(), field)
    first, second, third = (given_values * 3)[:3]
    home.user(f"{name} = {first[1]}\n")
    assert getattr(home.resolve(), field) == first[2]
    assert first[2] != default
    home.project(f"{name} = {second[1]}\n")
    assert getattr(home.resolve(), field) == second[2]
    environ: dict[str, str] = {}
    for variable in OPTIONS[name].environment:
        environ = {variable: third[0]}
        assert getattr(home.resolve(environ=environ), field) == third[2]
    if name not in SWITCHES:
        assert getattr(home.resolve(flag(name, first[0]), environ), field) == first[2]
    else:
        assert getattr(home.resolve(flag(name, ""), environ), field) is True


def test_the_defaults_are_those_of_the_table(home: Home) -> None:
    found = home.resolve()
    assert found.format is None
    assert (found.max_record, found.chunk_events, found.chunk_bytes) == (32 * 1024**2, 500, 4 * 1024**2)
    assert (found.concurrency, found.max_retries, found.timeout_s, found.rate_limit) == (4, 8, 30.0, None)
    assert (found.host, found.endpoint, found.media) == ("https://us.i.posthog.com", Endpoint.AUTO, Media.REDACT)
    assert (found.timezone, found.api_key, found.import_id, found.limit) == (UTC, None, None, None)
    assert found.dead_letter == f"{home.state}/dead-letters/"
    assert (found.ledger, found.lock_wait_s) == (home.state / "ledger.sqlite", 0.0)
    assert 1 <= found.workers <= 8
    assert found.historical_migration is Historical.AUTO


def test_an_empty_variable_counts_as_unset(home: Home) -> None:
    home.project('distinct_id = "from the file"')
    environ = {name: " " for option in OPTIONS.values() for name in option.environment}
    found = home.resolve(environ=environ)
    assert found.distinct_id == "from the file"
    assert (found.api_key, found.mock, found.max_retries) == (None, False, 8)


def test_posthog_api_url_wins_over_posthog_host(home: Home) -> None:
    environ = {"POSTHOG_HOST": "https://b.example"}
    assert home.resolve(environ=environ).host == "https://b.example"
    assert home.resolve(environ={**environ, "POSTHOG_API_URL": "https://A.example/"}).host == "https://a.example"


def test_allowed_hosts_in_the_environment_are_split_at_commas_and_blanks(home: Home) -> None:
    found = home.resolve(environ={"PLH_ALLOW_HOST": "https://a.example, https://b.example https://app.posthog.com"})
    assert found.allow_host == ("https://a.example", "https://b.example", "https://us.i.posthog.com")


def test_a_table_of_properties_in_a_file(home: Home) -> None:
    home.project('[property]\nteam = "search"\n"x y" = "1"\n')
    assert home.resolve().properties == {"team": "search", "x y": "1"}


def test_a_relative_path_in_the_users_file_is_relative_to_that_file(home: Home) -> None:
    home.user('dead_letter = "dead/"\napi_key_file = "key"')
    (home.config / "key").write_text(KEY + "\n")
    found = home.resolve()
    assert found.dead_letter == f"{home.config}/dead/"
    assert found.api_key == KEY


def test_settings_can_go_to_worker_processes(home: Home) -> None:
    found = home.resolve({"timezone": "Europe/Berlin"})
    assert pickle.loads(pickle.dumps(found)) == found


def test_load_reads_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS.values():
        for variable in option.environment:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLH_CHUNK_EVENTS", "7")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plh.toml").write_text("concurrency = 9")
    found = load({"limit": "3"}, now=NOW)
    assert (found.limit, found.chunk_events, found.concurrency) == (3, 7, 9)
    assert found.dead_letter.startswith(str(tmp_path))


# ---------------------------------------------------------------------------------------------------- wrong values

WRONG = {
    "format": "litelm", "since": "yesterday", "until": "1764000000", "limit": "0", "metadata_only": "yes",
    "default_time": "2099-01-01", "timezone": "Mars/Olympus", "max_record": "0", "api_key": "phx_personal", "host": "us.i.posthog.com",
    "allow_host": "ftp://a.example", "endpoint": "v2", "distinct_id": " ", "property": "$ai_model=x", "media": "drop",
    "import_id": "", "chunk_events": "0", "chunk_bytes": "4 parsecs", "concurrency": "65", "max_retries": "-1",
    "timeout": "nan", "rate_limit": "0", "historical_migration": "true", "dead_letter": "", "max_duration": "0s",
    "workers": "two", "shard": "3/2", "api_key_file": "/nowhere/key",
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), WRONG.items(), ids=list(WRONG))
def test_a_wrong_value_is_refused_with_its_place(home: Home, name: str, text: str) -> None:
    assert OPTIONS[name].flag in home.error(flag(name, text)).message
    for variable in OPTIONS[name].environment:
        if text.strip():
            assert variable in home.error(environ={variable: text}).message


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.environment and name in SWITCHES])
def test_a_switch_in_the_environment_is_true_or_false_and_nothing_else(home: Home, name: str) -> None:
    variable = OPTIONS[name].environment[0]
    assert f"{variable}: expected true or false" in home.error(environ={variable: "2"}).message


@pytest.mark.parametrize("name", sorted(set(OPTIONS)))
def test_a_wrong_type_in_a_file_names_file_and_key(home: Home, name: str) -> None:
    home.project(f"{name} = 12:00:00")
    message = home.error().message
    assert f"{home.cwd}/plh.toml: {name}: expected " in message
    assert message.endswith("and found a time")


@pytest.mark.parametrize(("name", "value"), [("limit", "true"), ("limit", '"5"'), ("json", "1"), ("api_key", "[1]")])
def test_types_in_a_file_are_not_converted(home: Home, name: str, value: str) -> None:
    home.project(f"{name} = {value}")
    assert f"{name}: expected" in home.error().message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("property = {tries = 1}", "property: expected a list or a table of strings and found a whole number in it"),
        ('property = ["a=1", true]', "property: expected a list or a table of strings and found true or false in it"),
        ('property = "a=1"', "property: expected a list or a table of strings and found a string"),
        ("allow_host = [[]]", "allow_host: expected a list of strings and found a list in it"),
        ('allow_host = {a = "https://a.example"}', "allow_host: expected a list of strings and found a table"),
    ],
)
def test_what_is_wrong_in_a_list_is_named_and_not_the_list(home: Home, line: str, message: str) -> None:
    home.project(line)
    assert home.error().message.endswith(message)


@pytest.mark.parametrize(("word", "like"), [("LITELLM", "litellm"), ("OpenAI-Chat", "openai-chat"), ("V1", "v1")])
def test_the_nearest_word_is_so_in_any_case(word: str, like: str) -> None:
    assert values.nearest(word, (*FORMAT_NAMES, *Endpoint)) == like


def test_a_number_that_is_too_large_is_told_so(home: Home) -> None:
    message = home.error(flag("limit", "9" * 19)).message
    assert message == f"--limit: expected a whole number from 1 to {10**18 - 1} and found '{'9' * 19}'"


def test_an_unknown_key_is_refused_with_the_nearest(home: Home) -> None:
    home.user("chunk-events = 5")
    error = home.error()
    assert f"{home.config}/plh.toml: unknown key 'chunk-events'" in error.message
    assert error.hint == "nearest is 'chunk_events'"


@pytest.mark.parametrize("content", [b"limit = ", b"limit", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(home: Home, content: bytes) -> None:
    (home.cwd / "plh.toml").write_bytes(content)
    assert "plh.toml: expected" in home.error().message


def test_a_folder_in_the_files_place_is_refused(home: Home) -> None:
    (home.cwd / "plh.toml").mkdir()
    assert "plh.toml: expected a readable file" in home.error().message


def test_an_argument_that_is_no_utf8_is_refused(home: Home) -> None:
    for name in ("distinct_id", "import_id"):
        assert "expected UTF-8" in home.error({name: "caf\udce9"}).message
    assert "expected UTF-8" in home.error({"property": ["a=caf\udce9"]}).message


def test_since_after_until_is_refused(home: Home) -> None:
    assert "--until" in home.error({"since": "1d", "until": "2d"}).message


@pytest.mark.parametrize("pair", [("dry_run", "mock"), ("quiet", "verbose")])
def test_two_switches_that_exclude_each_other(home: Home, pair: tuple[str, str]) -> None:
    one, other = pair
    assert OPTIONS[other].flag in home.error({one: True, other: True}).message
    home.project(f"{one} = true")
    found = home.resolve({other: True})
    assert (getattr(found, one), getattr(found, other)) == (False, True)


# -------------------------------------------------------------------------------------------------- keys and hosts


def test_a_key_is_trimmed_and_one_that_is_not_phc_is_taken(home: Home) -> None:
    assert home.resolve({"api_key": f"  {KEY}\n"}).api_key == KEY
    assert home.resolve({"api_key": "sTMFPsFhdP1Ssg"}).api_key == "sTMFPsFhdP1Ssg"


@pytest.mark.parametrize("text", ["phc_" + "x" * 61, "phc_ab cd", "phc_ä", "phc_a\0b", "phc_a\tb", "phc_a\nb"])
def test_a_key_that_posthog_refuses_is_refused(home: Home, text: str) -> None:
    assert "--api-key: expected a project key" in home.error({"api_key": text}).message


def test_a_personal_key_is_refused_by_name_wherever_it_is(home: Home) -> None:
    (home.cwd / "key").write_text("phx_abcdefgh")
    home.user('api_key = "phx_abcdefgh"')
    for flags, environ in (
        ({"api_key": "phx_abcdefgh"}, {}),
        ({}, {"POSTHOG_API_KEY": " phx_abcdefgh"}),
        ({"api_key_file": "key"}, {}),
        ({}, {}),
    ):
        message = home.error(flags, environ).message
        assert "a personal key (phx_…)" in message
        assert "phx_abcdefgh" not in message


def test_a_key_file_is_read_trimmed_and_below_home(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text(f"\n {KEY} \n")
    assert home.resolve({"api_key_file": "~/key"}).api_key == KEY
    assert home.resolve({"api_key_file": "~/key"}, {"POSTHOG_API_KEY": OTHER_KEY}).api_key == KEY
    home.project('api_key_file = "~/key"')
    assert home.resolve(environ={"POSTHOG_API_KEY": OTHER_KEY}).api_key == OTHER_KEY


@pytest.mark.parametrize("content", [b"", b" \n", KEY.encode() + b"\n" + OTHER_KEY.encode(), b"\xff" * 9, b"x" * 70])
def test_a_key_file_without_one_key_is_refused(home: Home, content: bytes) -> None:
    (home.cwd / "key").write_bytes(content)
    message = home.error({"api_key_file": "key"}).message
    assert message.startswith("--api-key-file: ")
    assert KEY not in message


def test_two_keys_of_one_layer_are_refused(home: Home) -> None:
    (home.cwd / "key").write_text(KEY)
    assert "found both" in home.error({"api_key": OTHER_KEY, "api_key_file": "key"}).message


def test_only_record_keys_leaves_the_configured_key_aside(home: Home) -> None:
    found = home.resolve({"record_keys_only": True}, {"POSTHOG_API_KEY": KEY})
    assert found.api_key is None
    require_key(found)


def test_send_needs_a_key(home: Home) -> None:
    with pytest.raises(ConfigError, match="POSTHOG_API_KEY"):
        require_key(home.resolve())
    require_key(home.resolve(environ={"POSTHOG_API_KEY": KEY}))


@pytest.mark.parametrize("layer", ["flag", "environment", "other file"])
def test_a_file_cannot_name_a_host_for_a_key_from_elsewhere(home: Home, layer: str) -> None:
    home.project('host = "https://evil.example"')
    flags = {"api_key": KEY} if layer == "flag" else {}
    environ = {"POSTHOG_API_KEY": KEY} if layer == "environment" else {}
    if layer == "other file":
        home.user(f'api_key = "{KEY}"')
    error = home.error(flags, environ)
    assert "plh.toml: host: names a host for a key that is given elsewhere" in error.message
    assert KEY not in error.message


def test_a_file_may_name_the_host_of_its_own_key(home: Home) -> None:
    text = f'host = "https://eu.posthog.com/"\napi_key = "{KEY}"'
    home.project(text)
    assert home.resolve().host == "https://eu.i.posthog.com"
    (home.cwd / "plh.toml").unlink()
    home.user(text)
    assert home.resolve().host == "https://eu.i.posthog.com"
    assert "given elsewhere" in home.error(environ={"POSTHOG_API_KEY": OTHER_KEY}).message


def test_a_host_from_flag_or_environment_sets_the_files_host_aside(home: Home) -> None:
    home.project('host = "https://evil.example"')
    for flags, environ in (({"host": "https://a.example"}, {}), ({}, {"POSTHOG_HOST": "https://a.example"})):
        assert home.resolve(flags, {"POSTHOG_API_KEY": KEY, **environ}).host == "https://a.example"


def test_a_projects_file_cannot_send_the_users_key_file_to_its_host(home: Home, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (home.cwd / "key").write_text(KEY)
    home.project('host = "https://evil.example"\napi_key_file = "../key"')
    assert "given elsewhere" in home.error().message
    home.project('host = "https://mine.example"\napi_key_file = "key"')
    assert home.resolve().host == "https://mine.example"


def test_a_key_is_not_in_the_repr(home: Home) -> None:
    assert KEY not in repr(home.resolve({"api_key": KEY}))


BAD_KEYS = st.from_regex(r"ph[cx]_[A-Za-z0-9]{12,70}", fullmatch=True)
PLACES = st.sampled_from(
    [*(f"flag:{name}" for name in sorted(set(OPTIONS) - SWITCHES)), "env", "toml-key", "toml-value", "toml-broken"]
)


@settings(max_examples=examples(150))
@given(key=BAD_KEYS, place=PLACES, around=st.sampled_from(["{}", " {}\n", "{} x", "https://{}", "{}=", "a={}", "x,{}"]))
def test_no_message_ever_shows_a_key(
    tmp_path_factory: pytest.TempPathFactory, key: str, place: str, around: str
) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    text = around.format(key)
    cases: list[tuple[dict[str, object], dict[str, str]]] = [({}, {})]
    refused: list[str] = []
    match place.split(":"):
        case ["flag", name]:
            cases = [(flag(name, text), {})]
        case ["env"]:
            variables = [name for option in OPTIONS.values() for name in option.environment]
            cases = [({}, {name: text}) for name in variables]
        case ["toml-key"]:
            home.project(f"{key} = 1")
        case ["toml-value"]:
            home.project(f'timezone = "{key}"\nlimit = "{key}"')
        case _:
            home.project(f"api_key = {key} {key}\n[{key}]\n[{key}]")
    for flags, environ in cases:
        try:
            home.resolve(flags, environ)
        except ConfigError as error:
            assert key not in f"{error.message} {error.hint} {error!r} {error.__cause__!r}"  # noqa: PT017 - no error is right too
            refused.append(place)
    assert refused or not place.startswith("toml")


# ------------------------------------------------------------------------------------------------------ the readers


@given(st.integers(1, 2**50))
def test_a_plain_size_is_bytes(number: int) -> None:
    assert values.read_size(str(number)) == number
    assert values.read_size(f"{number}B") == number


@given(st.integers(1, 10**6), st.sampled_from("kKmMgG"), st.sampled_from(["", "b", "B"]))
def test_a_prefix_is_a_power_of_1000_and_with_an_i_of_1024(number: int, prefix: str, suffix: str) -> None:
    power = "kmg".index(prefix.lower()) + 1
    assert values.read_size(f"{number}{prefix}{suffix}") == number * 1000**power
    assert values.read_size(f"{number} {prefix}i{suffix}") == number * 1024**power


@given(st.integers(1, 1000), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("", 1)]))
def test_a_duration_is_its_number_of_seconds(number: int, unit: tuple[str, int]) -> None:
    name, seconds = unit
    assert values.read_duration(f"{number}{name}") == number * seconds
    if name:
        assert values.read_time(f"{number}{name}", now=NOW, zone=UTC) == NOW - timedelta(seconds=number * seconds)


@given(st.datetimes(datetime(2016, 1, 1), datetime(2090, 1, 1)), st.sampled_from(["UTC", "Asia/Tokyo"]))  # noqa: DTZ001 - naive on purpose: the zone is drawn beside it
def test_a_time_without_zone_is_in_the_zone_that_was_named(naive: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    read = values.read_time(naive.isoformat(), now=NOW, zone=zone)
    assert read == naive.replace(tzinfo=zone)
    assert read.tzinfo is UTC
    assert values.read_time(naive.isoformat() + "Z", now=NOW, zone=zone) == naive.replace(tzinfo=UTC)
    assert values.read_time(naive.date().isoformat(), now=NOW, zone=UTC).date() == naive.date()


@given(st.integers(1, 999), st.integers(1, 999))
def test_a_shard_is_one_of_its_number(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert values.read_shard(f"{low}/{high}") == (low, high)
    if low != high:
        with pytest.raises(ValueError, match="expected I/N"):
            values.read_shard(f"{high}/{low}")


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_message(text: str) -> None:
    readers: list[Callable[[str], object]] = [
        values.read_size, values.read_duration, values.read_shard, values.read_property, values.read_zone,
        values.read_host, values.read_key, values.read_bool, values.read_positive, values.whole_number(0),
        partial(values.read_time, now=NOW, zone=UTC),
    ]  # fmt: skip
    for read in readers:
        try:
            read(text)
        except ValueError as error:
            assert "expected" in str(error)  # noqa: PT017 - a value is right too


@pytest.mark.parametrize("text", ["99999999999999999999w", "9" * 400 + "d"])
def test_a_span_longer_than_time_is_a_message(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        values.read_time(text, now=NOW, zone=UTC)
    with pytest.raises(ValueError, match="expected"):
        values.read_duration(text)


@pytest.mark.parametrize(
    ("environ", "display"),
    [
        ({"TERM": "xterm"}, Display(colour=None, dumb=False)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, Display(colour=False, dumb=False)),
        ({"TERM": "xterm", "NO_COLOR": ""}, Display(colour=None, dumb=False)),
        ({"TERM": "dumb"}, Display(colour=False, dumb=True)),
        ({}, Display(colour=False, dumb=True)),
        ({"FORCE_COLOR": "1"}, Display(colour=True, dumb=True)),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}, Display(colour=False, dumb=False)),
    ],
)
def test_what_the_environment_wishes_of_colour(environ: dict[str, str], display: Display) -> None:
    assert read_display(environ) == display


def test_a_project_file_cannot_open_another_host_for_a_key_from_elsewhere(home: Home) -> None:
    home.project('allow_host = ["https://evil.example"]\n')
    error = home.error(environ={"POSTHOG_API_KEY": "phc_abcdefghijkl"})
    assert "allows hosts for a key that is given elsewhere" in error.message
    home.project('allow_host = ["https://own.example"]\napi_key = "phc_abcdefghijkl"\n')
    assert home.resolve().allow_host == ("https://own.example",)


@pytest.mark.parametrize("key", ["$ai_model", "$lib", "$ignore_sent_at", "capture_internal"])
def test_a_property_may_not_take_the_place_of_posthogs_own(home: Home, key: str) -> None:
    assert key in home.error({"property": [f"{key}=x"]}).message


def test_a_timeout_beyond_any_sense_is_refused(home: Home) -> None:
    assert "at most" in home.error({"timeout": "1e308"}).message


def test_without_a_home_directory_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a user id of a container's own: no HOME, and no entry in the list of users."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for ask in (lambda: load({}, now=NOW), lambda: ledger_path(None)):
        with pytest.raises(ConfigError, match="home directory") as caught:
            ask()
        assert "HOME" in str(caught.value.hint)
    monkeypatch.setenv("HOME", "/anywhere")
    assert load({}, now=NOW).ledger == Path("/anywhere/.local/state/plh/ledger.sqlite")


@pytest.mark.parametrize("name", ["user_config_path", "user_state_path"])
def test_a_folder_of_the_user_that_is_relative_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home platformdirs before 4.14 leaves the `~` in the path: each working directory had its own ledger."""
    monkeypatch.setattr(f"platformdirs.{name}", lambda app: Path("~/.local/state", app))
    for ask in (lambda: load({}, now=NOW), lambda: ledger_path(None)):
        with pytest.raises(ConfigError, match="home directory") as caught:
            ask()
        assert "HOME" in str(caught.value.hint)
