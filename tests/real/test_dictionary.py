"""The rights that `dbmux grants` prints show a server's dictionary to the cache, and each of them is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.dictionary import read_dictionary
from dbmux.backend.server import Backend
from dbmux.cache.dictionary import Dictionary
from dbmux.config.grants import grants
from dbmux.config.model import Account, BackendConfig, BackendTls, BackendTlsMode, Config
from dbmux.errors import MySQLError
from dbmux.net.certificate import backend_context
from dbmux.net.dial import dial
from dbmux.playground.node import Node
from dbmux.sql.classify import classify
from tests.real.conftest import SERVERS

pytestmark = pytest.mark.real

SERVICE = Account(user="reader", password="reader-pass")
SHOP = """
CREATE DATABASE dictionary_shop; USE dictionary_shop;
CREATE TABLE t (a INT PRIMARY KEY); CREATE TABLE log (a INT);
CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES t (a) ON DELETE CASCADE);
CREATE VIEW v AS SELECT a FROM t;
CREATE TRIGGER follows AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a);
CREATE PROCEDURE p() UPDATE t SET a = a + 1;
"""


@pytest.fixture(params=SERVERS)
def node(request: pytest.FixtureRequest, nodes: dict[str, Node]) -> Iterator[Node]:
    found = nodes[request.param]
    found.run(SHOP)
    yield found
    found.run("DROP DATABASE dictionary_shop; DROP USER 'reader'@'%';")


def printed() -> list[str]:
    """The statements of `dbmux grants`, with the password put in."""
    config = Config.model_validate(
        {
            "backends": {"db": "127.0.0.1"},
            "users": {"app": "app-pass"},
            "service": {"user": SERVICE.user, "password": SERVICE.password},
            "cache": {"tables": {"*": "5s"}},
        }
    )
    lines = [line for line in grants(config).splitlines() if not line.startswith("--")]
    return [line.replace("<the password of service>", SERVICE.password) for line in lines]


def read(node: Node) -> Dictionary:
    """The dictionary as the service account sees it."""
    config = BackendConfig(address=TcpAddress("127.0.0.1", node.port), tls=BackendTls(mode=BackendTlsMode.REQUIRED))
    context = backend_context(config.tls, is_local=False)
    backend = Backend("db", config, dial=dial, tls=context, connect_timeout_s=5)

    async def asked() -> Dictionary:
        async with asyncio.timeout(20):
            await backend.meet()
            return await read_dictionary(backend, SERVICE)

    return asyncio.run(asked())


def hidden(dictionary: Dictionary) -> list[str]:
    return [name for name in dictionary.hidden if name.startswith("dictionary_shop.")]


def test_with_the_printed_rights_nothing_is_hidden(node: Node) -> None:
    node.run("\n".join(printed()))

    found = read(node)

    assert hidden(found) == []
    assert found.has_all_routines
    call = classify(b"CALL p()", 0, 0).footprint
    # Tables of the same names in other schemas count, too.
    assert {name for schema, name in found.written(call, "dictionary_shop") or () if schema == "dictionary_shop"} == {
        *("t", "log", "child")
    }


def test_without_the_right_to_read_it_is_hidden_how_views_and_routines_are_made(node: Node) -> None:
    node.run("\n".join(line for line in printed() if "SELECT" not in line))

    found = read(node)

    assert hidden(found) == ["dictionary_shop.v"]
    assert not found.has_all_routines
    assert found.written(classify(b"CALL p()", 0, 0).footprint, "dictionary_shop") is None


def test_without_the_rights_that_show_tables_and_triggers_there_is_no_dictionary(node: Node) -> None:
    node.run("\n".join(line for line in printed() if "TRIGGER" not in line))

    with pytest.raises(MySQLError, match="lacks the right REFERENCES, TRIGGER; `dbmux grants`"):
        read(node)
