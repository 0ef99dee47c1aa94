"""Sums of USD that do not depend on the order of what is summed up."""

_PARTS = 10**12


class Money:
    """A sum of costs, in whole trillionths of a dollar: exact to far below what a token costs."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = 0

    def add(self, usd: float) -> None:
        """Take one cost."""
        self._parts += round(usd * _PARTS)

    def add_money(self, other: "Money") -> None:
        """Take another sum."""
        self._parts += other._parts

    @property
    def usd(self) -> float:
        """The sum."""
        return self._parts / _PARTS
