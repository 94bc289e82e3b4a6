"""One more item for a list in the configuration file, with everything else in it left as people wrote it.

The file's text, the path of the list and the item come in; the text with the item goes out. Comments, order and
indentation stay; keys on the way to the list are made where they are missing. Never writes a file. Raises DbMuxError
where the text cannot be read, or something else stands where the list belongs.
"""

from __future__ import annotations

import json
import re
from typing import Any

from dbmux.config.jsonc import Misread, Path, Value, parse
from dbmux.errors import DbMuxError

INDENT = "  "
_END_OF_ENTRY = re.compile(r"[ \t\r]*,?[ \t\r]*(?://.*|/\*[^*]*\*/[ \t\r]*)?")


class CannotInsert(DbMuxError):
    """The item must be written by hand; the message says why."""


def inserted(text: str, path: Path, item: Any) -> str:
    """The text with `item` at the end of the list at `path`, which is made of keys alone."""
    try:
        document = parse(text)
    except Misread as error:
        raise CannotInsert(f"the file cannot be read: line {error.place.line}: {error}") from error
    there = path
    while there and there not in document.spans:
        there = there[:-1]
    missing = path[len(there) :]
    value = _at(document.value, there)
    if not isinstance(value, dict if missing else list):
        raise CannotInsert(f"{_told(there)} is not what an item can be added to")
    begin, end = document.spans[there]
    made, key = item, ""
    if missing:
        made = [item]
        for name in reversed(missing[1:]):
            made = {name: made}
        key = f"{json.dumps(missing[0])}: "
    changed = _with_another(text, document.spans, there, value, key + _written(made, _indent(text, begin)))
    if parse(changed).value != _expected(document.value, path, item):
        raise CannotInsert(f"{_told(path)} is written in a way that was not foreseen")
    return changed


def _with_another(
    text: str, spans: dict[Path, tuple[int, int]], there: Path, value: dict[str, Value] | list[Value], entry: str
) -> str:
    begin, end = spans[there]
    outer = _indent(text, begin)
    if not value:
        # Whatever comments stand between the brackets stay behind the new one.
        return f"{text[: begin + 1]}\n{outer}{INDENT}{entry}\n{outer}{text[begin + 1 : end].lstrip()}{text[end:]}"
    last = (*there, next(reversed(value))) if isinstance(value, dict) else (*there, len(value) - 1)
    after = spans[last][1]
    if "\n" not in text[begin:after]:
        return f"{text[:after]}, {_on_one_line(entry)}{text[after:]}"
    line_end = text.find("\n", after)
    rest = text[after:line_end] if line_end >= 0 else "the last line"
    # A comment behind the last entry stays with it.
    if not _END_OF_ENTRY.fullmatch(rest):
        line_end, rest = after, ""
    comma = "" if rest.lstrip().startswith(",") else ","
    return f"{text[:after]}{comma}{rest}\n{_indent(text, spans[last][0])}{entry}{text[line_end:]}"


def _indent(text: str, position: int) -> str:
    # Of the line in which something stands.
    line = text[text.rfind("\n", 0, position) + 1 : position]
    found = re.match(r"[ \t]*", line)
    assert found is not None
    return found[0]


def _written(value: Any, outer: str) -> str:
    return json.dumps(value, indent=INDENT, ensure_ascii=False).replace("\n", f"\n{outer}{INDENT}")


def _on_one_line(entry: str) -> str:
    return re.sub(r"\n\s*", " ", entry)


def _at(value: Value, path: Path) -> Value:
    for step in path:
        assert isinstance(value, dict)
        value = value[str(step)]
    return value


def _expected(value: Value, path: Path, item: Any) -> Value:
    if not path:
        assert isinstance(value, list)
        return [*value, item]
    assert isinstance(value, dict)
    name = str(path[0])
    below = value.get(name, {} if path[1:] else [])
    return {**value, name: _expected(below, path[1:], item)}


def _told(path: Path) -> str:
    return ".".join(map(str, path)) or "the whole file"
