"""Names that are reserved words on the second server and not on the first.

Which of A's names are reserved comes from the servers themselves (dbmux.upgrade.probes).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server
from dbmux.upgrade.texts import bare_words, is_plain, new_names, programs_of


def names(a: Server) -> dict[str, list[str]]:
    """All names that can be written without quotes, in upper case, with what is called so."""
    found: dict[str, list[str]] = defaultdict(list)

    def add(name: str, what: str) -> None:
        if is_plain(name):
            found[name.upper()].append(what)

    for schema in a.schemas:
        add(schema, f"schema {schema}")
    for table in a.tables:
        add(table.name.name, f"table {table.name}")
        for column in table.columns:
            add(column.name, f"column {table.name}.{column.name}")
    for program in a.programs:
        add(program.name.name, str(program))
    for text in programs_of(a):
        for word in new_names(text):
            found[word].append(f"a name in {text.where}")
    return found


def find(a: Server, b: Server, reserved: frozenset[str]) -> Iterator[Finding]:
    """`reserved` are those of the names, in upper case, that only B reserves."""
    named = names(a)
    written = [(text.where, bare_words(text)) for text in programs_of(a)]
    for word in sorted(reserved & named.keys()):
        unquoted = tuple(where for where, words in written if word in words)
        if unquoted:
            yield Finding(
                subject=Subject.WORDS,
                severity=Severity.BLOCKS,
                what=f"{word} is written without quotes",
                where=unquoted,
                why=f"it is a reserved word of {b.family}: it cannot be made there as it is",
                do=f"write `{word.lower()}` in backticks, or rename it",
            )
        yield Finding(
            subject=Subject.WORDS,
            severity=Severity.KNOW,
            what=f"{word} is a name",
            where=tuple(dict.fromkeys(named[word])),
            why=f"it is a reserved word of {b.family}: statements that write it without quotes fail there",
            do=f"write `{word.lower()}` in backticks in every statement, or rename it",
        )
