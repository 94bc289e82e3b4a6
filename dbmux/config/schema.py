"""The JSON Schema of appconfig.json, from the model, so that editors complete and check it.

Nothing comes in; the schema goes out as text, the same for the same version. The forms that only the file has (a
string for an object's main value, a map for `listen`, `password_file`, `${NAME}`) are part of it.
"""

from __future__ import annotations

import json
from typing import Any

from dbmux.config.model import Config, Section

_STRING = {"type": "string"}
_VARIABLE = {"type": "string", "pattern": r"\$\{", "description": "${NAME} or ${NAME:-default}, from the environment"}


def schema() -> str:
    """The schema as indented JSON text."""
    made = Config.model_json_schema(by_alias=True)
    made["properties"]["listen"] = {
        "anyOf": [
            _STRING | {"examples": ["127.0.0.1:3307"]},
            {
                "type": "object",
                "additionalProperties": _STRING,
                "minProperties": 1,
                "examples": [{"127.0.0.1:3307": "main"}],
            },
        ],
        "description": made["properties"]["listen"]["description"],
    }
    definitions: dict[str, Any] = made["$defs"]
    del definitions["Listen"]
    for section in Section.__subclasses__():
        if section.__name__ in definitions:
            definitions[section.__name__] = _with_written_forms(section, definitions[section.__name__])
    return json.dumps({"title": "DbMux appconfig.json", **_with_variables(_tidy(made))}, indent=2) + "\n"


def _with_written_forms(section: type[Section], made: dict[str, Any]) -> dict[str, Any]:
    for secret in section.secrets:
        made["properties"][f"{secret}_file"] = _STRING | {"description": f"a file that holds the {secret}"}
        if secret in made.get("required", ()):
            made["required"].remove(secret)
            names = (secret, *section.instead.get(secret, ()))
            made["anyOf"] = [{"required": [one]} for name in names for one in (name, f"{name}_file")]
    if section.main is None:
        return made
    main = made["properties"][section.main]
    # Of a whole section the short form is a string, too.
    sections = {f"#/$defs/{one.__name__}" for one in Section.__subclasses__()}
    forms = [_STRING if form.get("$ref") in sections else form for form in main.get("anyOf", [main])]
    short = [form for form in forms if form != {"type": "null"}]
    return {"anyOf": [*short, made], "description": made["description"]}


def _tidy(made: Any) -> Any:
    # Pydantic's titles are the keys once more, and its defaults of whole sections say what their keys say.
    match made:
        case dict():
            properties = {name: _tidy(one) for name, one in made.get("properties", {}).items()}
            kept = {
                key: _tidy(item)
                for key, item in made.items()
                if key != "title" and not (key == "default" and isinstance(item, dict))
            }
            return kept | ({"properties": properties} if properties else {})
        case list():
            return [_tidy(item) for item in made]
        case _:
            return made


def _with_variables(made: Any) -> Any:
    match made:
        case {"enum": _} | {"type": "integer"}:
            said = {"description": made["description"]} if "description" in made else {}
            return said | {"anyOf": [made, _VARIABLE]}
        case dict():
            return {key: _with_variables(item) for key, item in made.items()}
        case list():
            return [_with_variables(item) for item in made]
        case _:
            return made
