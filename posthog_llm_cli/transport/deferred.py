"""`Deferred`: a deliverer that is made when the first chunk comes."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from posthog_llm_cli.model import Chunk, Delivery, HostLoad
from posthog_llm_cli.transport.deliverer import Deliverer


class Sender(Deliverer, Protocol):
    """A deliverer that tells what its hosts do: `Capture`."""

    def loads(self) -> Sequence[HostLoad]:
        """Return what each host does at this moment; from any thread."""
        ...


class Deferred:
    """A deliverer that `make` returns, asked once, on the thread of the first chunk. Thread-safe.

    httpx and the certificates of a client take a third of a run that finds nothing new, as most runs from cron do; in
    others they load while the next records are converted.
    """

    def __init__(self, make: Callable[[], Sender]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._sender: Sender | None = None
        self._is_stopped = False

    def make(self) -> Sender:
        """Return what delivers, made unless it was. Raises: what making it does."""
        with self._lock:
            if self._sender is None:
                self._sender = self._make()
                if self._is_stopped:
                    self._sender.stop()
            return self._sender

    def deliver(self, chunk: Chunk) -> Delivery:
        """Deliver by what was made. Raises: what making it does."""
        return self.make().deliver(chunk)

    def loads(self) -> Sequence[HostLoad]:
        """Return what each host does at this moment; nothing before the first chunk."""
        return () if self._sender is None else self._sender.loads()

    def stop(self) -> None:
        """End every wait, and of what is made later too."""
        with self._lock:
            self._is_stopped = True
            if self._sender is not None:
                self._sender.stop()

    def close(self) -> None:
        """Stop, and close what was made."""
        self.stop()
        if self._sender is not None:
            self._sender.close()
