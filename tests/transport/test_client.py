"""The client that `send` uses: proxies and certificates from the environment, and the deadline of an attempt."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from posthog_llm_cli.errors import ConfigError, Unreachable
from posthog_llm_cli.model import Delivery, Endpoint
from posthog_llm_cli.transport import Capture, new_client
from posthog_llm_cli.transport.client import attempt_deadline
from tests.transport.conftest import Bench
from tests.transport.making import a_chunk
from tests.transport.server import BATCH, Fault, Reply, Server

Serve = Callable[..., Server]
Make = Callable[..., Bench]


def send_once(host: str) -> Delivery:
    capture = Capture(new_client(timeout_s=5), endpoint=Endpoint.BATCH, max_retries=1, sleep=lambda _: None)
    try:
        return capture.deliver(a_chunk(1, host=host))
    finally:
        capture.close()


def verdict(delivery: Delivery) -> str:
    return delivery.outcomes[0].verdict.value


# ------------------------------------------------------------------------------------------------------------- proxies


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A proxy that forwards nothing: it answers in the origin's place, and shows what it was asked."""
    from tests.transport.server import serving

    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        yield server


def test_requests_go_through_the_environments_proxy(proxy: Server) -> None:
    assert verdict(send_once("http://capture.invalid")) == "accepted"
    assert proxy.paths == [f"http://capture.invalid{BATCH}"]


def test_no_proxy_is_honoured(proxy: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert verdict(send_once(server.url)) == "accepted"
    assert (len(server.seen), proxy.seen) == (1, [])


@pytest.mark.parametrize("address", ["[::1]", "[::1]:9", "::1", "::1/128", "fd00::/8", "10.0.0.0/8", "http://x", ""])
def test_no_proxy_may_name_addresses_of_any_kind(
    address: str, proxy: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("NO_PROXY", f"{address},127.0.0.1")
    assert verdict(send_once(server.url)) == "accepted"
    assert (len(server.seen), proxy.seen) == (1, [])


@pytest.mark.parametrize("address", ["::1", "[::1]", "[::1]:9"])
def test_an_ipv6_address_that_no_proxy_names_is_asked_itself(
    address: str, proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", address)
    assert verdict(send_once("http://[::1]:9")) == "unconfirmed"
    assert proxy.seen == []


def test_the_deadline_holds_behind_a_proxy_too(proxy: Server) -> None:
    proxy.script = lambda _: Reply(fault=Fault.DRIP_HEADERS)
    with new_client(timeout_s=0.2) as client:
        began = time.monotonic()
        with attempt_deadline(0.2), pytest.raises(httpx.ReadTimeout):
            client.post("http://capture.invalid/batch/", content=b"{}")
        assert time.monotonic() - began < 20
    assert len(proxy.seen) == 1


class _Tunnel(BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        with socket.create_connection((host, int(port)), timeout=5) as origin:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(origin, self.connection))
            back.start()
            _pump(self.connection, origin)
            back.join()

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def tunnel(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A proxy for https: it connects, and sees nothing of what goes through."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Tunnel) as server:
        asked: list[str] = []
        server.asked = asked  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
        yield asked
        server.shutdown()
        thread.join()


# -------------------------------------------------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, made for this run, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=loopback"
    command += " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    (folder / "both.pem").write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return folder / "both.pem"


@pytest.fixture
def tls_server(serve: Serve, certificate: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return serve(tls=context)


def test_a_certificate_that_is_not_accepted_stops_the_host_with_a_hint(
    tls_server: Server, bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    b = bench(Endpoint.BATCH)
    first = b.deliver(a_chunk(1, host=tls_server.url))
    second = b.deliver(a_chunk(1, host=tls_server.url, start=2))
    assert isinstance(first.error, Unreachable)
    assert "self-signed certificate" in first.error.message.replace("self signed", "self-signed")
    assert "SSL_CERT_FILE" in str(first.error.hint)
    assert (first.requests, second.requests) == (1, 0)
    assert tls_server.seen == []


def test_an_authority_of_the_environment_is_accepted(
    tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
    assert verdict(send_once(tls_server.url)) == "accepted"
    assert len(tls_server.seen) == 1


def test_https_goes_through_a_proxys_tunnel(
    tls_server: Server, certificate: Path, tunnel: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
    assert verdict(send_once(tls_server.url)) == "accepted"
    assert tunnel == [f"127.0.0.1:{tls_server.server_port}"]
    assert len(tls_server.seen) == 1


def test_a_missing_certificate_file_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        new_client(timeout_s=1)


@pytest.mark.parametrize(
    "url", ["ftp://user:secret@proxy.invalid", "socks5://user:secret@proxy.invalid:1", "http://proxy.invalid:port"]
)
def test_a_proxy_that_cannot_be_used_is_a_configuration_error_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        new_client(timeout_s=1)
    assert "secret" not in str(caught.value)


# ----------------------------------------------------------------------------------------------------------- addresses


@pytest.fixture
def silent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    """A server that has two addresses, and its URL: from the first one nothing ever comes back."""
    server = serve()
    port = server.server_address[1]
    look_up = socket.getaddrinfo

    def both(host: str, *arguments: Any, **options: Any) -> list[Any]:
        names = ("127.0.0.2", "127.0.0.1") if host == "two.invalid" else (host,)
        return [found for name in names for found in look_up(name, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.2", port))
        full.listen(0)  # whose line is full with one, and the system answers no further one
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        yield server, f"http://two.invalid:{port}"


def test_an_address_that_is_silent_leaves_time_for_the_next_one(silent: tuple[Server, str]) -> None:
    server, url = silent
    capture = Capture(new_client(timeout_s=2), endpoint=Endpoint.BATCH, max_retries=0, sleep=lambda _: None)
    try:
        assert verdict(capture.deliver(a_chunk(1, host=url))) == "accepted"
    finally:
        capture.close()
    assert len(server.seen) == 1


def test_the_address_that_answered_is_tried_first_from_then_on(silent: tuple[Server, str]) -> None:
    server, url = silent
    server.script = lambda _: Reply(headers={"Connection": "close"})
    capture = Capture(new_client(timeout_s=2), endpoint=Endpoint.BATCH, max_retries=0, sleep=lambda _: None)
    try:
        began = time.monotonic()
        for _ in range(4):
            assert verdict(capture.deliver(a_chunk(1, host=url))) == "accepted"
        assert time.monotonic() - began < 2.5
    finally:
        capture.close()
    assert len({seen.client_port for seen in server.seen}) == 4


# ------------------------------------------------------------------------------------------------------------ settings


def test_the_client_bounds_no_connections_for_a_hanging_host_could_take_them_all() -> None:
    with new_client(timeout_s=7) as client:
        assert client.timeout == httpx.Timeout(7)
        assert client.follow_redirects is False
        pool = client._transport._pool  # type: ignore[attr-defined]
        assert pool._max_connections >= 10_000


def test_a_deadline_ends_with_its_block(serve: Serve) -> None:
    server = serve()
    with new_client(timeout_s=5) as client:
        with attempt_deadline(0.01):
            time.sleep(0.02)
            with pytest.raises(httpx.TimeoutException):
                client.post(server.url, content=b"")
        assert client.post(server.url + BATCH, content=b"").status_code == 200
