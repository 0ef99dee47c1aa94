from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Credentials, Destination, mask_key
from posthog_llm_cli.routing import EU_HOST, US_HOST, check_key, normalise_host, route
from tests.converting import OPTIONS, with_build


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://us.i.posthog.com/", US_HOST),
        (" HTTPS://US.I.POSTHOG.COM:443 ", US_HOST),
        ("https://app.posthog.com", US_HOST),
        ("https://us.posthog.com/", US_HOST),
        ("https://eu.posthog.com", EU_HOST),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("https://proxy.example.com/ingest/", "https://proxy.example.com/ingest"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_host_has_one_spelling(url: str, host: str) -> None:
    assert normalise_host(url) == host
    assert normalise_host(host) == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "us.i.posthog.com",
        "ftp://x",
        "https://",
        "https://u:pw@x",
        "https://x?key=1",
        "https://x#y",
        "https://x:99999",
        "http://[::1",
        "https://a b",
    ],
)
def test_what_is_no_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        normalise_host(url)


@pytest.mark.parametrize("own", [US_HOST, EU_HOST, "https://allowed.example", "https://configured.example"])
def test_a_record_may_name_the_allowed_hosts_only(own: str) -> None:
    build = with_build(
        default_host="https://configured.example", allowed_hosts=frozenset({"https://allowed.example"})
    ).build
    assert route(Credentials(host=own), build).host == own
    with pytest.raises(RecordError) as raised:
        route(Credentials(host="https://other.example"), build)
    assert raised.value.code == "host-not-allowed"


def test_a_key_is_trimmed_and_checked() -> None:
    assert route(Credentials(api_key=" phc_a "), OPTIONS.build) == Destination(US_HOST, "phc_a")
    for bad in ("", "k" * 65, "phc_ä", "phc a", "phc\0"):
        assert check_key(bad) is not None


@given(st.text(min_size=1, max_size=80))
def test_a_masked_key_never_holds_half_of_it(rest: str) -> None:
    for key in (f"phc_{rest}", rest):
        masked = mask_key(key)
        assert key not in masked
        assert len(masked.partition("…")[2]) <= min(4, len(key) // 2)


def test_a_masked_key_shows_its_end() -> None:
    assert mask_key("phc_abcdefghwxyz") == "phc_…wxyz"
    assert mask_key("") == "(no key)"


def test_no_key_is_in_a_repr() -> None:
    shown: Any = repr(Destination(US_HOST, "phc_secret")) + repr(Credentials("phc_secret"))
    assert "secret" not in shown
