"""The JSON Schema of appconfig.json, from the model, so that editors complete and check it.

Nothing comes in; the schema goes out as text, the same for the same version. The short forms (a string for an object's
main value, a map for `listen`, `password_file`) are part of it.
"""

from __future__ import annotations

import json
from typing import Any

from dbmux.config.model import Config

_STRING = {"type": "string"}
_SHORT_FORMS = ("User", "BackendConfig", "GroupConfig", "BackendTls", "ClientTls")


def schema() -> str:
    """The schema as indented JSON text."""
    made = Config.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = made["$defs"]
    for name in ("User", "Account"):
        properties = definitions[name]["properties"]
        for secret in ("password", "backend_password"):
            if secret in properties:
                properties[f"{secret}_file"] = _STRING | {"description": f"a file that holds the {secret}"}
    for name in _SHORT_FORMS:
        definitions[name] = {"anyOf": [_STRING, definitions[name]]}
    made["properties"]["listen"] = {
        "anyOf": [
            _STRING | {"examples": ["127.0.0.1:3307"]},
            {"type": "object", "additionalProperties": _STRING, "examples": [{"127.0.0.1:3307": "main"}]},
        ],
        "description": "an address, or a map from address to group",
    }
    made["title"] = "DbMux appconfig.json"
    return json.dumps(made, indent=2, sort_keys=True) + "\n"
