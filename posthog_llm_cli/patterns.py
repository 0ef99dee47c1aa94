"""`lazily()`: a regular expression that is compiled when it is first used.

A record is of one shape, and a run meets few of those that are known: compiling what tells apart all the others would
take a tenth of the time in which `plh` is ready, in each of its processes.
"""

import re
from typing import Any, AnyStr, cast


class _Lazy:
    """Stands for a pattern, and has its methods as attributes of its own once they were asked for."""

    def __init__(self, text: str | bytes, flags: re.RegexFlag) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found


def lazily(text: AnyStr, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[AnyStr]:
    """Return what has a pattern's methods. A text that is no regular expression is found out only when it is used."""
    return cast("re.Pattern[AnyStr]", _Lazy(text, flags))
