"""Nothing leaves this machine: a process that calls `stay_offline` can reach loopback addresses only."""

import ipaddress
import sys
from typing import Any

_CONNECTING = frozenset({"socket.connect", "socket.sendto"})
_LOOKING_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})


def stay_offline(attempts: list[str]) -> None:
    """Refuse every connection and name look-up but to this machine, for the life of the process, and note each in
    `attempts`.

    Python's own audit events are used, so it does not matter which library tries.
    """

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        target = None
        if event in _CONNECTING and isinstance(arguments[1], tuple):
            target = arguments[1][0]
        elif event in _LOOKING_UP:
            target = arguments[0]
        if target is not None and not is_here(target):
            attempts.append(f"{event} {target}")
            raise OSError(f"the compatibility suite is offline, and something asked for {target}")

    sys.addaudithook(watch)


def is_here(host: str | bytes) -> bool:
    """Whether a host is this machine, by name or address."""
    name = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    if name in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
