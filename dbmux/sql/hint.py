"""Hints: what a statement tells DbMux in a comment, as in `/* dbmux: route=main.primary, timeout=5s */`.

Two hints are mere words: `cache` and `nocache`.

A statement's bytes come in, the hints' keys and values go out, unknown keys too. Hints stand before the statement or
right behind its verb. What cannot be read is told under MALFORMED; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dbmux.lexer import Token, tokens

MALFORMED = ""

# A hint is looked for in so much of a text, so that a long statement costs no more than a short one.
_LOOKED_AT = 4096

# All comments of a gap, one after the other: what stands in another one is no hint.
_COMMENT = re.compile(rb"(?:--|#)[^\n]*|/\*\s*dbmux:(.*?)\*/|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"\s*(cache|nocache)(?:\s*,|\s+|$)")
_PAIR = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,\"']+))\s*(?:,|$|(?=\s))")


def read_hint(sql: bytes, start: int, flags: int) -> Mapping[str, str] | None:
    """The hints of the statement that begins at `start`; None if there is none."""
    if b"dbmux:" not in sql:
        return None
    hints: dict[str, str] = {}
    is_hinted = False
    for gap in _gaps(sql[start : start + _LOOKED_AT], flags):
        for comment in _COMMENT.finditer(gap):
            if comment[1] is not None:
                is_hinted = True
                _read_pairs(comment[1].decode("utf-8", "backslashreplace"), hints)
    return hints if is_hinted else None


def _gaps(text: bytes, flags: int) -> Iterator[bytes]:
    # What stands between the tokens up to the one behind the first word.
    end = 0
    is_verb_past = False
    for kind, begin, behind in tokens(text, 0, flags):
        yield text[end:begin]
        if is_verb_past:
            return
        is_verb_past = kind == Token.WORD
        end = behind
    yield text[end:]


def _read_pairs(text: str, hints: dict[str, str]) -> None:
    at = 0
    text = text.strip()
    while at < len(text):
        word = _WORD.match(text, at)
        if word is not None:
            hints[word[1]] = ""
            at = word.end()
            continue
        pair = _PAIR.match(text, at)
        if pair is None:
            hints[MALFORMED] = text[at:].strip()
            return
        hints[pair[1]] = next(value for value in pair.groups()[1:] if value is not None)
        at = pair.end()
