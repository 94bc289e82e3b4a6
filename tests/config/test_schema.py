"""The generated schema takes what the model takes, so that an editor is right about a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbmux.commands.init import FIRST
from dbmux.config import jsonc
from dbmux.config.load import loads
from dbmux.config.model import Config, Listen, Section
from dbmux.config.schema import schema
from dbmux.errors import ConfigError
from tests.config.schema_check import accepts
from tests.test_docs import EXAMPLES

SCHEMA: dict[str, Any] = json.loads(schema())

# A listen address is written in forms of its own.
SECTIONS = [section for section in Section.__subclasses__() if section is not Listen]
VALID = [
    '{"backends": {"db": "10.0.0.1"}}',
    '{"backends": {"db": {"address": "x", "max_connections": 5, "min_idle": 2, "weight": 0, "send_proxy": "v2"}}}',
    '{"backends": {"db": {"address": "x", "max_connections": "${N:-5}", "tls": "${T:-off}"}}, "login": "${L:-learn}"}',
    '{"backends": {"db": {"address": "x", "tls": {"mode": "verify_ca", "ca": "/dev/null"}}}}',
    '{"backends": {"a": "x", "b": "y"}, "listen": {"h:1": "a", "h:2": "b"}, "control": null}',
    '{"backends": {"a": "x"}, "groups": {"g": "a", "h": {"primary": "a"}}, "default": "h", "listen": "h:1"}',
    '{"backends": {"a": "x"}, "users": {"u": "p", "v": {"password": "p", "backend_user": null}}, "login": "learn"}',
    '{"backends": {"a": "x"}, "users": {"v": {"password_file": "/dev/null", "backend_password_file": "/dev/null"}}}',
    '{"backends": {"a": "x"}, "admins": {"u": "p", "v": {"password": "p"}, "w": {"password_file": "/proc/version"}}}',
    '{"backends": {"a": "x"}, "service": {"user": "u"}, "tls": {"mode": "required", "certificate": "/dev/null"}}',
    '{"backends": {"a": "x"}, "service": {"user": "u", "password_file": "/dev/null"}, "tls": "off"}',
    '{"backends": {"a": "x"}, "timeouts": {"connect": 5, "login": 0.5, "drain": "1m", "query": null, "idle": "1h"}}',
    '{"backends": {"a": "x"}, "log": "queries.jsonl"}',
    '{"backends": {"a": "x"}, "log": {"slow": "s", "queries": {"file": "q", "keep": 0, "max_size": "1MB"}}}',
    '{"backends": {"a": "x"}, "limits": {"clients": 1, "inspect_max": "1MB"}, "$schema": "x"}',
    '{"backends": {"a": "x"}, "limits": {"inspect_max": 10000}, "proxy_protocol": {"accept_from": ["::1"]}}',
]  # fmt: skip
INVALID = [
    "[]",
    "{}",
    '{"backends": {}}',
    '{"backends": ["x"]}',
    '{"backends": {"db": 5}}',
    '{"backends": {"db": null}}',
    '{"backends": {"db": {}}}',
    '{"backends": {"db": {"adress": "x"}}}',
    '{"backends": {"db": {"address": "x", "weight": -1}}}',
    '{"backends": {"db": {"address": "x", "max_connections": 0}}}',
    '{"backends": {"db": {"address": "x", "max_connections": 1.5}}}',
    '{"backends": {"db": {"address": "x", "max_connections": true}}}',
    '{"backends": {"db": {"address": "x", "tls": "maybe"}}}',
    '{"backends": {"db": {"address": "x", "tls": null}}}',
    '{"backends": {"db": "x"}, "log": {"file": "q"}}',
    '{"backends": {"db": "x"}, "log": {"queries": {"keep": 1}}}',
    '{"backends": {"db": "x"}, "listen": ["h:1"]}',
    '{"backends": {"db": "x"}, "listen": {}}',
    '{"backends": {"db": "x"}, "listen": {"h:1": null}}',
    '{"backends": {"db": "x"}, "control": 3380}',
    '{"backends": {"db": "x"}, "users": {"u": {}}}',
    '{"backends": {"db": "x"}, "users": {"u": {"pasword": "p"}}}',
    '{"backends": {"db": "x"}, "users": null}',
    '{"backends": {"db": "x"}, "admins": {"u": {}}}',
    '{"backends": {"db": "x"}, "admins": {"u": {"password_hash": "p"}}}',
    '{"backends": {"db": "x"}, "service": "u"}',
    '{"backends": {"db": "x"}, "service": {"password": "p"}}',
    '{"backends": {"db": "x"}, "login": "lern"}',
    '{"backends": {"db": "x"}, "groups": {"g": {}}}',
    '{"backends": {"db": "x"}, "default": 5}',
    '{"backends": {"db": "x"}, "tls": {"mode": "maybe"}}',
    '{"backends": {"db": "x"}, "timeouts": {"connect": 0}}',
    '{"backends": {"db": "x"}, "timeouts": {"connect": null}}',
    '{"backends": {"db": "x"}, "timeouts": "5s"}',
    '{"backends": {"db": "x"}, "limits": {"clients": 0}}',
    '{"backends": {"db": "x"}, "limits": {"inspect_max": -1}}',
    '{"backends": {"db": "x"}, "proxy_protocol": {"accept_from": "::1"}}',
    '{"backends": {"db": "x"}, "shards": {}}',
    '{"backends": {"db": "x"}, "mirrors": {"m": {"to": "db"}}}',
]


def taken_by_model(text: str) -> bool:
    try:
        loads(text, "app.json", {})
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("text", VALID)
def test_what_the_model_takes_the_schema_takes(text: str) -> None:
    assert taken_by_model(text)
    assert accepts(SCHEMA, json.loads(text))


@pytest.mark.parametrize("text", INVALID)
def test_what_the_schema_refuses_the_model_refuses(text: str) -> None:
    assert not accepts(SCHEMA, json.loads(text))
    assert not taken_by_model(text)


def properties(section: type[Section]) -> dict[str, Any]:
    made: dict[str, Any] = SCHEMA if section is Config else SCHEMA["$defs"][section.__name__]
    return next(one["properties"] for one in [made, *made.get("anyOf", [])] if "properties" in one)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_schema_has_the_keys_of_the_model_each_with_a_description(section: type[Section]) -> None:
    keys = [field.alias or name for name, field in section.model_fields.items()]
    keys += [f"{secret}_file" for secret in section.secrets]

    found = properties(section)

    assert sorted(found) == sorted(keys)
    assert [name for name, one in found.items() if not one.get("description")] == []


def test_every_part_of_the_schema_is_used() -> None:
    text = schema()

    assert [name for name in SCHEMA["$defs"] if f'"#/$defs/{name}"' not in text] == []


@pytest.mark.parametrize("text", [FIRST, *EXAMPLES.values()], ids=["dbmux init", *EXAMPLES])
def test_every_configuration_that_the_project_shows_is_valid(text: str) -> None:
    assert accepts(SCHEMA, jsonc.parse(text).value)


def test_the_schema_is_the_same_each_time() -> None:
    assert schema() == schema()
    assert schema().endswith("}\n")
