"""What stands behind names: views, triggers, foreign keys and routines are followed, and what is unknown says so."""

from __future__ import annotations

import pytest

from dbmux.cache.dictionary import Dictionary, Key
from dbmux.sql.classify import classify


def shop() -> Dictionary:
    """Three tables, views upon them, a trigger, a cascade and some routines."""
    known = Dictionary()
    for name in ("t", "u", "child", "grandchild", "audit", "Ärger", "a`b"):
        known.add_table("shop", name, "BASE TABLE", "InnoDB")
    known.add_table("bank", "u", "BASE TABLE", "Aria")
    known.add_trigger("shop", "t", b"INSERT INTO audit VALUES (NEW.a)")
    known.add_foreign_key(("shop", "child"), ("shop", "t"))
    known.add_foreign_key(("shop", "grandchild"), ("shop", "child"))
    known.add_trigger("shop", "grandchild", b"SET @a = f(1)")
    known.add_routine("shop", "f", b"BEGIN UPDATE bank.u SET a = 1; RETURN 1; END")
    return known


def views(known: Dictionary, **definitions: str) -> Dictionary:
    for name, definition in definitions.items():
        known.add_table("shop", name, "VIEW", "")
        known.add_view("shop", name, definition)
    return known


def read(known: Dictionary, sql: str, schema: str = "shop") -> tuple[set[str], str]:
    found = known.sources(classify(sql.encode(), 0, 0).footprint, schema)
    return {".".join(key) for key in found.tables}, found.why


def written(known: Dictionary, sql: str, schema: str = "shop") -> set[str] | None:
    found = known.written(classify(sql.encode(), 0, 0).footprint, schema)
    return None if found is None else {".".join(key) for key in found}


# Reading.


def test_a_name_without_a_schema_is_one_of_the_sessions() -> None:
    assert read(shop(), "SELECT * FROM u") == ({"shop.u"}, "")
    assert read(shop(), "SELECT * FROM u", "bank") == ({"bank.u"}, "")
    assert read(shop(), "SELECT * FROM Bank.U") == ({"bank.u"}, "")


def test_a_view_is_read_with_all_that_is_below_it() -> None:
    known = views(
        shop(),
        v="select `shop`.`t`.`a` AS `a` from `shop`.`t`",
        w="select `v`.`a` AS `a` from (`shop`.`v` join `bank`.`u`)",
    )

    assert read(known, "SELECT * FROM w") == ({"shop.w", "shop.v", "shop.t", "bank.u"}, "")


@pytest.mark.parametrize(
    "definition, why",
    [
        ("", "the service account may not see how the view shop.v is defined"),
        ("select now() AS `a` from `shop`.`t`", "the view shop.v: NOW"),
        ("select `shop`.`f`(1) AS `a` from `shop`.`t`", "the view shop.v: stored routine"),
        ("select `shop`.`x`.`a` AS `a` from `shop`.`x`", "shop.x is not in the server's dictionary"),
        ("select 1 AS `a`", "the view shop.v: it reads no table"),
    ],
)
def test_a_view_that_cannot_be_followed_is_not_stored(definition: str, why: str) -> None:
    assert read(views(shop(), v=definition), "SELECT * FROM v")[1] == why


def test_a_view_upon_itself_comes_to_an_end() -> None:
    known = views(shop(), v="select * from `shop`.`w`", w="select * from `shop`.`v`")

    assert read(known, "SELECT * FROM v") == ({"shop.v", "shop.w"}, "")


def test_too_many_views_upon_each_other_are_not_followed() -> None:
    known = views(shop(), v0="select * from `shop`.`t`")
    views(known, **{f"v{at}": f"select * from `shop`.`v{at - 1}`" for at in range(1, 40)})

    assert read(known, "SELECT * FROM v20")[1] == ""
    assert "too many" in read(known, "SELECT * FROM v39")[1]


@pytest.mark.parametrize(
    "kind, engine, why",
    [
        ("BASE TABLE", "FEDERATED", "shop.x is kept by FEDERATED"),
        ("BASE TABLE", "MRG_MyISAM", "shop.x is kept by MRG_MyISAM"),
        ("BASE TABLE", "", "shop.x is kept by an unknown engine"),
        ("SEQUENCE", "InnoDB", "shop.x is a sequence"),
        ("SYSTEM VIEW", "", "shop.x is a system view"),
        ("SYSTEM VERSIONED", "InnoDB", ""),
        ("BASE TABLE", "InnoDB", ""),
    ],
)
def test_only_tables_that_the_server_keeps_itself_are_stored(kind: str, engine: str, why: str) -> None:
    known = shop()
    known.add_table("shop", "x", kind, engine)

    assert read(known, "SELECT * FROM x")[1] == why


def test_what_differs_only_in_case_is_not_stored() -> None:
    known = shop()
    known.add_table("shop", "T", "BASE TABLE", "InnoDB")

    assert read(known, "SELECT * FROM t")[1] == "two tables differ only in the case of their names"


@pytest.mark.parametrize("expression, is_stored", [(b"`a` + 1", True), (b"curdate()", False), (b"@@sql_mode", False)])
def test_a_column_that_tells_the_time_is_not_stored(expression: bytes, is_stored: bool) -> None:
    known = shop()

    known.add_generated_column("shop", "t", expression)

    assert (read(known, "SELECT * FROM t")[1] == "") is is_stored


def test_a_table_that_is_missing_is_told_from_one_that_is_not_stored() -> None:
    known = shop()
    known.add_table("shop", "x", "SEQUENCE", "InnoDB")

    missing, sequence = (
        known.sources(classify(sql, 0, 0).footprint, "shop") for sql in (b"SELECT * FROM y", b"SELECT * FROM x")
    )

    assert (missing.is_missing, sequence.is_missing) == (True, False)


# Writing.


def test_a_write_reaches_triggers_cascades_and_what_they_call() -> None:
    everything = {"shop.t", "shop.audit", "shop.child", "shop.grandchild", "bank.u", "shop.u"}

    # Which of the tables called `u` the function writes is not looked at.
    assert written(shop(), "DELETE FROM t") == everything


def test_a_write_to_another_table_reaches_only_that() -> None:
    assert written(shop(), "UPDATE u SET a = 1") == {"shop.u"}
    assert written(shop(), "INSERT INTO bank.u VALUES (1)") == {"bank.u"}


def test_a_write_through_a_view_is_one_to_all_that_is_below_it() -> None:
    known = views(shop(), v="select * from `shop`.`audit`", w="select * from `shop`.`v`")

    assert written(known, "UPDATE w SET a = 1") == {"shop.w", "shop.v", "shop.audit"}


@pytest.mark.parametrize("definition", ["", "select now() AS `a` from `shop`.`t`"])
def test_a_write_through_a_view_that_cannot_be_followed_may_be_any(definition: str) -> None:
    assert written(views(shop(), v=definition), "UPDATE v SET a = 1") is None


@pytest.mark.parametrize(
    "body, tables",
    [
        (b"BEGIN UPDATE audit SET a = 1; END", {"shop.audit"}),
        (b"BEGIN UPDATE `audit` SET a = 1; END", {"shop.audit"}),
        (b'BEGIN UPDATE "audit" SET a = 1; END', {"shop.audit"}),
        (b"BEGIN UPDATE AUDIT SET a = 1; END", {"shop.audit"}),
        (b"BEGIN /* UPDATE u */ SELECT 1; END", set()),
        (b"BEGIN CALL q(); END", {"shop.grandchild", "shop.u", "bank.u"}),
        (b"BEGIN UPDATE `a``b` SET a = 1; END", {"shop.a`b"}),
        ("BEGIN UPDATE Ärger SET a = 1; END".encode(), {"shop.ärger"}),
        (b"BEGIN SET @a = 'c:\\'; UPDATE audit SET a = 'x'; END", {"shop.audit"}),
        (b"BEGIN SET @s = 'x'; PREPARE s FROM @s; END", None),
        (b"BEGIN EXECUTE IMMEDIATE 'x'; END", None),
        (b"BEGIN /*!50000 UPDATE u SET a = 1 */; END", {"shop.u", "bank.u"}),
        (None, None),
    ],
)
def test_a_procedure_writes_every_table_that_its_body_names(body: bytes | None, tables: set[str] | None) -> None:
    known = shop()
    known.add_routine("shop", "q", b"BEGIN UPDATE grandchild SET a = 1; CALL p(); END")
    known.add_routine("shop", "p", body)

    assert written(known, "CALL p()") == tables


def test_a_procedure_that_is_not_known_may_write_anything() -> None:
    assert written(shop(), "CALL unknown()") is None
    assert written(shop(), "SELECT unknown(1)") is None
    assert written(shop(), "SELECT f(1)") == {"shop.u", "bank.u"}


def test_of_routines_with_the_same_name_all_count() -> None:
    known = shop()
    known.add_routine("shop", "f", b"BEGIN DELETE FROM audit; END")

    assert written(known, "CALL f()") == {"shop.u", "bank.u", "shop.audit"}


@pytest.mark.parametrize(
    "sql",
    [
        "EXECUTE s",
        "XA COMMIT 'x'",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_what_names_not_all_that_it_writes_may_write_anything(sql: str) -> None:
    assert written(shop(), sql) is None


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE u EXCHANGE PARTITION p WITH TABLE audit",
        "ALTER TABLE u CONVERT PARTITION p TO TABLE shop.audit",
        "ALTER TABLE u CONVERT TABLE audit TO PARTITION p VALUES LESS THAN (5)",
    ],
)
def test_a_partition_that_becomes_a_table_is_a_write_to_both(sql: str) -> None:
    assert written(shop(), sql) == {"shop.u", "shop.audit"}


def test_nothing_is_written_by_a_statement_that_only_reads() -> None:
    assert written(shop(), "SELECT * FROM t") == set()


def test_keys_are_in_lower_case() -> None:
    known = Dictionary()
    known.add_table("Shop", "T", "BASE TABLE", "InnoDB")
    key: Key = ("shop", "t")

    assert known.sources(classify(b"SELECT * FROM SHOP.T", 0, 0).footprint, "").tables == {key}
