"""Why a statement went where it went."""

from __future__ import annotations

import re

import pytest

from dbmux.config.model import ImplicitTransactions
from dbmux.events import QueryFinished
from dbmux.feed.row import Row
from dbmux.feed.why import Step, why
from dbmux.query import Access, Kind, Query
from dbmux.routes import ROUTES, Reason, Role
from tests.feed.engine import notes, ran

PLACES = {
    ("groups", "main"): "app.json:3:1",
    ("rules", "r"): "app.json:5:1",
    ("rules", "r", "route"): "app.json:5:9",
    ("cache", "tables"): "app.json:7:1",
    ("cache", "tables", "shop.orders"): "app.json:8:1",
}
READ = Query(kind=Kind.SELECT, access=Access.READ, tables=("orders",))


def steps(event: QueryFinished) -> dict[str, Step]:
    row = Row(1, event, notes())
    return {step.about: step for step in why(row, lambda path: PLACES.get(path, ""))}


def asked(role: Role, reason: Reason, **more: object) -> QueryFinished:
    event = ran("SELECT * FROM orders", query=READ, schema=b"shop")
    return event._replace(route=ROUTES[role, reason], **more)  # type: ignore[arg-type]  # whatever the case needs


def test_a_read_went_to_a_replica() -> None:
    found = steps(asked(Role.REPLICA, Reason.READ))

    assert found["route"] == Step("route", "to db, the replica of main: read", "app.json:3:1")


def test_a_write_says_that_it_could_not_have_gone_elsewhere() -> None:
    assert steps(asked(Role.PRIMARY, Reason.WRITE))["route"].otherwise == "Writes always go to the primary."


def test_a_rule_is_shown_with_its_place() -> None:
    found = steps(asked(Role.REPLICA, Reason.RULE)._replace(route=ROUTES[Role.REPLICA, Reason.RULE]._replace(rule="r")))

    assert (found["rule"].told, found["rule"].place) == ("rule r matched", "app.json:5:1")
    assert found["route"].place == "app.json:5:9"


@pytest.mark.parametrize(
    "verdict, told, place",
    [
        ("hit", "answered from memory", "app.json:8:1"),
        ("miss", "not in memory; the result was to be stored", "app.json:8:1"),
        ("in a transaction", "passed by: in a transaction", "app.json:8:1"),
        ("", "not a question for the cache", ""),
    ],
)
def test_what_the_cache_had_to_do_with_it(verdict: str, told: str, place: str) -> None:
    found = steps(asked(Role.REPLICA, Reason.READ, cache=verdict))["cache"]

    assert (found.told, found.place) == (told, place)


def test_a_table_that_is_not_configured_is_named_as_it_would_be_written() -> None:
    found = steps(asked(Role.REPLICA, Reason.READ, cache="shop.orders is not among cache.tables"))["cache"]

    assert found.otherwise == 'With "cache": {"tables": {"shop.orders": "5s"}} it would be stored.'


def test_a_statement_that_failed_begins_with_its_error() -> None:
    error = b"\xff\x1e\x04#42S22Unknown column 'nmae' in 'SELECT'"
    row = Row(1, asked(Role.PRIMARY, Reason.ONLY, code=1054, error=error), notes())

    first, *others = why(row, lambda path: "")

    assert first == Step("error", "1054 Unknown column 'nmae' in 'SELECT'")
    assert "error" not in [step.about for step in others]


def test_what_it_advises_for_implicit_transactions_is_a_value_of_the_setting() -> None:
    otherwise = steps(asked(Role.PRIMARY, Reason.IMPLICIT_TRANSACTION))["route"].otherwise

    (advised,) = re.findall(r'"implicit_transactions": "(\w+)"', otherwise)
    assert ImplicitTransactions(advised) is ImplicitTransactions.UNTIL_WRITE


def test_where_the_time_went() -> None:
    event = asked(Role.REPLICA, Reason.READ, seconds=0.5, waited=0.1, fetched=0.05)

    told = steps(event)["time"].told

    assert told == "500ms in all, 100ms until it was sent, 350ms until the reply began, 50ms until it ended, slow"
