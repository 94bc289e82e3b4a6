"""The tables that a query reads, as DbMux finds them in its text, and as a server's own dictionary has them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

import pytest

from dbmux.errors import BackendRefused
from dbmux.playground.client import Client
from dbmux.sql.classify import classify
from tests.real.conftest import ACCOUNT, PASSWORD, Server

pytestmark = pytest.mark.real

SCHEMA, OTHER = "footprint", "footprint_other"
TABLES = ("a", "b", "c", "d", "where", "`from`", f"{OTHER}.e", f"`{OTHER}`.`f g`")
QUERIES = 400


class Author:
    """Writes queries of `SELECT 1`, with tables wherever the grammar lets one stand."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._aliases = (f"x{number}" for number in count())

    def query(self, depth: int = 0) -> str:
        """A query as a view may have it."""
        forms = [self._select(depth)]
        while self._random.random() < 0.2:
            forms.append(f"{self._random.choice(('UNION', 'UNION ALL'))} {self._select(depth + 1)}")
        text = " ".join(forms)
        return self._with(text) if depth == 0 and self._random.random() < 0.3 else text

    def _with(self, text: str) -> str:
        # The name may be a table's too; of a query that is not used servers do not speak.
        name = self._random.choice(("a", "b", "given"))
        inner = self._select(3).replace("SELECT 1", "SELECT 1 AS n", 1)
        return f"WITH {name} AS ({inner}), twice AS (SELECT n FROM {name}) {text} UNION ALL SELECT n FROM twice"

    def _select(self, depth: int) -> str:
        text = f"SELECT 1 FROM {self._list(depth)}"
        if self._random.random() < 0.4:
            text += f" WHERE EXISTS (SELECT 1 FROM {self._list(depth + 1)})"
        if self._random.random() < 0.2:
            text += " GROUP BY 1 HAVING TRIM(BOTH 'x' FROM 'xyx') = 'y'"
        return text

    def _list(self, depth: int) -> str:
        return ", ".join(self._joined(depth) for _ in range(self._random.choice((1, 1, 2, 3))))

    def _joined(self, depth: int) -> str:
        text = self._factor(depth)
        while self._random.random() < 0.4:
            match self._random.randrange(4):
                case 0:
                    text += f" JOIN {self._factor(depth)} ON TRUE"
                case 1:
                    text += f" LEFT JOIN {self._factor(depth)} ON EXISTS (SELECT 1 FROM {self._table()})"
                case 2:
                    text += f" STRAIGHT_JOIN {self._factor(depth)}"
                case _:
                    text += f"/* JOIN a */CROSS JOIN {self._factor(depth)}"
        return text

    def _factor(self, depth: int) -> str:
        chance = self._random.random()
        if depth > 2 or chance < 0.6:
            return self._table()
        if chance < 0.75:
            return f"({self._list(depth + 1)})"
        if chance < 0.85:
            return f"(({self._joined(depth + 1)}))"
        return f"({self.query(depth + 1)}) AS {next(self._aliases)}"

    def _table(self) -> str:
        name = self._random.choice(TABLES)
        written = "`where`" if name == "where" else name
        hint = " USE INDEX FOR JOIN ()" if self._random.random() < 0.1 else ""
        return f"{written}{self._random.choice((' ', ' AS '))}{next(self._aliases)}{hint}"


@pytest.fixture
def client(servers: dict[str, Server]) -> Iterator[Client]:
    # The only server that tells what its views read.
    server = servers["mysql:9"]
    with Client("127.0.0.1", server.port, ACCOUNT, PASSWORD) as client:
        for schema in (SCHEMA, OTHER):
            client.query(f"DROP DATABASE IF EXISTS {schema}")
            client.query(f"CREATE DATABASE {schema}")
        client.query(f"USE {SCHEMA}")
        for name in TABLES:
            client.query(f"CREATE TABLE {'`where`' if name == 'where' else name} (n INT)")
        yield client
        for schema in (SCHEMA, OTHER):
            client.query(f"DROP DATABASE {schema}")


def test_every_table_that_a_view_reads_is_found_in_its_text(client: Client) -> None:
    author, seen = Author(seed=4), 0
    for _ in range(QUERIES):
        text = author.query()
        try:
            client.query(f"CREATE OR REPLACE VIEW probe AS {text}")
        except BackendRefused:
            continue
        seen += 1
        rows = client.query(
            f"SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEW_TABLE_USAGE WHERE VIEW_SCHEMA = '{SCHEMA}'"
        ).rows

        found = {(name.schema or SCHEMA, name.table) for name in classify(text.encode(), 0, 0).footprint.reads}

        assert found == set(rows), text
    assert seen > QUERIES / 2
