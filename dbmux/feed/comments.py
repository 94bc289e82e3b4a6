"""What the comments of a statement say of its origin: the application, the request, the place in its code.

The text of a statement comes in, an `Origin` goes out, with nothing where nothing is said. Three forms are read:
sqlcommenter's (`key='value'`, as Rails, Django, Laravel, Spring and OpenTelemetry write it), that of Rails' query tags
and marginalia (`key:value`), and a `traceparent` however it is written (W3C "Trace Context"). Only comments count,
never what looks like one within a literal. Any text is taken, nothing raises, and what is said is not to be trusted: it
is what a client chose to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote

from dbmux.lexer import tokens

# Of a text no more is looked at, and of its comments no more is kept; so many comments are remembered.
LOOKED_AT = 4096
MOST_TAGS = 32
LONGEST_TRACE = 64
MOST_REMEMBERED = 1024

# What stands between two tokens: white space, and comments of which those that are not closed say nothing.
_COMMENT = re.compile(rb"/\*(?P<block>.*?)(?P<closed>\*/|\Z)|(?:--|#)(?P<line>[^\n\0]*)", re.DOTALL)
_TRACEPARENT = re.compile(
    r"\btraceparent['\"]?\s*[=:]\s*['\"]?(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}",
    re.IGNORECASE,
)
# How sqlc and its like name their statements.
_NAME = re.compile(r"\s*name:\s*(\S+)(?:\s+:\w+)?\s*")

# A pair: `key='value'`, `key="value"`, `key=value`, or `key:value`. That of Rails goes on to the next key: paths have
# colons, and names of blocks have spaces and commas.
_PAIR = re.compile(
    r"""[\s,;]*(?P<key>[A-Za-z_][\w.%-]*)\s*
    (?:=\s*(?:'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s,;'"]+))
    |:(?=\S)(.*?)\s*(?=,\s*[A-Za-z_][\w.-]*:|\Z))""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# These comments are for DbMux itself.
_HINT = "dbmux"

_APPS = ("application", "app", "service", "service_name", "service.name", "ddps", "app_name")
_TRACES = ("trace_id", "traceid", "trace", "request_id", "requestid")
_PLACES = ("source_location", "file", "code.file.path", "code.filepath", "code_filepath")
_LINES = ("line", "code.line.number", "code.lineno", "code_lineno", "lineno")
_CONTROLLERS = ("controller_with_namespace", "namespaced_controller", "controller")
_OTHERS = ("job", "job_name", "route", "code.function", "name")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a statement comes from.

    `trace` is the id of a trace, or else of a request, cut; `site` the place in the code, or else the controller and
    its action, the job or the route; `tags` all that was said, as it was said first.
    """

    app: str = ""
    trace: str = ""
    site: str = ""
    tags: tuple[tuple[str, str], ...] = ()


NOWHERE = Origin()


def origin(text: bytes | str, flags: int = 0) -> Origin:
    """What the comments say; `flags` are the lexer's for the sql_mode."""
    if isinstance(text, str):
        if "/*" not in text and "--" not in text:
            return NOWHERE
        text = text.encode("utf-8", "replace")
    elif b"/*" not in text and b"--" not in text:
        return NOWHERE
    return _told(tuple(_comments(text[:LOOKED_AT], flags)))


@lru_cache(MOST_REMEMBERED)
def _told(comments: tuple[str, ...]) -> Origin:
    # One place in the code says the same each time.
    tags: dict[str, str] = {}
    trace = ""
    for comment in comments:
        if not trace and (found := _TRACEPARENT.search(comment)) is not None:
            trace = found[1].lower()
        for key, value in islice(_pairs(comment), MOST_TAGS - len(tags)):
            tags.setdefault(key, value)
    if not tags and not trace:
        return NOWHERE
    return Origin(_first(tags, _APPS), trace or _first(tags, _TRACES)[:LONGEST_TRACE], _site(tags), tuple(tags.items()))


def _comments(text: bytes, flags: int) -> Iterator[str]:
    end = 0
    for _, begin, behind in (*tokens(text, 0, flags), (0, len(text), len(text))):
        # Nothing is said in less.
        if begin - end > 4:
            for found in _COMMENT.finditer(text, end, begin):
                said = found["block"] if found["line"] is None else found["line"]
                if found["closed"] != b"" and (b"=" in said or b":" in said):
                    yield said.decode("utf-8", "replace")
        end = behind


def _pairs(comment: str) -> Iterator[tuple[str, str]]:
    # Up to the first thing that is no pair: what people write to people is none.
    if "name:" in comment and (named := _NAME.fullmatch(comment)) is not None:
        yield "name", named[1]
        return
    at = 0
    while (found := _PAIR.match(comment, at)) is not None:
        key, one, other, bare, tag = found.groups()
        if key == _HINT:
            return
        if tag is None:
            said = one if one is not None else other if other is not None else bare
            tag = _decoded(_ESCAPED.sub(r"\1", said) if "\\" in said else said)
        yield _decoded(key), tag
        at = found.end()


def _decoded(said: str) -> str:
    # Django's doubles the percent signs, for drivers that take one away unless there are no arguments.
    return unquote(said.replace("%%", "%")) if "%" in said else said


def _site(tags: Mapping[str, str]) -> str:
    place, line = _first(tags, _PLACES), _first(tags, _LINES)
    if place:
        return f"{place}:{line}" if line else place
    if line and not line.isdecimal():
        # Marginalia's has the file in it.
        return line
    controller, action = _first(tags, _CONTROLLERS), tags.get("action", "")
    if controller and action:
        return f"{controller}#{action}"
    return controller or action or _first(tags, _OTHERS)


def _first(tags: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((tags[name] for name in names if tags.get(name)), "")
