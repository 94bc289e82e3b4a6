"""The report of a check as Markdown.

Findings come in, lines go out. Text of the servers stands in code spans, so that it is shown and never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.text import visible
from dbmux.upgrade.finding import Finding, Report, Subject

# Of the objects of a finding so many are named.
SHOWN = 20


def markdown(report: Report) -> Iterator[str]:
    """The lines."""
    first, second = report.first, report.second
    yield f"# Upgrade check: {_code(first.name)} to {_code(second.name)}"
    yield ""
    yield (
        ", ".join(f"{_code(side.name)} is {_code(side.version)}" for side in (first, second))
        + f": **{report.verdict}**."
    )
    yield ""
    yield ", ".join(f"{number} {severity}" for severity, number in report.counts.items()) + "."
    for subject in Subject:
        if found := report.of(subject):
            yield from ("", f"## {subject.capitalize()} ({len(found)})")
            for finding in found:
                yield from ("", *_finding(finding))
    if report.untold:
        yield from ("", "## What could not be told", "")
        for sentence in report.untold:
            yield f"- {_code(sentence)}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"- **{finding.severity}**: {_code(finding.what)}"
    for place in finding.where[:SHOWN]:
        yield f"  - {_code(place)}"
    if len(finding.where) > SHOWN:
        yield f"  - and {len(finding.where) - SHOWN} more"
    yield ""
    if finding.why:
        yield f"  Why: {_code(finding.why)}"
    if finding.do:
        yield ""
        yield f"  Do: {_code(finding.do)}"


def _code(text: str) -> str:
    # A span is closed by as many backticks as it was opened with.
    shown = visible(text)
    longest = run = 0
    for letter in shown:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    mark = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{mark}{space}{shown}{space}{mark}"
