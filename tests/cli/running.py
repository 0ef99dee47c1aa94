"""`plh` as people and cron run it: a process of its own, with or without a terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from tests.cli.forked import Forked

KEY = "phc_abcdefghijklmnopqrstuvwxyz0123456789"
MASKED = "phc_…6789"
PLH = (sys.executable, "-m", "posthog_llm_cli")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process left behind; on a pseudo-terminal stderr (and stdout, if it is one too) is `err`."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


class Called(Protocol):
    """`plh` in this process, see conftest.py."""

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ran: ...


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without anything of the developer's: no keys, no configuration.

    No authority is trusted, for each client would read some hundred certificates, for servers that speak plain HTTP.
    """
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
        "SSL_CERT_DIR": str(home),
        **(extra or {}),
    }


def run(
    home: Path,
    *arguments: str | bytes,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    fresh: bool = False,
    module: str = "posthog_llm_cli",
) -> Ran:
    """Run to the end without a terminal, in `home`, stdin a pipe.

    The process is forked off one that has loaded `plh` (`forked.py`); `fresh` starts an interpreter, for what is about its start.
    `module` is what runs in place of `plh`.
    """
    whole = environment(home, env)
    if fresh:
        ended = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=home,
            env=whole,
            input=stdin or b"",
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        words = [os.fsdecode(word) for word in arguments]
        process = Forked(words, cwd=home, env=whole, stdin=stdin or b"", out=out, err=err, module=module)
        code = process.wait(60)
        return Ran(code, out.read_bytes().decode(), err.read_bytes().decode())


def unprivileged() -> tuple[str, ...]:
    """What goes before a command to which closed files are to be closed: to root nothing is, but without capabilities."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv")
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def run_on_terminal(
    home: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    answer: tuple[str, bytes] | None = None,
    stdin_is_terminal: bool = True,
    columns: int | None = None,
) -> Ran:
    """Run with stderr (and stdin) on a pseudo-terminal; type `answer[1]` once `answer[0]` has appeared.

    Without `columns` the terminal does not tell its size.
    """
    leader, follower = pty.openpty()
    if columns is not None:
        termios.tcsetwinsize(follower, (50, columns))
    terminal = Path(os.ttyname(follower))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        process = Forked(
            arguments, cwd=home, env=environment(home, {"TERM": "xterm-256color", **(env or {})}),
            stdin=terminal if stdin_is_terminal else None, out=out, err=terminal, own_session=True,
        )  # fmt: skip
        seen = _talk_with(leader, process, answer)
        os.close(follower)
        seen += _rest_of(leader)
        os.close(leader)
        return Ran(process.wait(60), out.read_bytes().decode(), seen.decode())


def _talk_with(leader: int, process: Forked, answer: tuple[str, bytes] | None) -> bytes:
    """Return what is shown until the process ends; the last of it may still be on its way through the terminal."""
    seen = b""
    while leader in select.select([leader, process.sentinel], [], [], 60)[0]:
        seen += os.read(leader, 65536)
        if answer is not None and answer[0].encode() in seen:
            os.write(leader, answer[1])
            answer = None
    return seen


def _rest_of(leader: int) -> bytes:
    seen = b""
    with suppress(OSError):  # Linux: the other side has closed
        while block := os.read(leader, 65536):
            seen += block
    return seen


def record(number: int, **changes: object) -> dict[str, object]:
    """One LiteLLM record, a call like those that are logged."""
    return {
        "id": f"chatcmpl-{number}",
        "trace_id": f"trace-{number}",
        "call_type": "acompletion",
        "status": "success",
        "startTime": 1764000000.0 + number,
        "endTime": 1764000001.5 + number,
        "response_time": 1.5,
        "model": "gpt-4o",
        "custom_llm_provider": "openai",
        "model_parameters": {"temperature": 0},
        "hidden_params": {},
        "response_cost": 0.01,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "messages": [{"role": "user", "content": f"prompt {number}"}],
        "response": {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "answer"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        },
        "metadata": {},
        **changes,
    }  # fmt: skip


def lines(*records: object) -> bytes:
    return b"".join((item if isinstance(item, bytes) else orjson.dumps(item)) + b"\n" for item in records)


def write_log(folder: Path, count: int, name: str = "app.jsonl") -> Path:
    path = folder / name
    path.write_bytes(lines(*(record(number) for number in range(count))))
    return path
