"""Greetings come back as they were, after a restart too; a file that is damaged or cannot be written does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.backend.memory import GreetingMemory
from dbmux.wire.handshake import Greeting, parse_greeting

MARIADB = Greeting(
    server_version=b"5.5.5-10.11.6-MariaDB",
    connection_id=0,
    scramble=b"",
    capabilities=0x1D81FFF7FE,
    charset=45,
    status=2,
    plugin=b"mysql_native_password",
)
MYSQL = Greeting(
    server_version=b"9.1.0",
    connection_id=0,
    scramble=b"",
    capabilities=0xDFFFFFFF,
    charset=255,
    status=2,
    plugin=b"caching_sha2_password",
)
ENTRY = {"version": "9.1.0", "capabilities": 1, "charset": 255, "status": 2, "plugin": "p"}


def test_a_greeting_is_remembered_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "greetings.json"
    memory = GreetingMemory(path)
    memory.remember("db1:3306", MARIADB)
    memory.remember("db2:3306", MYSQL)

    again = GreetingMemory(path)

    assert [again.recall(address) for address in ("db1:3306", "db2:3306", "db3:3306")] == [MARIADB, MYSQL, None]


def test_what_belongs_to_one_connection_is_not_remembered(tmp_path: Path) -> None:
    memory = GreetingMemory(tmp_path / "greetings.json")
    spoken = Greeting(
        server_version=b"9.1.0", connection_id=7, scramble=b"s" * 20, capabilities=1, charset=1, status=2, plugin=b"p"
    )

    memory.remember("db1:3306", spoken)

    found = memory.recall("db1:3306")
    assert found is not None
    assert (found.connection_id, found.scramble) == (0, b"")


def test_the_file_is_written_only_when_there_is_news(tmp_path: Path) -> None:
    path = tmp_path / "greetings.json"
    memory = GreetingMemory(path)
    memory.remember("db1:3306", MARIADB)
    path.unlink()

    memory.remember("db1:3306", MARIADB)
    assert not path.exists()

    memory.remember("db1:3306", MYSQL)
    assert GreetingMemory(path).recall("db1:3306") == MYSQL


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "greetings.json"
    one, other = GreetingMemory(path), GreetingMemory(path)

    one.remember("db1:3306", MARIADB)
    other.remember("db2:3306", MYSQL)

    again = GreetingMemory(path)
    assert (again.recall("db1:3306"), again.recall("db2:3306")) == (MARIADB, MYSQL)
    assert [found.name for found in tmp_path.iterdir()] == ["greetings.json"]


def test_without_a_path_it_lasts_for_this_life() -> None:
    memory = GreetingMemory(None)
    memory.remember("db1:3306", MYSQL)

    assert memory.recall("db1:3306") == MYSQL


def test_a_place_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    memory = GreetingMemory(tmp_path / "file" / "greetings.json")

    memory.remember("db1:3306", MYSQL)

    assert memory.recall("db1:3306") == MYSQL


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        "9.1.0",
        [],
        {},
        ENTRY | {"capabilities": -1},
        ENTRY | {"capabilities": 1 << 64},
        ENTRY | {"capabilities": "many"},
        ENTRY | {"charset": 256},
        ENTRY | {"status": float("inf")},
        ENTRY | {"version": "9.1\0"},
        ENTRY | {"version": "9.1€"},
        ENTRY | {"plugin": None},
    ],
)
def test_an_entry_that_no_greeting_can_be_made_of_is_forgotten(tmp_path: Path, entry: object) -> None:
    path = tmp_path / "greetings.json"
    path.write_text(json.dumps({"broken:3306": entry, "fine:3306": ENTRY}))

    memory = GreetingMemory(path)

    assert memory.recall("broken:3306") is None
    assert memory.recall("fine:3306") is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_damaged_is_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "greetings.json"
    path.write_bytes(content)
    memory = GreetingMemory(path)

    memory.remember("db1:3306", MYSQL)

    assert GreetingMemory(path).recall("db1:3306") == MYSQL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*ENTRY, "other"]), inner),
    max_leaves=10,
)


@given(JSON)
def test_whatever_is_recalled_can_be_sent_to_a_client(tmp_path_factory: pytest.TempPathFactory, entry: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any greetings.json"
    path.write_text(json.dumps({"db1:3306": entry}))

    found = GreetingMemory(path).recall("db1:3306")

    assert found is None or parse_greeting(found.build()).server_version == found.server_version
