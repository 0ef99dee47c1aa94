"""Text that `plh` did not write → text that may be printed. Pure."""

import unicodedata
from collections.abc import Iterable, Iterator

from posthog_llm_cli.patterns import lazily

_KEY = lazily(r"""ph[cx]_[^\s"'`,;:()\[\]{}\\…]+""")
_WORD = lazily(r"(?:`[^`]*`|[^\s`]|`)+")
_UNSAFE = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that reorder what stands around them on a terminal."""


def mask_keys(text: str) -> str:
    """Return text with whatever looks like one of PostHog's keys masked: by mistake, a key may stand anywhere."""
    from posthog_llm_cli.model import mask_key  # noqa: PLC0415 - `plh --help` has no key to mask

    return _KEY.sub(lambda match: mask_key(match[0]), text)


def harmless(text: str) -> str:
    """Return text on one line without control characters (a file's name may hold escape codes) and without keys."""
    masked = mask_keys(text)
    if masked.isascii() and masked.isprintable():
        return masked
    return "".join(_escape(character) if is_unsafe(character) else character for character in masked)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 record`, `1,204 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def fold(pieces: Iterable[str], width: int | None, *, indent: str = "", hanging: str = "  ") -> Iterator[str]:
    """Yield pieces, blanks between them, in lines of at most `width` columns; one line where there is no width.

    No piece is broken: one that is too long has a line of its own. All lines begin with `indent`, all but the first
    also with `hanging`.
    """
    line = ""
    for piece in pieces:
        if line and width is not None and len(line) + 1 + len(piece) > width:
            yield line
            line = indent + hanging + piece
        else:
            line = f"{line} {piece}" if line else indent + piece
    if line:
        yield line


def words(text: str) -> list[str]:
    """Return the pieces of a text that `fold` may part: its words, but what stands between backticks stays whole."""
    return _WORD.findall(text)


def human_bytes(size: int) -> str:
    """Return bytes in powers of 1000: `9.9 MB`."""
    if size < 1000:
        return f"{size} B"
    number = float(size)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:,.1f} TB"


def human_seconds(seconds: float) -> str:
    """Return a span: `0.8 s`, `12 min 5 s`, `3 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def share(part: int, whole: int) -> str:
    """Return a percentage that says 0 and 100 only where it is meant."""
    percent = round(100 * part / whole)
    return f"{percent if part in (0, whole) else min(max(percent, 1), 99)} %"


def human_latency(seconds: float | None) -> str:
    """Return how long a call took: `8 ms`, `1.84 s`, `12.3 s`, `2 min 5 s`; a dash where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 9.995 else human_seconds(seconds)


def human_usd(usd: float) -> str:
    """Return dollars: `$1,204.50`, below one dollar with as many places as are needed for two digits."""
    if usd == 0 or usd >= 0.995:
        return f"${usd:,.2f}"
    places = next((places for places in range(2, 9) if round(usd, places) >= 10 ** (1 - places)), 9)
    return f"${usd:.{places}f}"


def human_count(number: int) -> str:
    """Return a large number in short: `9,999`, `12.3 k`, `4.0 M`."""
    if number < 10_000:
        return f"{number:,}"
    size = float(number)
    for unit in ("k", "M"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:,.1f} G"


def is_unsafe(character: str) -> bool:
    """Whether a terminal must not get it: it moves the cursor, turns the direction, or is a byte that is no text."""
    return unicodedata.category(character) in _UNSAFE or character in _DIRECTIONS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
