"""As much of JSON Schema as the generated schema uses, so that tests can check documents against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_SAID_ONLY = {"title", "description", "default", "examples", "format", "$defs"}
_CHECKED = {"$ref", "anyOf", "type", "enum", "const", "items", "pattern", "minimum", "maximum", "exclusiveMinimum",
            "minItems", "minLength", "properties", "required", "minProperties", "additionalProperties"}  # fmt: skip


def accepts(schema: dict[str, Any], value: object) -> bool:
    """Whether a document is valid; raises NotImplementedError for what no test has needed so far."""
    return all(_checks(schema, schema, value))


def _checks(root: dict[str, Any], schema: dict[str, Any], value: object) -> Iterator[bool]:
    for word, says in schema.items():
        if word not in _SAID_ONLY:
            if word not in _CHECKED:
                raise NotImplementedError(word)
            yield _check(root, schema, word, says, value)


def _check(root: dict[str, Any], schema: dict[str, Any], word: str, says: Any, value: object) -> bool:
    match word:
        case "$ref":
            return all(_checks(root, root["$defs"][says.removeprefix("#/$defs/")], value))
        case "anyOf":
            return any(all(_checks(root, one, value)) for one in says)
        case "type":
            return any(_is_of_type(one, value) for one in ([says] if isinstance(says, str) else says))
        case "enum":
            return any(value == one for one in says)
        case "const":
            return value is says
        case "minItems":
            return not isinstance(value, list) or len(value) >= says
        case "items":
            return not isinstance(value, list) or all(all(_checks(root, says, one)) for one in value)
    if isinstance(value, dict):
        return _check_object(root, schema, word, says, value)
    if isinstance(value, str):
        return len(value) >= says if word == "minLength" else word != "pattern" or re.search(says, value) is not None
    if isinstance(value, int | float):
        return _is_within(word, says, value)
    return True


def _is_within(word: str, says: Any, value: float) -> bool:
    match word:
        case "minimum":
            return bool(value >= says)
        case "exclusiveMinimum":
            return bool(value > says)
        case "maximum":
            return bool(value <= says)
        case _:
            return True


def _check_object(root: dict[str, Any], schema: dict[str, Any], word: str, says: Any, value: dict[str, object]) -> bool:
    known = schema.get("properties", {})
    match word:
        case "properties":
            return all(all(_checks(root, one, value[key])) for key, one in says.items() if key in value)
        case "required":
            return all(key in value for key in says)
        case "minProperties":
            return len(value) >= int(says)
        case "additionalProperties":
            others = [item for key, item in value.items() if key not in known]
            return not others if says is False else all(all(_checks(root, says, one)) for one in others)
        case _:
            return True


def _is_of_type(name: str, value: object) -> bool:
    return isinstance(value, _TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))
