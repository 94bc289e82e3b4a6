"""Filters made at random: those that can be read, and texts that look like some."""

from __future__ import annotations

from hypothesis import strategies as st

_WORDS = (
    "a",
    "A",
    "b",
    "ab",
    "select",
    "Ör",
    '"a b"',
    r'"\"\\"',
    '"slow"',
    '"or"',
    '""',
    "a*",
    "*",
    "*b*a",
    "a=b*",
    "/a.*b/",
)
_ALONE = tuple(word for word in _WORDS if "=" not in word)
_FLAGS = ("err", "slow", "n+1", "pinned", "tx", "open", "Error")
_FIGURES = ("0", "5ms", "1.5s", "2m", "0.0us")
_COUNTS = ("0", "1", "5", "1.5k")
_CONDITIONS = (
    *(f"{key}{sign}{figure}" for key in ("dur", "wait", "server") for sign in ":><" for figure in _FIGURES),
    *(f"{key}{sign}{count}" for key in ("rows", "code", "bytes") for sign in (":", ">=", "!=") for count in _COUNTS),
    "rows:1..5,20",
    "dur:..5ms",
    "d:1..2s",
    "last:5m",
    "at:14:02",
    "at:13:00..9:05:01.5",
    "at>=2026-01-31T10:00Z",
    "at<2026-01-31",
    "op:select,commit",
    "op!=ins*",
    "cache:bypass,hit",
    "role:primary",
    "reason:read*",
)
_TEXT_KEYS = ("sql", "table", "db", "digest", "user", "host", "app", "trace", "site", "backend", "route", "why", "err")
_SIGNS = (
    "(",
    ")",
    "|",
    "-",
    "!",
    ":",
    ",",
    "..",
    "@",
    "/",
    '"',
    "\\",
    "*",
    ">",
    "=",
    "[",
    "]",
    "^",
    "+",
    "?",
    "{2,}",
    "(?",
)
_SCRAPS = (*_SIGNS, "&&", " ", "or", "and", "not", "@x", "dur", "op", "at", "14:02", "5ms", "x", "\x00", "\U0001f600")


def _atoms() -> st.SearchStrategy[str]:
    values = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3).map(",".join)
    texts = st.tuples(st.sampled_from(_TEXT_KEYS), st.sampled_from((":", "!=", " = ")), values).map("".join)
    return st.sampled_from((*_ALONE, *_FLAGS, *_CONDITIONS)) | texts


def filters() -> st.SearchStrategy[str]:
    """A text that is a filter."""
    return st.recursive(
        _atoms(),
        lambda inner: st.one_of(
            inner.map("-({})".format),
            inner.map("not ({})".format),
            st.lists(inner, min_size=2, max_size=3).map(lambda some: " ".join(f"({one})" for one in some)),
            st.lists(inner, min_size=2, max_size=3).map(" | ".join),
            st.lists(inner, min_size=2, max_size=3).map(" ".join),
        ),
        max_leaves=6,
    )


def scraps() -> st.SearchStrategy[str]:
    """A text of which parts look like a filter."""
    return st.lists(st.sampled_from(_SCRAPS) | _atoms(), max_size=12).map("".join)
