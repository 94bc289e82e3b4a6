"""What was found out about a statement, as lines of text: a plan, rows, a comparison, DbMux's own decisions.

An engine's answers come in as JSON has them; lines go out, in which nothing steers a terminal. The same for the
interface and the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any
from unicodedata import east_asian_width

from dbmux.feed.units import duration, many
from dbmux.text import visible

# Of a value no more is shown in a table.
LONGEST_VALUE = 60
# The two sides of a comparison, where they stand beside each other.
SIDE = 56
Told = Mapping[str, Any]


def explanation(told: Told) -> list[str]:
    """A server's plan."""
    estimate = told.get("estimated_rows")
    looked_at = "" if estimate is None else f", at most {many(int(estimate), 'row')} a step by its estimate"
    how = "what it did" if told.get("analyze") else "its plan"
    return [f"{_where(told)}: {how}{looked_at}", "", *_plan(told)]


def rows(told: Told) -> list[str]:
    """Rows."""
    return [
        f"{_where(told)}: {_many(told)} in {duration(told['seconds'])}",
        "",
        *_table([column["name"] for column in told["columns"]], told["rows"]),
        *_warnings(told),
    ]


def comparison(told: Told) -> list[str]:
    """Two servers' answers to the same statement, side by side."""
    first, second = told["sides"]
    lines = [_verdict(told), ""]
    lines += _beside([_where(first)], [_where(second)])
    lines += _beside(
        [f"{_many(first)} in {duration(first['seconds'])}"], [f"{_many(second)} in {duration(second['seconds'])}"]
    )
    lines += ["", "rows that differ" if told["rows"] else "rows"]
    if told["rows"]:
        for one in told["rows"]:
            where = f"row {one['row']}" if one["row"] is not None else "only here"
            lines += _beside([_side(where, one["first"])], [_side(where, one["second"])])
    else:
        lines += _table([column["name"] for column in first["columns"]], first["rows"][:10])
    if not told["columns"]:
        lines += ["", "columns", *_beside(_columns(first), _columns(second))]
    if first["warnings"] or second["warnings"]:
        lines += ["", "warnings", *_beside(_warnings(first), _warnings(second))]
    if first.get("plan") or second.get("plan"):
        lines += ["", "plans", *_beside(_lines(first.get("plan")), _lines(second.get("plan")))]
    return lines


def decisions(steps: Sequence[Told]) -> list[str]:
    """The steps of DbMux's own decisions."""
    lines: list[str] = []
    for step in steps:
        place = f"  ({step['place']})" if step["place"] else ""
        lines.append(visible(f"{step['about']:<11} {step['told']}{place}"))
        if step["otherwise"]:
            lines.append(visible(f"{'':<11} {step['otherwise']}"))
    return lines


def _where(told: Told) -> str:
    return visible(f"{told['backend']} ({told['server']}), with {told['rights']}")


def _many(told: Told) -> str:
    more = ", and there are more" if told["cut"] else ""
    return many(len(told["rows"]), "row") + more


def _verdict(told: Told) -> str:
    how = "in their order" if told["ordered"] else "in any order"
    only = "; only the first rows were read, and these compared" if told["cut"] else ""
    return f"{'EQUAL' if told['equal'] else 'DIFFERENT'}, compared {how}{only}"


def _plan(told: Told) -> list[str]:
    if told["form"] == "table":
        return _table([column["name"] for column in told["columns"]], told["rows"])
    return _lines(told["text"])


def _lines(text: str | None) -> list[str]:
    return [visible(line) for line in (text or "").split("\n")]


def _side(where: str, row: Sequence[Any] | None) -> str:
    return "" if row is None else f"{where}: {', '.join(_value(value) for value in row)}"


def _columns(told: Told) -> list[str]:
    return [visible(f"{column['name']} {column['type']}") for column in told["columns"]]


def _warnings(told: Told) -> list[str]:
    return [visible(f"{one['level']} {one['code']}: {one['message']}") for one in told["warnings"]]


def _beside(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    # Longer lines go on below, so that nothing is lost.
    for one, other in zip_longest(first, second, fillvalue=""):
        for left, right in zip_longest(_pieces(one), _pieces(other), fillvalue=""):
            yield f"{_padded(left, SIDE)} | {right}".rstrip()


def _pieces(text: str) -> list[str]:
    return [text[at : at + SIDE] for at in range(0, len(text), SIDE)] or [""]


def _table(names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[str]:
    lines = [[_value(name) for name in names], *([_value(value) for value in row] for row in values)]
    widths = [max(map(_cells, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _value(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            shown = visible(value[: LONGEST_VALUE + 1])
            return shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 3] + "..."
        case _:
            return str(value)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))


def _cells(text: str) -> int:
    return len(text) if text.isascii() else sum(1 + (east_asian_width(one) in "WF") for one in text)
