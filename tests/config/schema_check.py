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
            "properties", "required", "minProperties", "additionalProperties", "minItems", "maxItems", "prefixItems",
            "minLength"}  # fmt: skip


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
    if isinstance(value, list):
        return _check_list(root, word, says, value)
    if isinstance(value, dict):
        return _check_object(root, schema, word, says, value)
    if isinstance(value, str):
        return re.search(says, value) is not None if word == "pattern" else word != "minLength" or len(value) >= says
    if isinstance(value, int | float) and word == "maximum":
        return bool(value <= says)
    if isinstance(value, int | float) and word in ("minimum", "exclusiveMinimum"):
        return bool(value >= says if word == "minimum" else value > says)
    return True


def _check_list(root: dict[str, Any], word: str, says: Any, value: list[object]) -> bool:
    match word:
        case "items":
            return all(all(_checks(root, says, one)) for one in value)
        case "prefixItems":
            return all(all(_checks(root, says[at], one)) for at, one in enumerate(value[: len(says)]))
        case "minItems":
            return len(value) >= int(says)
        case "maxItems":
            return len(value) <= int(says)
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
