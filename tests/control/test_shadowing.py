"""The tap of shadow reads: which finished statements are offered, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.control.shadowing import LONGER, Tap
from dbmux.events import KEPT, OWN, QueryFinished, Who
from dbmux.mirror.catalogue import Catalogue
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.observe.ring import Ring
from dbmux.routes import ONLY
from dbmux.session import SessionState
from dbmux.sql.classify import classify
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.statements import Execute, ParameterType
from tests.mirror.test_shadow import Stage

WHO = Who("app", "127.0.0.1:1", "", "main", 0)
READ = b"SELECT a FROM t WHERE b = 1"


class Kept(Shadow):
    """Keeps what it is offered."""

    def __init__(self) -> None:
        stage = Stage([], [])
        super().__init__("upgrade", stage.source, stage.target, Catalogue(), stage.around, 1.0)
        self.reads: list[Read] = []

    def offer(self, read: Read) -> None:
        self.reads.append(read)


def finished(text: bytes = READ, **more: Any) -> QueryFinished:
    sent = more.pop("sent", b"\0\0\0\0\x03" + text)
    command = more.pop("command", Command.QUERY)
    told = {"who": WHO, "schema": b"shop", "query": classify(text, 0, 0)} | more
    return QueryFinished(1.0, 1, "db", command, 0.001, 10, 0, ONLY, sent=sent, **told)


def taken(*events: QueryFinished, ring: Ring[QueryFinished] | None = None) -> Kept:
    shadow, queries = Kept(), ring or Ring(1000, 1 << 20)
    tap = Tap(queries, frozenset(("main", "db")), shadow, lambda event: (SessionState(schema=event.schema), b""))
    for event in events:
        queries.append(event, 1)
    tap.take()
    return shadow


def test_a_plain_read_is_offered_with_the_state_of_its_session() -> None:
    (read,) = taken(finished()).reads

    assert (read.statement.text, read.user, read.state.schema) == (READ, "app", b"shop")
    assert (read.text, [name.table for name in read.footprint.reads]) == ("SELECT a FROM t WHERE b = ?", ["t"])


def test_an_execution_is_offered_with_its_arguments() -> None:
    text = b"SELECT a FROM t WHERE b = ?"
    execution = Execute(statement=7, types=(ParameterType(FieldType.LONG),), values=(5,))
    event = finished(text, command=Command.STMT_EXECUTE, statement=text, sent=b"\0\0\0\0\x17" + execution.build(0))

    (read,) = taken(event).reads

    assert read.statement.text == text
    assert read.statement.execution is not None
    assert read.statement.execution.values == (5,)


@pytest.mark.parametrize(
    ("event", "unfit"),
    [
        (finished(b"SELECT NOW() FROM t"), {"NOW": 1}),
        (finished(b"SELECT a FROM t FOR UPDATE"), {"locking read": 1}),
        (finished(b"SELECT 1"), {"it reads no table": 1}),
        (finished(b"SELECT @a FROM t"), {"user variable": 1}),
        (finished(b"SELECT a FROM t /*" + b"x" * KEPT + b"*/"), {LONGER: 1}),
        (finished(b"INSERT INTO t VALUES (1)"), {}),
        (finished(command=Command.STMT_PREPARE), {}),
        (finished(query=None), {}),
        (finished(who=WHO._replace(group="elsewhere")), {}),
        (finished()._replace(backend=OWN), {}),
    ],
)
def test_others_are_not_offered(event: QueryFinished, unfit: dict[str, int]) -> None:
    shadow = taken(event)

    assert shadow.reads == []
    assert shadow.tally.told()["unfit"] == unfit


def test_what_was_forgotten_meanwhile_is_counted() -> None:
    shadow = taken(*[finished()] * 10, ring=Ring(4, 1 << 20))

    assert shadow.tally.told()["missed"] == 6
    assert len(shadow.reads) == 4
