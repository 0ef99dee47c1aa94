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
    least = f", of {row.least_calls:,} or more" if row.least_calls > 1 else ""
    part = f", and they are {row.least_part:.0%} or more of the calls" if row.least_part else ""
    return f"{_WHEN[row.lacking]}{least}{part}"


if __name__ == "__main__":
    sys.stdout.write(table())
