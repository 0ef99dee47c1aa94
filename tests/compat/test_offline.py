"""The suite's guard against the network, and its stand-in for PostHog."""

import gzip
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from compat.offline import is_here
from compat.stand_in import StandIn
from tests.converting import ROOT

_TRY = """
import socket, sys
from compat.offline import stay_offline
attempts = []
stay_offline(attempts)
for host in sys.argv[1:]:
    try:
        socket.create_connection((host, 9), timeout=1)
    except OSError as error:
        print(type(error).__name__, "offline" if "is offline" in str(error) else "tried")
print(len(attempts))
"""


def post(url: str, body: Any, *, packed: bool = False) -> int:
    raw = json.dumps(body).encode()
    request = urllib.request.Request(url, data=gzip.compress(raw) if packed else raw, method="POST")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_process_that_stays_offline_reaches_this_machine_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRY, "127.0.0.1", "us.i.posthog.com", "192.0.2.1"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.split("\n")[:4] == ["ConnectionRefusedError tried", "OSError offline", "OSError offline", "2"]


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), (b"example.com", False)],
)
def test_only_loopback_is_here(host: str | bytes, here: bool) -> None:
    assert is_here(host) is here


def test_the_stand_in_keeps_what_is_posted_and_where_to() -> None:
    with StandIn() as stand_in:
        assert post(f"{stand_in.url}/team/batch/", {"api_key": "k", "batch": []}, packed=True) == 200
        stand_in.steer("refuse")
        assert post(f"{stand_in.url}/batch/", {"api_key": "k", "batch": [1]}) == 500
        found = [
            (posted.host.removeprefix(stand_in.url), posted.taken, posted.body["batch"]) for posted in stand_in.posted()
        ]
        assert found == [("/team", True, []), ("", False, [1])]
        assert stand_in.posted() == []


def test_the_stand_in_holds_a_request_until_it_may_answer() -> None:
    with StandIn() as stand_in:
        stand_in.steer("hold")
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(post(f"{stand_in.url}/batch/", {"batch": []})))
        thread.start()
        while not stand_in.held:
            thread.join(0.01)
        assert answers == []
        stand_in.steer("accept")
        thread.join(10)
        assert answers == [200]
