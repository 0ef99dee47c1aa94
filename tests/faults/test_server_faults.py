"""The server fails: in each way that the matrix names, and in all of them together."""

import socket
import time

import pytest

from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.mockserver.server import ALL_ROUTES
from posthog_llm_cli.model import Endpoint, mask_key
from tests.faults.harness import KEYS, Bench, Call, check_nothing_foreign, check_stored, fired


def a_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        *(("v1", fault) for fault in (
            "408:0.4", "429:0.4:0.2s", "429:0.4:none", "500:0.4", "502-html:0.4", "503:0.4:0.2s", "503:0.4:date",
            "503:0.4:past", "503:0.4:negative", "503:0.4:junk", "504:0.4", "reset-before:0.4", "reset:0.4", "cut:0.4",
            "html:0.4", "slow:0.4:0.3s",
        )),
        *(("ai-batch", fault) for fault in ("429:0.4:0.2s", "reset:0.4")),
        *(("batch", fault) for fault in ("429:0.4:none", "503-html:0.4:0.2s", "reset-before:0.4", "cut:0.4", "html:0.4")),
    ],
)  # fmt: skip
def test_a_server_that_fails_now_and_then_gets_everything_in_one_run(bench: Bench, route: str, fault: str) -> None:
    calls = bench.write("app.jsonl", count=40)
    kind = fault.partition(":")[0]
    with MockServer(faults=Faults.parse(fault), seed=5) as server:
        ran = bench.run("send", "app.jsonl", "--endpoint", route, server=server)
        assert fired(server, kind)
        assert ran.code == 0, ran.err
        assert ran.told["accepted"] == 40
        assert kind == "slow" or ran.told["retries"] >= server.tally["faults"][kind] > 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


@pytest.mark.parametrize("fault", ["empty:0.4", "garbage:0.4", "retry:0.3", "unmentioned:0.3"])
def test_a_200_of_v1_without_a_verdict_for_each_event_is_no_confirmation(bench: Bench, fault: str) -> None:
    calls = bench.write("app.jsonl", count=40)
    with MockServer(faults=Faults.parse(fault), seed=5) as server:
        ran = bench.run("send", "app.jsonl", server=server)
        assert fired(server, fault.partition(":")[0])
        assert ran.code == 0, ran.err
        assert ran.told["retries"] > 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


@pytest.mark.parametrize("fault", ["hang:0.3", "stall:0.3", "drip:0.3"])
def test_an_answer_that_never_comes_is_given_up_in_time_and_asked_again(bench: Bench, fault: str) -> None:
    calls = bench.write("app.jsonl", count=30)
    with MockServer(faults=Faults.parse(fault), seed=5) as server:
        ran = bench.run("send", "app.jsonl", "--timeout", "0.5", "--endpoint", "v1", server=server)
        assert fired(server, fault.partition(":")[0])
        assert ran.code == 0, ran.err
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_all_faults_together_leave_nothing_missing_and_nothing_wrong(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=100)
    spec = "503:0.08:0.1s,429:0.08:0.1s,reset-before:0.06,reset:0.08,cut:0.05,html:0.06,garbage:0.06,retry:0.05"
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse(spec), seed=11) as server:
        for _ in range(5):
            ran = bench.run("send", "app.jsonl", "--timeout", "0.5", "--max-retries", "3", server=server)
            assert ran.code in {0, 5}, ran.err
            check_nothing_foreign(expected, server)
            if ran.code == 0:
                break
        assert ran.code == 0
        assert fired(server, "503", "429", "reset", "reset-before", "html", "garbage", "retry")
        check_stored(expected, server)


@pytest.mark.parametrize(
    ("fault", "code", "requests", "says"),
    [
        ("401:1", 6, 2, "was refused (401)"),
        ("402:1", 6, 2, "over its quota (402)"),
        ("403-html:1", 6, 2, "were refused (403)"),
        ("redirect:1", 5, 1, "a redirect (302) to https://login.example.com/"),
        ("415:1", 5, 1, "it found fault with the headers"),
        ("drop:1:llm_events_over_quota", 6, 2, "over its quota (llm-events-over-quota)"),
    ],
)
def test_what_no_retry_can_mend_ends_the_key_or_the_host_and_loses_nothing(
    bench: Bench, fault: str, code: int, requests: int, says: str
) -> None:
    calls = bench.write("app.jsonl", count=40)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse(fault)) as server:
        ran = bench.run("send", "app.jsonl", "--endpoint", "v1", "--concurrency", "1", server=server)
        assert fired(server, fault.partition(":")[0])
        assert (ran.code, ran.told["unconfirmed"], ran.told["requests"]) == (code, 40, requests), ran.err
        assert says in ran.err
        assert "nothing is lost" in ran.err
        server.order(Faults())
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


def test_what_a_project_is_over_for_the_time_being_is_sent_again_and_no_rejection(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=20)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse("drop:1:ai_byte_rate_limited")) as server:
        ran = bench.run("send", "app.jsonl", "--max-retries", "1", "--endpoint", "v1", server=server)
        assert fired(server, "drop")
        assert (ran.code, ran.told["unconfirmed"], ran.told["rejections"]) == (5, 20, {}), ran.err
        assert "for now (ai-byte-rate-limited)" in ran.err
        assert "--rate-limit" in ran.err
        server.order(Faults.parse("drop:0.3:ai_byte_rate_limited"))
        ran = bench.run("send", "app.jsonl", server=server)
        assert (ran.code, ran.told["accepted"]) == (0, 20), ran.err
        assert ran.told["retries"] > 0
        check_stored(expected, server)


@pytest.mark.parametrize(("fault", "code"), [("400:1", "server-refused"), ("413:1", "event-too-large")])
def test_what_the_server_refuses_for_good_is_halved_down_and_kept_as_dead_letters(
    bench: Bench, fault: str, code: str
) -> None:
    calls = bench.write("app.jsonl", count=10)
    with MockServer(faults=Faults.parse(fault)) as server:
        ran = bench.run("send", "app.jsonl", "--dead-letter", "dead.jsonl", server=server)
        assert fired(server, fault.partition(":")[0])
        assert (ran.code, ran.told["rejections"]) == (3, {code: 10}), ran.err
        server.order(Faults())
        assert bench.run("send", "dead.jsonl", "--dead-letter", "again.jsonl", server=server).code == 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


@pytest.mark.parametrize("fault", ["503:1", "reset-before:1", "hang:1", "garbage:1", "html:1"])
def test_spent_retries_end_5_and_the_next_run_completes(bench: Bench, fault: str) -> None:
    calls = bench.write("app.jsonl", count=20)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse(fault)) as server:
        ran = bench.run("send", "app.jsonl", "--max-retries", "1", "--timeout", "0.3", server=server)
        assert fired(server, fault.partition(":")[0])
        assert (ran.code, ran.told["unconfirmed"]) == (5, 20), ran.err
        assert "nothing is lost" in ran.err
        check_nothing_foreign(expected, server)
        server.order(Faults())
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


@pytest.mark.parametrize("missing", [1, 2])
def test_an_old_server_gets_everything_on_the_routes_that_it_has(bench: Bench, missing: int) -> None:
    calls = bench.write("app.jsonl", count=40)
    gone = [Endpoint.V1, Endpoint.AI_BATCH][:missing]
    with MockServer(routes=ALL_ROUTES - set(gone)) as server:
        ran = bench.run("send", "app.jsonl", server=server)
        assert ran.code == 0, ran.err
        assert {entry["endpoint"] for entry in ran.told["destinations"]} == {["ai-batch", "batch"][missing - 1]}
        assert ran.told["requests"] == server.tally["requests"] + missing, "a missing route is asked once"
        check_stored(bench.expected(calls, "app.jsonl"), server)


# --------------------------------------------------------------------------------------------------------- no server


def test_a_refused_connection_is_retried_until_the_server_is_there(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=40)
    port = a_port()
    running = bench.start("send", "app.jsonl", "-v", server=f"http://127.0.0.1:{port}")
    running.wait_for(lambda: "did not answer" in running.err)
    with MockServer(port=port) as server:
        ran = running.end()
        assert ran.code == 0, ran.err
        assert ran.told["retries"] > 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("http://127.0.0.1:{port}", "refused"),
        ("http://no.such.host.invalid", "did not answer"),
        ("https://127.0.0.1:{listening}", "did not answer"),
        ("http://xn--a.invalid", "expected an http:// or https:// URL"),
    ],
)
def test_a_host_that_is_none_is_named_and_ends_5(bench: Bench, host: str, says: str) -> None:
    bench.write("app.jsonl", count=20)
    with MockServer() as server:
        url = host.format(port=a_port(), listening=server.url.rpartition(":")[2])
        ran = bench.run("send", "app.jsonl", "--max-retries", "1", server=url)
    assert (ran.code, ran.told["unconfirmed"]) == (5, 20), ran.err
    assert says in ran.err
    assert "nothing is lost" in ran.err
    assert "--host" in ran.err.partition("next:")[0]


def test_a_dead_server_is_not_hammered(bench: Bench) -> None:
    """A thousand chunks, no retries: the breaker opens after ten requests, and what was under way comes to an end."""
    bench.write("app.jsonl", count=1000)
    with MockServer(faults=Faults.parse("500:1")) as server:
        ran = bench.run("send", "app.jsonl", "--max-retries", "0", "--chunk-events", "1", server=server)
        assert fired(server, "500")
        assert (ran.code, ran.told["unconfirmed"]) == (5, 1000), ran.err
        assert ran.told["requests"] == server.tally["requests"] <= 10 + 4
        assert "has not answered well" in ran.err
        assert "nothing is lost: run again when it is up" in ran.err


# --------------------------------------------------------------------------------------------- several destinations


@pytest.mark.parametrize("fault", ["hang:1", "503:1:5s", "slow:1:2s"])
def test_a_destination_in_trouble_costs_the_other_no_time(bench: Bench, fault: str) -> None:
    count = 300
    with MockServer(faults=Faults.parse(fault)) as ill, MockServer() as well:
        hosts = (ill.url, well.url)
        calls = bench.write_calls("app.jsonl", [Call(at, KEYS[at % 2], hosts[at % 2]) for at in range(count)])
        expected = bench.expected(calls, "app.jsonl")
        running = bench.start(
            "send", "app.jsonl", "--allow-host", ill.url, "--allow-host", well.url, "--timeout", "60", server=well
        )
        running.wait_for(lambda: bool(well.events))
        began_s = time.monotonic()
        running.wait_for(lambda: len(well.events) >= count // 2)
        assert time.monotonic() - began_s < 30, "long before the other one's first request is given up"
        assert fired(ill, fault.partition(":")[0])
        assert len(ill.events) < count // 2
        running.kill()
        check_nothing_foreign(expected, ill, well)
        assert {key: set(uuids) for key, uuids in _stored(well).items()} == {
            mask_key(KEYS[1]): expected[mask_key(KEYS[1])]
        }


def test_an_outage_of_one_destination_that_ends_in_time_leaves_nothing_undone(bench: Bench) -> None:
    with MockServer(faults=Faults.parse("503:1:none")) as ill, MockServer() as well:
        hosts = (ill.url, well.url)
        calls = bench.write_calls("app.jsonl", [Call(at, KEYS[at % 2], hosts[at % 2]) for at in range(300)])
        running = bench.start("send", "app.jsonl", "--allow-host", ill.url, "--allow-host", well.url, server=well)
        running.wait_for(lambda: len(well.events) >= 150)
        assert fired(ill, "503")
        assert not ill.events
        ill.order(Faults())
        ran = running.end()
        assert ran.code == 0, ran.err
        check_stored(bench.expected(calls, "app.jsonl"), ill, well)


def _stored(server: MockServer) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in server.events:
        found.setdefault(entry["api_key"], set()).add(entry["event"]["uuid"])
    return found


# ------------------------------------------------------------------------------------------------------ pace and time


def test_the_rate_limit_holds_over_all_threads_keys_and_retries(bench: Bench) -> None:
    bench.write("app.jsonl", count=60)
    with MockServer(faults=Faults.parse("503:0.2:0.1s,slow:0.2:0.3s"), seed=3) as server:
        ran = bench.run("send", "app.jsonl", "--rate-limit", "20", "--concurrency", "8", server=server)
        assert fired(server, "503", "slow")
        assert ran.code == 0, ran.err
        # Faults are answered before the body is looked at, so the events of a request are told by its chunk: five.
        arrived = [(seen.received_at.timestamp(), 5) for seen in server.requests]
    arrived.sort()
    assert len(arrived) == ran.told["requests"] >= 12
    for first in range(len(arrived)):
        for last in range(first, len(arrived)):
            window_s = arrived[last][0] - arrived[first][0]
            assert 5 * (last - first + 1) <= 20 * window_s + 5 + 20 * 0.25, "a quarter of a second for the way"


def test_the_longest_duration_ends_the_reading_and_what_is_left_goes_next_time(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=400)
    with MockServer(faults=Faults.parse("slow:1:0.2s")) as server:
        ran = bench.run("send", "app.jsonl", "--max-duration", "1s", "--concurrency", "2", server=server)
        assert fired(server, "slow")
        assert ran.code == 5, ran.err
        assert 0 < ran.told["records"] < 400
        assert ran.told["unconfirmed"] == 0
        assert ran.seconds < 30
        server.order(Faults())
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


@pytest.mark.parametrize("count", [15, 400])  # all of it is read at once, or the reader waits for its deliveries
def test_the_longest_duration_is_no_hour_of_retries(bench: Bench, count: int) -> None:
    calls = bench.write("app.jsonl", count=count, keys=KEYS[:1])
    with MockServer(faults=Faults.parse("429:1:300s")) as server:
        ran = bench.run("send", "app.jsonl", "--max-duration", "1s", server=server)
        assert fired(server, "429")
        assert ran.code == 5, ran.err
        assert ran.told["unconfirmed"] == ran.told["records"] > 0
        assert "--max-duration was over" in ran.err
        assert ran.seconds < 20
        server.order(Faults())
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_concurrency_climbs_to_the_ceiling_on_a_healthy_server_and_falls_on_an_overloaded_one(bench: Bench) -> None:
    bench.write("app.jsonl", count=100, keys=KEYS[:1])
    with MockServer(faults=Faults.parse("slow:1:0.05s")) as server:
        ran = bench.run("send", "app.jsonl", "--concurrency", "3", server=server)
        (entry,) = ran.told["destinations"]
        assert (ran.code, entry["concurrency"], entry["peak_concurrency"]) == (0, 3, 3)
        bench.write("more.jsonl", count=100, keys=KEYS[:1], start=100)
        server.order(Faults.parse("429:0.3:none"))
        ran = bench.run("send", "more.jsonl", "--concurrency", "3", "-v", server=server)
        assert fired(server, "429")
        (entry,) = ran.told["destinations"]
        assert entry["peak_concurrency"] <= 3
