"""Kinds of statements, as `top` tells them, as text that other tools take: SQL, JSON, CSV, Markdown.

What is told of each comes in, one text goes out. Their literals are hidden already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbmux.feed.copy import Form
from dbmux.feed.tables import as_csv, as_json, code, markdown
from dbmux.feed.units import count, duration, share

FORMS = {
    Form.SQL: "SQL, with ? for what differs",
    Form.JSON: "JSON",
    Form.CSV: "CSV",
    Form.MARKDOWN: "Markdown",
}
_COLUMNS = ("time", "calls", "average", "p95", "rows", "errors", "from memory", "statement")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind."""

    figures: Mapping[str, Any]

    def told(self) -> Mapping[str, Any]:
        """All that is known of it."""
        return self.figures


def copied(form: Form, kinds: Sequence[Kind]) -> str:
    """All of them, in one of FORMS."""
    match form:
        case Form.JSON:
            return as_json(kinds)
        case Form.CSV:
            return as_csv(kinds)
        case Form.MARKDOWN:
            return markdown(_COLUMNS, [_cells(kind.figures) for kind in kinds])
        case _:
            return "\n".join(kind.figures["text"] for kind in kinds)


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        share(one["share"], 1),
        count(one["calls"]),
        duration(one["seconds"] / one["calls"]),
        duration(one["p95"]),
        count(one["rows"]),
        count(one["errors"]),
        share(one["hits"], one["calls"]),
        code(one["text"]),
    )
