"""`plh` as a process of its own that need not load itself: forked off a server that has done so once.

It has its own pid, files, environment, signals and memory, and `kill -9` ends it as it would any other; only `exec` and
the imports are saved, which are most of the time of a short run.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([
    "posthog_llm_cli.cli.app", "posthog_llm_cli.cli.runs", "posthog_llm_cli.cli.previews", "posthog_llm_cli.cli.explaining",
    "posthog_llm_cli.cli.ledger_text", "posthog_llm_cli.convert", "posthog_llm_cli.joining", "posthog_llm_cli.pipeline.run",
    "posthog_llm_cli.pipeline.finding", "posthog_llm_cli.ledger.reading", "posthog_llm_cli.ledger.care", "posthog_llm_cli.seen",
    "posthog_llm_cli.transport.capture", "posthog_llm_cli.transport.client", "posthog_llm_cli.mockserver", "rich.markdown", "rich.traceback",
    "typer._click.decorators", "httpx", "encodings.idna", "rich.console", "sqlite3", "ctypes",
    "importlib.metadata", "importlib.resources.readers", "zipfile", "tests.cli.forked",
])  # fmt: skip


class Forked:
    """A process under way, as `subprocess.Popen` would give it.

    `stdin` goes through a pipe where it is bytes; None is `/dev/null`. `stdin`, `out` and `err` may be one terminal; with
    `own_session` it is not the one that the process belongs to.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        out: Path,
        err: Path,
        stdin: bytes | Path | None = None,
        module: str = "posthog_llm_cli",
        own_session: bool = False,
    ) -> None:
        out.touch()
        err.touch()
        ours: Connection[Any, Any] | None = None
        theirs: Connection[Any, Any] | None = None
        if isinstance(stdin, bytes):
            theirs, ours = _CONTEXT.Pipe(duplex=False)
        given = stdin if isinstance(stdin, Path) else theirs
        self._process = _CONTEXT.Process(
            target=_become, args=(module, list(words), cwd, dict(env), given, out, err, own_session), daemon=False
        )
        self._process.start()
        if isinstance(stdin, bytes) and ours is not None and theirs is not None:
            theirs.close()
            _write_all(ours, stdin)
            ours.close()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def sentinel(self) -> int:
        """A descriptor that `select` finds readable when it has ended."""
        return self._process.sentinel

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("plh", timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        """As `kill` does; nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it as a power failure would."""
        self.send_signal(signal.SIGKILL)


def _write_all(pipe: "Connection[Any, Any]", data: bytes) -> None:
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(pipe.fileno(), left) :]
    except BrokenPipeError:
        return  # it has ended, or reads no more


def _become(
    module: str,
    words: list[str],
    cwd: Path,
    env: Mapping[str, str],
    stdin: "Connection[Any, Any] | Path | None",
    out: Path,
    err: Path,
    own_session: bool,
) -> None:
    """Be `plh`: what the shell and the interpreter do before `main()`, without the imports."""
    if own_session:
        os.setsid()
    if isinstance(stdin, Path):
        _open_as(0, stdin, os.O_RDWR)
    elif stdin is not None:
        os.dup2(stdin.fileno(), 0)
        stdin.close()
    _open_as(1, out, os.O_WRONLY | os.O_TRUNC)
    _open_as(2, err, os.O_WRONLY | os.O_TRUNC)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    warnings.simplefilter("error")
    sys.argv = [module, *words]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _open_as(descriptor: int, path: Path, flags: int) -> None:
    opened = os.open(path, flags | os.O_NOCTTY)
    os.dup2(opened, descriptor)
    os.close(opened)
