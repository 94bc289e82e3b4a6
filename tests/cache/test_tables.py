"""Epochs tell whether anything may have been written since they were captured."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


def test_only_writes_to_its_own_tables_outdate_a_reading(form: SimpleNamespace) -> None:
    tables = form.Tables()
    read = (tables.table("shop", "products"), tables.table("blog", "posts"))
    captured = form.capture(read)

    tables.table("shop", "prices").move()
    others = form.is_current(read, captured)
    tables.table("blog", "posts").move()

    assert (others, form.is_current(read, captured)) == (True, False)


def test_everything_can_be_outdated(form: SimpleNamespace) -> None:
    tables = form.Tables()
    read = (tables.table("shop", "products"),)
    captured = form.capture(read)

    tables.move_everything()

    assert not form.is_current(read, captured)


def test_several_writes_never_make_a_reading_current_again(form: SimpleNamespace) -> None:
    tables = form.Tables()
    read = (tables.table("shop", "products"), tables.table("shop", "prices"))
    captured = form.capture(read)

    seen = []
    for _ in range(3):
        read[0].move()
        tables.move_everything()
        seen.append(form.is_current(read, captured))

    assert seen == [False] * 3


@pytest.mark.parametrize(
    "one, other, same",
    [
        pytest.param("Products", "products", True, id="case"),
        pytest.param("CAFÉ", "cafe", True, id="accents"),
        pytest.param("İstanbul", "istanbul", True, id="a dotted capital"),
        pytest.param("таблица", "ТАБЛИЦА", True, id="case of other scripts"),
        pytest.param("products", "product", False, id="other names"),
        pytest.param("表", "中", False, id="other characters"),
    ],
)
def test_names_that_a_server_may_take_for_one_are_one_table(
    form: SimpleNamespace, one: str, other: str, same: bool
) -> None:
    tables = form.Tables()

    assert (tables.table("shop", one) is tables.table("SHOP", other)) == same


def test_the_same_name_in_two_schemas_is_two_tables(form: SimpleNamespace) -> None:
    tables = form.Tables()

    assert tables.table("shop", "users") is not tables.table("blog", "users")


def test_tables_beyond_the_limit_are_outdated_together(form: SimpleNamespace) -> None:
    tables = form.Tables(max_tables=2)
    known = (tables.table("shop", "a"), tables.table("shop", "b"))
    beyond = (tables.table("shop", "c"),)
    of_known, of_beyond = form.capture(known), form.capture(beyond)

    tables.table("blog", "d").move()

    assert (form.is_current(known, of_known), form.is_current(beyond, of_beyond)) == (True, False)
    assert [table.name for table in tables] == ["a", "b"]
