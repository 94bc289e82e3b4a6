"""Many lookups as one, where that is sure."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.lexer import tokens
from dbmux.sql.lookup import in_list


def told(*texts: str) -> str | None:
    found = in_list([text.encode() for text in texts])
    return None if found is None else found.decode()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["SELECT * FROM c WHERE id = 1", "SELECT * FROM c WHERE id = 2"], "SELECT * FROM c WHERE id IN (1, 2, …)"),
        (["SELECT a FROM c WHERE id=1", "SELECT a FROM c WHERE id=2"], "SELECT a FROM c WHERE id IN (1, 2, …)"),
        (["SELECT * FROM c WHERE id = ?"], "SELECT * FROM c WHERE id IN (?, ?, …)"),
        (
            [
                "SELECT a FROM c WHERE t = 5 AND id = '1' AND x > 3",
                "SELECT a FROM c WHERE t = 5 AND id = '2' AND x > 3",
            ],
            "SELECT a FROM c WHERE t = 5 AND id IN ('1', '2', …) AND x > 3",
        ),
        (
            ["SELECT * FROM `c` WHERE `c`.`id` = 1 LIMIT 1", "SELECT * FROM `c` WHERE `c`.`id` = 2 LIMIT 1;"],
            "SELECT * FROM `c` WHERE `c`.`id` IN (1, 2, …)",
        ),
        (
            [
                "SELECT a FROM c WHERE (t = 1 AND id = 1) ORDER BY a",
                "SELECT a FROM c WHERE (t = 1 AND id = 2) ORDER BY a",
            ],
            "SELECT a FROM c WHERE (t = 1 AND id IN (1, 2, …)) ORDER BY a",
        ),
        (
            [
                "SELECT a FROM c JOIN d ON c.x = d.x WHERE c.id = 1",
                "SELECT a FROM c JOIN d ON c.x = d.x WHERE c.id = 2",
            ],
            "SELECT a FROM c JOIN d ON c.x = d.x WHERE c.id IN (1, 2, …)",
        ),
        (
            ["SELECT a FROM c WHERE x = 'id = 1' AND id = 1", "SELECT a FROM c WHERE x = 'id = 1' AND id = 2"],
            "SELECT a FROM c WHERE x = 'id = 1' AND id IN (1, 2, …)",
        ),
        (
            [
                "SELECT a FROM c WHERE b BETWEEN 1 AND 2 AND id = 1",
                "SELECT a FROM c WHERE b BETWEEN 1 AND 2 AND id = 2",
            ],
            "SELECT a FROM c WHERE b BETWEEN 1 AND 2 AND id IN (1, 2, …)",
        ),
        (
            ["SELECT a FROM c WHERE id = 1 /*app:x*/", "/*app:y*/ SELECT a FROM c WHERE id = 2"],
            "SELECT a FROM c WHERE id IN (1, 2, …)",
        ),
        ([f"SELECT a FROM c WHERE id = {n}" for n in range(9)], "SELECT a FROM c WHERE id IN (0, 1, 2, …)"),
    ],
)
def test_one_statement_instead_of_many(texts: list[str], expected: str) -> None:
    assert told(*texts) == expected


@pytest.mark.parametrize(
    "form",
    [
        "SELECT a FROM c WHERE id = 1 AND t = {}  OR x = 1",
        "SELECT a FROM c WHERE x = 1 OR y AND id = {}",
        "SELECT a FROM c WHERE x = 1 XOR y AND id = {}",
        "SELECT a FROM c WHERE id = {} AND b GROUP BY a",
        "SELECT a FROM c WHERE id = {} AND b FOR UPDATE",
        "SELECT a FROM c WHERE x || y AND id = {}",
        "SELECT a FROM c WHERE id = {} AND b UNION SELECT 1",
        "SELECT a FROM c WHERE NOT id = {}",
        "SELECT a FROM c WHERE NOT (id = {})",
        "SELECT a FROM c WHERE id <=> {}",
        "SELECT a FROM c WHERE id > {}",
        "SELECT a FROM c WHERE id = -{}",
        "SELECT a FROM c WHERE id = {} + 1",
        "SELECT a FROM c WHERE id = {} COLLATE x",
        "SELECT a FROM c WHERE a = id = {}",
        "SELECT a FROM c WHERE f(id = {})",
        "SELECT a FROM c WHERE (id = {}) IS NULL",
        "SELECT a FROM c WHERE (id = {} AND b) IS NULL",
        "SELECT a FROM c WHERE a BETWEEN 1 AND id = {}",
        "SELECT a FROM c WHERE a BETWEEN (1 AND 2) AND id = {}",
        "SELECT a FROM c WHERE lower(id) = {}",
        "SELECT a FROM c WHERE BINARY id = {}",
        "SELECT a FROM c WHERE id = N'a' '{}'",
        "SELECT a FROM c WHERE x ORDER BY a AND id = {}",
        "SELECT a FROM c JOIN d ON c.x = d.x AND d.id = {} WHERE c.y",
        "SELECT a FROM c WHERE id = {} || b",
        "SELECT a FROM c WHERE id = {} LIMIT 10",
        "SELECT a FROM c WHERE id = {} ORDER BY a LIMIT 1",
        "SELECT a FROM c WHERE id = {} GROUP BY a",
        "SELECT DISTINCT a FROM c WHERE id = {}",
        "SELECT COUNT(*) FROM c WHERE id = {}",
        "SELECT a FROM c WHERE id = {} FOR UPDATE",
        "SELECT a FROM c WHERE id = {} LOCK IN SHARE MODE",
        "SELECT a FROM c WHERE b IN (SELECT d FROM e WHERE id = {})",
        "SELECT a INTO @x FROM c WHERE id = {}",
        "SELECT a FROM c WHERE id = {}; SELECT 1",
        "SELECT a FROM c WHERE id = {} /*! AND b */",
        "SELECT a FROM c WHERE id = {} /*!80000 AND b */",
        "SELECT a, {} FROM c WHERE id = 1",
        "UPDATE c SET a = 1 WHERE id = {}",
        "WITH c AS (SELECT 1) SELECT a FROM c WHERE id = {}",
        "SELECT a FROM c LIMIT {}",
        "SELECT {}",
        "",
    ],
)
def test_where_it_is_not_sure_nothing_is_suggested(form: str) -> None:
    assert told(form.format(1), form.format(2)) is None


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["SELECT a FROM c WHERE id = 1"], id="nothing varied"),
        pytest.param(
            ["SELECT a FROM c WHERE i = 1 AND j = 1", "SELECT a FROM c WHERE i = 2 AND j = 2"], id="two varied"
        ),
        pytest.param(["SELECT a FROM c WHERE i = ? AND j = ?"], id="two placeholders"),
        pytest.param(["SELECT a FROM c WHERE i = ? AND j = 1", "SELECT a FROM c WHERE i = ? AND j = 2"], id="both"),
        pytest.param(["SELECT a FROM c WHERE i = 1", "SELECT a FROM d WHERE i = 2"], id="other tables"),
        pytest.param(["SELECT a FROM c WHERE i = 1", "SELECT a FROM c WHERE i = 'a'"], id="other types"),
        pytest.param(["SELECT a FROM c WHERE i = 1", f"SELECT a FROM c WHERE i = {'2' * 200}"], id="a long value"),
        pytest.param(["SELECT a FROM c WHERE i = 'a'", "SELECT a FROM c WHERE i = \\N"], id="NULL"),
        pytest.param([], id="nothing"),
    ],
)
def test_values_of_which_no_list_can_be_made(texts: list[str]) -> None:
    assert told(*texts) is None


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=10))
def test_values_stay_as_they_were_written(one: str, other: str, fixed: str) -> None:
    def quoted(text: str) -> bytes:
        return b"'" + text.encode("utf-8", "replace").replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"

    ask = b"SELECT a FROM c WHERE t = %b AND id = %b"
    found = in_list([ask % (quoted(fixed), quoted(one)), ask % (quoted(fixed), quoted(other))])

    if quoted(one) != quoted(other):
        values = quoted(one) + b", " + quoted(other)
        assert found == b"SELECT a FROM c WHERE t = %b AND id IN (%b, " % (quoted(fixed), values) + "…)".encode()
    else:
        assert found is None


@given(st.lists(st.binary(max_size=60) | st.text(alphabet="SELECT FROM WHERE a=1'?(),;", max_size=80).map(str.encode)))
def test_any_texts_give_an_answer(texts: list[bytes]) -> None:
    found = in_list(texts)

    assert found is None or tokens(found, 0, 0)


# Against a database: where a list is suggested, it finds the rows of each lookup, and no others.

names = st.sampled_from(["a", "b", "t.a", "`b`"])
numbers = st.integers(0, 3).map(str)
plain = st.builds("{} {} {}".format, names, st.sampled_from(["=", "=", "=", "<", "<>"]), numbers)
others = st.recursive(
    plain | st.builds("{} BETWEEN {} AND {}".format, names, numbers, numbers) | st.builds("{} IS NULL".format, names),
    lambda inner: (
        st.builds("{} {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner)
        | st.builds("({})".format, inner)
        | st.builds("NOT {}".format, inner)
        | st.builds("({}) = {}".format, inner, numbers)
        | st.builds("coalesce({}, 1)".format, inner)
    ),
    max_leaves=4,
)
conditions = st.lists(plain | plain | others, min_size=1, max_size=3).map(" AND ".join)
columns = st.sampled_from(["*", "*", "*", "a, b", "count(*)", "DISTINCT a", "a + 1", "max(a)"])
ends = st.sampled_from(["", "", "", " ORDER BY a", " LIMIT 1", " GROUP BY a", " ORDER BY b LIMIT 2", ";"])


@given(st.builds("SELECT {} FROM t WHERE {}{}".format, columns, conditions, ends), st.data())
def test_a_list_finds_the_rows_of_each_lookup_and_no_others(text: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([at for at, one in enumerate(text) if one.isdigit()] or [len(text)]))
    lookups = [text[:at] + value + text[at + 1 :] for value in ("1", "2")]
    found = told(*lookups)
    if found is None:
        return

    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE t (a, b)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(a, b) for a in (None, 0, 1, 2) for b in (None, 0, 1, 3)])
        each = [database.execute(lookup.replace(" LIMIT 1", "")).fetchall() for lookup in lookups]
        together = database.execute(found.replace(", …", "")).fetchall()

    assert sorted(map(repr, together)) == sorted(map(repr, [*each[0], *each[1]]))
