"""`plh` as people and cron run it: a process of its own, with or without a terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

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
    """An environment without anything of the developer's: no keys, no configuration."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
        **(extra or {}),
    }


def run(home: Path, *arguments: str | bytes, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> Ran:
    """Run to the end without a terminal, in `home`, stdin a pipe."""
    ended = subprocess.run(
        [*PLH, *arguments], cwd=home, env=environment(home, env), input=stdin or b"", capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    return Ran(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


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
    process = subprocess.Popen(
        [*PLH, *arguments], cwd=home, env=environment(home, {"TERM": "xterm-256color", **(env or {})}),
        stdin=follower if stdin_is_terminal else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = _talk_with(leader, answer)
    out = process.communicate(timeout=60)[0]
    os.close(leader)
    return Ran(process.returncode, out.decode(), seen.decode())


def _talk_with(leader: int, answer: tuple[str, bytes] | None) -> bytes:
    seen = b""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            block = os.read(leader, 65536)
        except OSError:  # Linux: the other side has closed
            break
        if not block:
            break
        seen += block
        if answer is not None and answer[0].encode() in seen:
            os.write(leader, answer[1])
            answer = None
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
