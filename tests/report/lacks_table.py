"""The table of what a log may lack, as Markdown: `python -m tests.report.lacks_table` prints it for the docs."""

import sys

from posthog_llm_cli.report.lacks import REFUSED_ROWS, ROWS, Lacking, Row

_WHEN = {
    Lacking.ANY: "one call lacks it",
    Lacking.SOME: "5 % lack it",
    Lacking.MOST: "half of them lack it",
    Lacking.ALL: "all lack it",
}


def table() -> str:
    """Return the rows in the order of the code."""
    lines = ["| log | lacks | told when | what to do |", "| --- | --- | --- | --- |"]
    for row in ROWS:
        formats = ", ".join(f"`{name}`" for name in row.formats)
        lines.append(f"| {formats} | {row.missing} | {_when(row)} | {row.advice} |")
    lines += [f"| any, `{row.code}` | {row.missing} | one record is it | {row.advice} |" for row in REFUSED_ROWS]
    return "\n".join(lines) + "\n"


def _when(row: Row) -> str:
    return _WHEN[row.lacking] + (f", of {row.least_calls:,} or more" if row.least_calls > 1 else "")


if __name__ == "__main__":
    sys.stdout.write(table())
