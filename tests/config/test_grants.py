"""The SQL that gives DbMux its rights."""

from __future__ import annotations

import pytest

from dbmux.config.grants import grants
from dbmux.config.load import loads
from dbmux.config.model import Config


def test_each_backend_gets_its_account_and_no_password_is_printed() -> None:
    config = loads(
        '{"backends": {"a": "10.0.0.1", "b": "/my.sock"}, "default": "a",'
        ' "service": {"user": "dbmux", "password": "topsecret"}}',
        "app.json",
        {},
    )

    told = grants(config)

    assert told.splitlines() == [
        "-- backend a at 10.0.0.1:3306",
        "-- to log in with, to ask whether it is read-only, and for its position in GTIDs",
        "CREATE USER IF NOT EXISTS 'dbmux'@'%' IDENTIFIED BY '<the password of service>';",
        "GRANT USAGE ON *.* TO 'dbmux'@'%';",
        "",
        "-- backend b at /my.sock",
        "-- to log in with, to ask whether it is read-only, and for its position in GTIDs",
        "CREATE USER IF NOT EXISTS 'dbmux'@'%' IDENTIFIED BY '<the password of service>';",
        "GRANT USAGE ON *.* TO 'dbmux'@'%';",
    ]


def test_a_replica_is_asked_how_far_it_is_behind_by_each_family_in_its_own_way() -> None:
    config = loads(
        '{"backends": {"a": "10.0.0.1", "b": "10.0.0.2"}, "groups": {"g": {"primary": "a", "replicas": ["b"]}},'
        ' "login": "learn", "service": {"user": "dbmux"}}',
        "app.json",
        {},
    )

    of_primary, of_replica = grants(config).split("-- backend b")

    assert "MONITOR" not in of_primary
    status = "GRANT /*!50700 REPLICATION CLIENT *//*M!100509 REPLICA MONITOR */ ON *.* TO 'dbmux'@'%';"
    assert status in of_replica.splitlines()


READING = [
    "GRANT REFERENCES, TRIGGER ON *.* TO 'dbmux'@'%';",
    "GRANT SELECT, SHOW VIEW ON *.* TO 'dbmux'@'%';",
]
FOLLOWING = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbmux'@'%';"


@pytest.mark.parametrize(
    ("cache", "group", "read", "followed"),
    [
        ({"tables": {"shop.*": "5s"}}, {}, ["a", "c"], ["a", "c"]),
        ({"tables": {"shop.*": "5s"}}, {"roles": "auto"}, ["a", "b", "c"], ["a", "b", "c"]),
        ({"tables": {"shop.*": "5s"}, "invalidate_from": "off"}, {}, ["a", "c"], []),
        ({"tables": {"shop.*": False}}, {}, [], []),
        ({}, {}, [], []),
    ],
    ids=["cached", "any may be primary", "not followed", "nothing cached", "no cache"],
)
def test_for_the_cache_the_dictionary_and_log_of_every_server_that_takes_writes_are_read(
    cache: dict[str, object], group: dict[str, object], read: list[str], followed: list[str]
) -> None:
    config = Config.model_validate(
        {
            "backends": {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"},
            "groups": {"g": {"primary": "a", "replicas": ["b"], **group}},
            "users": {"app": "secret"},
            "service": {"user": "dbmux"},
            "cache": cache,
        }
    )

    parts = grants(config).split("-- backend ")[1:]

    assert [part[0] for part in parts if set(READING) <= set(part.splitlines())] == read
    assert [part[0] for part in parts if FOLLOWING in part.splitlines()] == followed


def test_a_name_cannot_leave_its_quotes_or_its_comment() -> None:
    config = loads('{"backends": {"a": "x"}, "service": {"user": "it\'s \\\\ a\\nDROP TABLE t; --"}}', "app.json", {})

    assert "CREATE USER IF NOT EXISTS 'it''s \\\\ a\\nDROP TABLE t; --'@'%' IDENTIFIED" in grants(config)


def test_without_a_service_account_nothing_is_asked_for() -> None:
    told = grants(loads('{"backends": {"a": "x"}}', "app.json", {}))

    assert told == (
        "-- No service account is configured, and nothing that needs one is switched on.\n"
        "-- DbMux then only checks that its backends answer.\n"
    )


def test_of_a_replica_that_is_only_compared_it_is_asked_how_far_it_is_and_nothing_is_written_there() -> None:
    config = loads(
        '{"backends": {"a": "10.0.0.1", "b": "10.0.0.2"}, "default": "a", "service": {"user": "dbmux"},'
        ' "mirrors": {"m": {"from": "a", "to": "b", "feed": "native", "account": {"user": "other"}}}}',
        "app.json",
        {},
    )

    of_source, of_target = grants(config).split("-- backend b")

    assert {"GRANT SELECT ON *.* TO 'dbmux'@'%';", "GRANT REPLICATION CLIENT ON *.* TO 'dbmux'@'%';"} <= {
        *of_source.splitlines()
    }
    status = "GRANT /*!50700 REPLICATION CLIENT *//*M!100509 REPLICA MONITOR */ ON *.* TO 'other'@'%';"
    assert {"GRANT SELECT ON *.* TO 'dbmux'@'%';", status} <= {*of_target.splitlines()}
    assert not {"INSERT", "REPLICATION SLAVE"} & {*of_target.split(), *of_source.split()}
