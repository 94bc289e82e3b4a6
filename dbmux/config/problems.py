"""What the model finds wrong, in this project's own words and with the places of the file.

Pydantic's errors and the document come in; paths and sentences go out, for unknown keys with the nearest known one.
Never repeats what stands where a password belongs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dbmux.config.consistency import instead, nearest
from dbmux.config.jsonc import Document, Path, Problem, Value
from dbmux.config.model import Config, Section
from dbmux.config.values import UnreadableSecret

_NO_BACKEND = 'no backend; write {"backends": {"db": "127.0.0.1:3306"}}'
_SENTENCES = {
    "string_type": "a string, in double quotes, is expected",
    "path_type": "the path of a file is expected, as a string",
    "tuple_type": "a list is expected",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "enum": "must be {expected}",
}


def model_problems(error: ValidationError, document: Document) -> Iterator[Problem]:
    """Each problem that the model found, with the path where it shows in the file."""
    found = [(_path(detail, document.value), detail) for detail in error.errors(include_url=False, include_input=False)]
    misspelt = {
        (*path[:-1], near)
        for path, detail in found
        if detail["type"] == "extra_forbidden" and (near := nearest(str(path[-1]), _known_keys(path[:-1])))
    }
    for path, detail in found:
        # One mistake, one sentence: where `adress` stands, `address` is not missing.
        if detail["type"] != "missing":
            yield document.written(path), _what(path, detail)
        elif path not in misspelt:
            yield path, _what(path, detail)


def _path(detail: ErrorDetails, value: Value) -> Path:
    location = tuple(step for step in detail["loc"] if step != "[key]")
    if location[:1] == ("listen",) and len(location) > 1 and isinstance(value, dict):
        # The model has a list of objects where the file has a string, or an object from address to group.
        listen = value["listen"]
        return ("listen", list(listen)[int(location[1])]) if isinstance(listen, dict) else ("listen",)
    if isinstance(detail.get("ctx", {}).get("error"), UnreadableSecret):
        return (*location[:-1], f"{location[-1]}_file")
    return location


def _what(path: Path, detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return f"unknown key; {instead(str(path[-1]), _known_keys(path[:-1]))}"
        case "missing" if path == ("backends",):
            return _NO_BACKEND
        case "missing":
            model = _model_at(path[:-1])
            is_secret = model is not None and path[-1] in model.secrets
            return f'is missing; write it or "{path[-1]}_file"' if is_secret else "is missing"
        case "too_short":
            return _NO_BACKEND if path == ("backends",) else "at least one is needed"
        case "model_type" | "mapping_type" | "dict_type":
            model = _model_at(path)
            main = model.main if model is not None and kind == "model_type" else None
            return f"its {main}, or an object, is expected" if main else "an object, in braces, is expected"
        case "value_error":
            return str(context["error"])
        case _ if kind in _SENTENCES:
            return _SENTENCES[kind].format(**context)
        case _:
            return detail["msg"].lower()


def _known_keys(path: Path) -> list[str]:
    model = _model_at(path)
    if model is None:
        return []
    keys = [field.alias or name for name, field in model.model_fields.items()]
    return keys + [f"{key}_file" for key in model.secrets]


def _model_at(path: Path) -> type[Section] | None:
    model: type[Section] = Config
    steps = iter(path)
    for step in steps:
        field = model.model_fields.get(str(step))
        if field is None:
            return None
        sections = list(_sections(field.annotation))
        if not sections:
            return None
        if get_origin(field.annotation) is Mapping and next(steps, None) is None:
            # The section of all backends, or of all users: any name is a key of it.
            return None
        model = sections[0]
    return model


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)
