"""A configuration as a list of settings, for people and for the SQL door."""

from __future__ import annotations

from dbmux.config.flat import settings
from dbmux.config.load import loads

TEXT = """{
  "listen": { "127.0.0.1:3307": "main", "/run/dbmux.sock": "db2" },
  "backends": { "db1": { "address": "10.0.0.1", "max_connections": 20 }, "db2": "10.0.0.2" },
  "groups": { "main": { "primary": "db1", "replicas": ["db2"], "max_lag": "500ms" } },
  "users": {
    "app": "topsecret1",
    "hash": { "password_hash": "*6BB4837EB74329105EE4568DDA7DC67ED2CA2AD9", "backend_password": "topsecret2" }
  },
  "admins": { "ops": "topsecret3" },
  "service": { "user": "dbmux", "password": "topsecret4" },
  "cache": { "tables": { "shop.products": "30s", "shop.carts": false } },
  "rules": { "no": { "kind": ["insert", "update"], "reject": "not now" } }
}"""


def told() -> dict[str, str | None]:
    return {one.key: one.value for one in settings(loads(TEXT, "app.json", {}))}


def test_what_was_written_is_listed_by_its_key() -> None:
    found = told()

    wanted = {
        "listen.127.0.0.1:3307": "main",
        "listen./run/dbmux.sock": "db2",
        "backends.db1.address": "10.0.0.1:3306",
        "backends.db1.max_connections": "20",
        "groups.main.replicas": '["db2"]',
        "groups.main.max_lag": "0.5",
        "cache.tables.shop.products.ttl": "30",
        "cache.tables.shop.carts": "false",
        "rules.no.kind": '["insert", "update"]',
        "rules.no.reject.message": "not now",
    }
    assert {key: found.get(key) for key in wanted} == wanted


def test_what_was_left_out_is_listed_too_and_said_to_be() -> None:
    found = {one.key: one for one in settings(loads(TEXT, "app.json", {}))}

    assert (found["timeouts.drain"].value, found["timeouts.drain"].is_default) == ("30", True)
    assert (found["timeouts.query"].value, found["timeouts.query"].is_default) == (None, True)
    assert (found["groups.main.max_lag"].value, found["groups.main.max_lag"].is_default) == ("0.5", False)


def test_no_password_and_no_hash_is_told() -> None:
    found = told()
    everything = repr(found)

    assert "topsecret" not in everything
    assert "6BB4837" not in everything
    for key in ("users.app.password", "users.hash.password_hash", "users.hash.backend_password", "admins.ops.password"):
        assert found[key] == "***"
    assert found["users.app.backend_password"] is None
