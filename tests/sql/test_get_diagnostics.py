"""What GET DIAGNOSTICS asks for is read from its text."""

from __future__ import annotations

import pytest

from dbmux.sql.diagnostics import UNTOLD, Asked, ConditionItem, Item, read_get_diagnostics


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        (
            "GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT",
            Asked(None, ((b"@a", Item.NUMBER), (b"@b", Item.ROW_COUNT))),
        ),
        ("get current /* now */ diagnostics @`a b`=number;", Asked(None, ((b"@`a b`", Item.NUMBER),))),
        (
            "GET DIAGNOSTICS CONDITION 2 @a = MESSAGE_TEXT",
            Asked(2, ((b"@a", ConditionItem.MESSAGE_TEXT),)),
        ),
        (
            "GET DIAGNOSTICS CONDITION @n @a = RETURNED_SQLSTATE",
            Asked(UNTOLD, ((b"@a", ConditionItem.RETURNED_SQLSTATE),)),
        ),
    ],
)
def test_each_variable_gets_an_item(sql: str, asked: Asked) -> None:
    assert read_get_diagnostics(sql.encode(), 0, 0) == asked


@pytest.mark.parametrize(
    "sql",
    [
        "RESIGNAL",
        "GET DIAGNOSTICS",
        "GET DIAGNOSTICS @a",
        "GET DIAGNOSTICS @a = ",
        "GET DIAGNOSTICS @a = NUMBER,",
        "GET DIAGNOSTICS @a = NUMBER @b = ROW_COUNT",
        "GET DIAGNOSTICS @a = NONSENSE",
        "GET DIAGNOSTICS @a = MESSAGE_TEXT",
        "GET DIAGNOSTICS CONDITION",
        "GET DIAGNOSTICS CONDITION 1",
        "GET DIAGNOSTICS CONDITION 1.5 @a = MESSAGE_TEXT",
        "GET DIAGNOSTICS CONDITION 1 @a = NUMBER",
        "GET DIAGNOSTICS a = NUMBER",
        "GET STACKED DIAGNOSTICS @a = NUMBER",
        "GET DIAGNOSTICS @a = NUMBER; SELECT 1",
        "",
    ],
)
def test_what_a_server_refuses_is_not_read(sql: str) -> None:
    assert read_get_diagnostics(sql.encode(), 0, 0) is None
