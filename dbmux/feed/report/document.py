"""A report as Markdown, for people, and as JSON, for programs.

A `Report` comes in, text goes out. Whatever stands in a statement, in an error or in a comment stays text: it ends no
line, no code span and no table, and steers no terminal.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict

from dbmux.feed.nplus1 import Finding
from dbmux.feed.report.tally import Report
from dbmux.feed.units import count, duration, many
from dbmux.text import visible

LONGEST_SQL = 1000


def as_json(report: Report) -> str:
    """An object with the report's fields."""
    return json.dumps(asdict(report), indent=2) + "\n"


def as_markdown(report: Report) -> str:
    """The report as a page."""
    return "\n".join(_lines(report)) + "\n"


def summary(report: Report) -> str:
    """The report in a line."""
    parts = [
        f"{many(report.statements, 'statement')} in {duration(report.statement_seconds)}",
        f"{len(report.nplus1)} N+1",
        many(report.error_count, "error"),
        f"{count(report.slow_count)} slow",
    ]
    if report.missed:
        parts.append(f"{count(report.missed)} missed")
    return ", ".join(parts)


def _lines(report: Report) -> Iterator[str]:
    yield "# DbMux report"
    yield ""
    yield f"- Command: {_code(shlex.join(report.command))}, exit code {report.exit_code}, {duration(report.seconds)}"
    yield f"- {summary(report)}"
    if report.missed:
        yield f"- **{many(report.missed, 'statement')} not seen**, so this report is not whole"
    if not report.statements:
        yield "- No statement came through DbMux: does the program use `DB_HOST` and `DB_PORT`, or `DATABASE_URL`?"
    if report.failures:
        yield f"- **Failed**: {', '.join(report.failures)}"
    for note in report.notes:
        yield f"- DbMux said: {_code(note)}"
    for finding in report.nplus1:
        yield from _nplus1(finding)
    if report.errors:
        yield from _heading("Errors")
        for failed in report.errors:
            yield from _entry(
                f"{count(failed.count)} × {failed.code}: {_code(failed.message)}", failed.site, failed.text
            )
    if report.slow:
        yield from _heading(f"Slow: {duration(report.slow_s)} or longer")
        for slow in report.slow:
            yield from _entry(f"{count(slow.count)} ×, at most {duration(slow.longest_s)}", slow.site, slow.text)
    if report.top:
        yield from _heading("What took the time")
        for cost in report.top:
            times = f"p50 {duration(cost.p50_s)}, p99 {duration(cost.p99_s)}"
            what = f"{count(cost.count)} × in {duration(cost.seconds)}, {times}, {many(cost.rows, 'row')}"
            yield from _entry(what, "", cost.text)


def _nplus1(finding: Finding) -> Iterator[str]:
    runs = many(finding.runs, "run")
    yield from _heading(f"N+1: {count(finding.count)} × in {runs}")
    where = f", in {_code(finding.app)}" if finding.app else ""
    what = f"The same SELECT up to {many(finding.longest, 'time')} in one {finding.scope}{where}"
    yield from _entry(f"{what}; all but the first took {duration(finding.lost_s)}", finding.site, finding.digest_text)
    if finding.rewrite is not None:
        yield ""
        yield "  One statement would do:"
        yield ""
        yield _block(finding.rewrite)


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield f"## {text}"
    yield ""


def _entry(what: str, site: str, sql: str) -> Iterator[str]:
    yield f"- {what}{f', at {_code(site)}' if site else ''}"
    yield ""
    yield _block(sql)
    yield ""


def _block(sql: str) -> str:
    # Within a list item, and deeper by what makes it code: nothing on the line can end that.
    text = visible(sql)
    return f"      {text[:LONGEST_SQL]}{'…' if len(text) > LONGEST_SQL else ''}"


def _code(text: str) -> str:
    shown = visible(text)[:LONGEST_SQL]
    ticks = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    # A tick at the edge would join the marks.
    edge = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{ticks}{edge}{shown}{edge}{ticks}"
