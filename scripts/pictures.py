"""Draws the README's pictures of the terminal: the real program, in a real terminal, against the local stand-in.

usage: python -m scripts.pictures [NAME…]

Each shot runs `plh` on a pseudo-terminal of a fixed size, in a folder of its own whose log is made of samples/. What it
writes goes through a terminal emulator, so that rows which were drawn over look as they did at that moment, and from
there into two SVGs, for light and for dark pages. Nothing of this machine is in them: the folder is shown as `~`.
"""

import codecs
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import orjson
import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI, TerminalTheme
from rich.text import Text

from posthog_llm_cli.mockserver import Faults, MockServer
from scripts.pages import commands

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
PORT = 8765
"""That of `plh mock-server`, so that the pictures name the host that a reader gets."""

_ROWS = 130
_TIMEOUT_S = 120.0
_MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash")
_KEY = "phc_demo_of_plh_no_real_project_key"
_PROMPT = "\x1b[1;32m$\x1b[0m "
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}
"""What the emulator calls otherwise than rich."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: the command as typed, the terminal's columns, the calls in its log, and the moment.

    `until` is what must stand on the screen, None: the program's end. `faults` are the server's.
    """

    name: str
    command: tuple[str, ...]
    columns: int
    calls: int = 200
    until: str | None = None
    faults: str = ""


_RETRIED = r"(?s)[3-6]\d %.*retry \d of 8 in"

SHOTS = (
    Shot("validate", ("validate", "app.jsonl"), 100),
    Shot("progress", ("send", "--yes", "app.jsonl"), 80, calls=60_000, until=_RETRIED, faults="503:0.1:2s,slow:1:0.2s"),
    Shot("summary", ("send", "--yes", "app.jsonl"), 100),
    # Drawn once the command is there. The page that --html writes is one of a browser, which has its own maker.
    Shot("preview", ("preview", "app.jsonl"), 100),
)


def drawn() -> Iterator[Shot]:
    """Yield the shots whose command exists."""
    known = {path for path, _ in commands()}
    return (shot for shot in SHOTS if shot.command[0] in known)


# ------------------------------------------------------------------------------------------------------------ the run


def shoot(shot: Shot, *, port: int = PORT) -> Text:
    """Run the command, and return what the terminal showed."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plh-pictures-")))
        write_log(home / "app.jsonl", shot.calls)
        faults = Faults.parse(shot.faults) if shot.faults else None
        server = stack.enter_context(MockServer(port=port, faults=faults, seed=7))
        screen = pyte.Screen(shot.columns, _ROWS)
        stream = pyte.Stream(screen)
        stream.feed(_PROMPT + "plh " + " ".join(shot.command) + "\r\n")
        _run(shot, home, server.url, screen, stream)
        return as_text(screen)


def write_log(path: Path, calls: int) -> None:
    """Write a log of calls like the sample's, of several models, and one line that is none."""
    sample = orjson.loads((ROOT / "samples" / "litellm.jsonl").read_bytes().splitlines()[0])
    with path.open("wb") as file:
        for number in range(calls):
            model = _MODELS[number * 7 % 10 // 3]
            began_s = time.time() - 3600 + number / 100  # of today: PostHog keeps its content
            changed = {
                "id": f"chatcmpl-{number}", "trace_id": f"trace-{number // 3}", "model": model,
                "startTime": began_s, "endTime": began_s + 1.5, "completionStartTime": began_s + 1.5,
                "end_user": f"user-{number % 17}",
            }  # fmt: skip
            response = {**sample["response"], "id": f"chatcmpl-{number}", "model": model}
            file.write(
                orjson.dumps({**sample, **changed, "litellm_call_id": f"call-{number}", "response": response}) + b"\n"
            )
        file.write(b'{"id": "chatcmpl-cut-off", "mod\n')


def _run(shot: Shot, home: Path, url: str, screen: pyte.Screen, stream: pyte.Stream) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, shot.columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "posthog_llm_cli", *shot.command], cwd=home, env=_environment(home, url),
        stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    decoder = codecs.getincrementaldecoder("utf-8")()
    until_s = time.monotonic() + _TIMEOUT_S
    try:
        for block in _blocks(leader, until_s):
            stream.feed(decoder.decode(block).replace(str(home), "~"))
            if shot.until is not None and re.search(shot.until, "\n".join(screen.display)):
                return
        if shot.until is not None:
            raise AssertionError(f"{shot.name}: {shot.until!r} was never shown")
        process.wait(_TIMEOUT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(leader)


def _environment(home: Path, url: str) -> dict[str, str]:
    """Return an environment without anything of whoever draws."""
    return {
        "HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        "TERM": "xterm-256color", "POSTHOG_HOST": url, "POSTHOG_API_KEY": _KEY, "NO_PROXY": "127.0.0.1",
    }  # fmt: skip


def _blocks(leader: int, until_s: float) -> Iterator[bytes]:
    while time.monotonic() < until_s:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            block = os.read(leader, 65536)
        except OSError:  # Linux: the other side has closed
            return
        if not block:
            return
        yield block


# -------------------------------------------------------------------------------------------------------- the picture


def as_text(screen: pyte.Screen) -> Text:
    """Return what an emulated terminal shows, with its colours, without the empty rows below."""
    rows = [_row(screen, at) for at in range(screen.lines)]
    while rows and not rows[-1].plain.strip():
        rows.pop()
    return Text("\n").join(rows)


def _row(screen: pyte.Screen, at: int) -> Text:
    cells = [screen.buffer[at][column] for column in range(screen.columns)]
    row = Text()
    for style, alike in groupby(cells, key=_style):
        row.append("".join(cell.data for cell in alike), style=style)
    row.rstrip()
    return row


def _style(cell: "pyte.screens.Char") -> str:
    words = [
        word for word, is_on in (("bold", cell.bold), ("italic", cell.italics), ("underline", cell.underscore)) if is_on
    ]
    colour = _COLOURS.get(cell.fg, cell.fg.replace("bright", "bright_"))
    if colour != "default":
        words.append(f"#{colour}" if re.fullmatch(r"[0-9a-f]{6}", colour) else colour)
    return " ".join(words)


def as_svg(text: Text, name: str, *, columns: int, theme: TerminalTheme) -> str:
    """Return the picture; it loads no font from anywhere."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, soft_wrap=True)
    plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    plain = plain.replace("Fira Code, monospace", "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace")
    return console.export_svg(title="plh", theme=theme, code_format=plain, unique_id=f"plh-{name}")


def main(names: Sequence[str]) -> int:
    """Draw the pictures, all of them or those that are named."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for shot in drawn():
        if names and shot.name not in names:
            continue
        text = shoot(shot)
        for theme_name, theme in (("light", DEFAULT_TERMINAL_THEME), ("dark", MONOKAI)):
            path = PICTURES / f"{shot.name}-{theme_name}.svg"
            path.write_text(as_svg(text, f"{shot.name}-{theme_name}", columns=shot.columns, theme=theme), "utf-8")
            print(f"{path.relative_to(ROOT)}: drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
