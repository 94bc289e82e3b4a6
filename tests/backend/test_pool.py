"""The pool's decisions: each by itself, and all of them together in any order."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dbmux.backend.connection import Connection, Debt, StatementKey
from dbmux.backend.occupation import Occupation
from dbmux.backend.pool import FULL_S, PATIENCE, Account, Cap, Choice, Shelf
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.query import PinReason
from dbmux.session import SessionState
from tests.backend.pools import STATE, Client, Stage

REFUSED = BackendRefused(1045, b"28000", b"no")
FULL = BackendRefused(1040, b"08004", b"Too many connections")
CROWDED = (
    BackendRefused(1226, b"42000", b"User 'ann' has exceeded the 'max_user_connections' resource (current value: 1)"),
    BackendRefused(1203, b"42000", b"User ann already has more than 'max_user_connections' active connections"),
)
ANN = {b"ann": Cap(1, "users.ann.max_connections")}


def test_whoever_finds_an_empty_shelf_gets_the_connection_that_is_dialled_for_him() -> None:
    stage = Stage(limit=1)
    client = Client(stage.shelf("ann"))

    stage.pool.wait(client)
    connection = stage.dialled()

    assert client.connection is connection
    assert stage.pool.taken == 1


def test_the_first_to_come_is_the_first_to_be_served() -> None:
    stage = Stage(limit=1)
    shelf = stage.shelf("ann")
    connection = stage.held(shelf)
    first, second = Client(shelf), Client(shelf)
    stage.pool.wait(first)
    stage.pool.wait(second)

    stage.give(connection)

    assert (first.connection, second.connection) == (connection, None)


def test_of_idle_connections_the_last_used_is_taken() -> None:
    stage = Stage()
    shelf = stage.shelf("ann")
    older, newer = stage.held(shelf), stage.held(shelf)
    stage.give(older)
    stage.give(newer)

    assert shelf.take(STATE, None) is newer


def test_of_idle_connections_one_that_needs_no_preparation_is_taken_first() -> None:
    stage = Stage()
    shelf = stage.shelf("ann")
    alike, other = stage.held(shelf), stage.held(shelf)
    other.state = SessionState(schema=b"shop", variables=(("sql_mode", b"''"),))
    stage.give(alike)
    stage.give(other)

    assert shelf.take(SessionState(schema=b"shop"), None) is alike


def test_a_test_can_ask_for_another_connection_each_time() -> None:
    stage = Stage(choice=Choice.ANOTHER)
    shelf = stage.shelf("ann")
    session = Client(shelf)
    mine, other = stage.held(shelf), stage.held(shelf)
    mine.creditor = session
    stage.give(other)
    stage.give(mine)

    assert shelf.take(STATE, session) is other
    assert shelf.take(STATE, session) is None


def test_a_full_pool_closes_the_connection_that_is_idle_for_longest_for_one_that_is_wanted() -> None:
    stage = Stage(limit=2)
    older, newer = stage.held(stage.shelf("ann")), stage.held(stage.shelf("bob"))
    stage.give(older)
    stage.now = 1.0
    stage.give(newer)

    stage.pool.wait(Client(stage.shelf("eve")))

    assert (older.is_closed, newer.is_closed) == (True, False)
    assert stage.dials == [stage.shelf("eve")]


def test_a_limit_that_was_lowered_is_reached_before_anybody_is_served() -> None:
    stage = Stage(limit=3)
    connections = [stage.held(stage.shelf("ann")) for _ in range(3)]
    stage.pool.limit = 1
    client = Client(stage.shelf("ann"))
    stage.pool.wait(client)

    for connection in connections:
        stage.give(connection)

    assert stage.pool.taken == 1
    assert client.connection is connections[2]


def test_a_limit_that_was_raised_serves_who_waits_at_once() -> None:
    stage = Stage(limit=1)
    stage.held(stage.shelf("ann"))
    stage.pool.wait(Client(stage.shelf("ann")))

    stage.pool.permit(2)

    assert stage.dials == [stage.shelf("ann")]


class TestRation:
    def test_the_statements_of_all_connections_count_and_the_oldest_of_the_one_that_has_a_new_one_goes(self) -> None:
        stage = Stage()
        stage.pool.ration.most = 3
        one, other = stage.held(stage.shelf("ann")), stage.held(stage.shelf("bob"))
        prepare(other, b"d", b"e")

        prepare(one, b"a", b"b")

        assert texts(one) == [b"b"]
        assert texts(other) == [b"d", b"e"]
        assert stage.pool.ration.kept == 3

    def test_rather_those_go_that_are_on_the_connection_which_is_idle_for_longest(self) -> None:
        stage = Stage()
        stage.pool.ration.most = 6
        busy, indebted, older, newer = (stage.held(stage.shelf(user)) for user in ("ann", "bob", "bob", "eve"))
        indebted.debt = Debt.WARNINGS
        for now, connection in enumerate((indebted, older, newer)):
            prepare(connection, b"a", b"b")
            stage.now = now
            stage.give(connection)

        prepare(busy, b"c", b"d")

        assert [texts(one) for one in (busy, indebted, older, newer)] == [
            [b"c", b"d"],
            [b"a", b"b"],
            [],
            [b"a", b"b"],
        ]

    def test_a_connection_keeps_its_newest_statement_and_those_that_are_in_use(self) -> None:
        stage = Stage()
        stage.pool.ration.most = 0
        connection = stage.held(stage.shelf("ann"))
        prepare(connection, b"a")

        connection.remember_statement(key(b"b"), 2, in_use={key(b"a")})

        assert texts(connection) == [b"a", b"b"]

    @pytest.mark.parametrize(
        "loses", [Connection.quit, Connection.forget_session, lambda one: one.close_statement(key(b"a"))]
    )
    def test_what_a_connection_has_lost_does_not_count(self, loses: Callable[[Connection], None]) -> None:
        stage = Stage()
        connection, other = stage.held(stage.shelf("ann")), stage.held(stage.shelf("ann"))
        prepare(connection, b"a")
        prepare(other, b"b")

        loses(connection)
        connection.close_statement(key(b"a"))

        assert stage.pool.ration.kept == 1

    def test_a_connection_closes_the_older_half_of_what_is_not_in_use_for_the_server_to_have_room(self) -> None:
        stage = Stage()
        connection = stage.held(stage.shelf("ann"))
        prepare(connection, b"a", b"b", b"c", b"d")

        assert connection.yield_statements(in_use={key(b"a")})

        assert texts(connection) == [b"a", b"d"]
        assert not connection.yield_statements(in_use={key(b"a"), key(b"d")})


def key(text: bytes) -> StatementKey:
    return StatementKey(text, b"shop", None, ())


def prepare(connection: Connection, *names: bytes) -> None:
    for number, name in enumerate(names, 1):
        connection.remember_statement(key(name), number, in_use=())


def texts(connection: Connection) -> list[bytes]:
    return [one.text for one in connection.statements]


class TestCap:
    def test_an_account_at_its_cap_waits_and_nobody_else_does(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap(ANN)
        stage.held(stage.shelf("ann"))

        stage.pool.wait(Client(stage.shelf("ann")))
        stage.pool.wait(Client(stage.shelf("bob")))

        assert stage.dials == [stage.shelf("bob")]

    def test_it_counts_the_connections_of_every_kind_and_an_idle_one_makes_room_for_another_kind(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap(ANN)
        connection = stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann", has_schema=False)))
        dialled_before = list(stage.dials)

        stage.give(connection)

        assert dialled_before == []
        assert connection.is_closed
        assert stage.dials == [stage.shelf("ann", has_schema=False)]

    def test_it_counts_a_place_for_the_account_too(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap(ANN)
        stage.held(stage.shelf("ann"))
        login = Client(None, account=b"ann")

        stage.pool.wait(login)

        assert login.places == 0

    def test_an_account_at_its_cap_does_not_keep_a_full_pool_from_those_behind(self) -> None:
        stage = Stage(limit=2)
        stage.pool.cap(ANN)
        stage.held(stage.shelf("ann"))
        connection = stage.held(stage.shelf("bob"))
        stage.pool.wait(Client(stage.shelf("ann", has_schema=False)))
        stage.pool.wait(Client(stage.shelf("eve")))

        stage.give(connection)

        assert stage.dials == [stage.shelf("eve")]

    def test_one_that_was_lowered_is_reached_as_connections_come_back(self) -> None:
        stage = Stage(limit=3)
        first, second = stage.held(stage.shelf("ann")), stage.held(stage.shelf("ann"))
        stage.pool.cap(ANN)
        client = Client(stage.shelf("ann"))
        stage.pool.wait(client)

        stage.give(first)
        stage.give(second)

        assert (first.is_closed, client.connection) == (True, second)

    def test_one_that_was_raised_serves_who_waits_at_once(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap(ANN)
        stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann")))

        stage.pool.cap({})

        assert stage.dials == [stage.shelf("ann")]

    def test_who_waited_in_vain_is_told_whose_cap_it_is(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap({b"ann": Cap(2, "users.ann.max_connections")})
        for name in ("ann", "ann", "bob"):
            stage.held(stage.shelf(name))
        client = Client(stage.shelf("ann"), deadline=4.0)
        stage.pool.wait(client)

        stage.pool.expire(5.0)

        assert [str(error) for error in client.errors] == [
            "all 2 of ann's connections to db1 are busy: 2 running queries (oldest 5s); waited 5 s; "
            "`dbmux clients --holding` shows what holds them; raise users.ann.max_connections or timeouts.pool_wait"
        ]

    def test_nobody_is_passed_by_for_ever_where_others_wait_for_other_reasons(self) -> None:
        stage = Stage(limit=3)
        stage.pool.cap({b"ann": Cap(2, "users.ann.max_connections")})
        stage.held(stage.shelf("ann", has_schema=False))
        connection, bobs = stage.held(stage.shelf("ann")), stage.held(stage.shelf("bob"))
        stage.pool.wait(Client(stage.shelf("ann", has_schema=False)))
        stage.pool.wait(Client(stage.shelf("bob", has_schema=False)))
        passed_by = 0

        while not connection.is_closed:
            stage.pool.wait(Client(stage.shelf("ann")))
            stage.give(connection)
            if not bobs.is_closed:
                stage.pool.wait(Client(stage.shelf("bob")))
                stage.give(bobs)
            passed_by += 1

        assert passed_by == PATIENCE + 1


def test_who_has_no_connection_of_his_own_kind_gets_the_next_place() -> None:
    stage = Stage(limit=1)
    connection = stage.held(stage.shelf("ann"))
    stage.pool.wait(Client(stage.shelf("bob")))
    stage.pool.wait(Client(stage.shelf("ann")))

    stage.give(connection)

    assert connection.is_closed
    assert stage.dials == [stage.shelf("bob")]


def test_who_waits_for_a_pinned_connection_of_his_own_kind_is_not_passed_by_for_ever() -> None:
    stage = Stage(limit=2)
    stage.held(stage.shelf("bob"))
    connection = stage.held(stage.shelf("ann"))
    waiting = Client(stage.shelf("bob"))
    stage.pool.wait(waiting)

    passed_by = 0
    while not connection.is_closed:
        stage.pool.wait(Client(stage.shelf("ann")))
        stage.give(connection)
        passed_by += 1
    stage.dialled()

    assert passed_by == PATIENCE + 1
    assert waiting.connection is not None


def test_a_mere_place_is_given_as_soon_as_there_is_room() -> None:
    stage = Stage(limit=1)
    connection = stage.held(stage.shelf("ann"))
    relayed = Client(None)
    stage.pool.wait(relayed)

    stage.give(connection)

    assert relayed.places == 1
    assert stage.pool.taken == 1


def test_a_dial_that_fails_is_told_to_one_and_tried_again_for_the_next() -> None:
    stage = Stage(limit=1)
    shelf = stage.shelf("ann")
    first, second = Client(shelf), Client(shelf)
    stage.pool.wait(first)
    stage.pool.wait(second)

    stage.pool.failed(stage.dials.pop(), REFUSED)

    assert (first.errors, second.errors) == ([REFUSED], [])
    assert stage.dials == [shelf]


@pytest.mark.parametrize("crowded", CROWDED, ids=["one account", "all accounts"])
class TestAccountWithoutAPlace:
    """An account that may have fewer connections at the server than DbMux may take."""

    def test_who_waits_gets_the_next_one_of_the_account_that_comes_back(self, crowded: BackendRefused) -> None:
        stage = Stage(limit=9)
        connection = stage.held(stage.shelf("ann"))
        waiting = Client(stage.shelf("ann"))
        stage.pool.wait(waiting)

        stage.pool.failed(stage.dials.pop(), crowded)
        assert (waiting.errors, stage.dials) == ([], [])
        stage.give(connection)

        assert waiting.connection is connection

    def test_others_are_served(self, crowded: BackendRefused) -> None:
        stage = Stage(limit=9)
        stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann")))
        stage.pool.failed(stage.dials.pop(), crowded)

        stage.pool.wait(Client(stage.shelf("bob")))

        assert stage.dials == [stage.shelf("bob")]

    def test_one_of_another_kind_that_lies_idle_makes_room(self, crowded: BackendRefused) -> None:
        stage = Stage(limit=9)
        idle = stage.held(stage.shelf("ann", has_schema=False))
        stage.give(idle)
        stage.pool.wait(Client(stage.shelf("ann")))

        stage.pool.failed(stage.dials.pop(), crowded)

        assert idle.is_closed
        assert stage.dials == [stage.shelf("ann")]

    def test_one_more_is_asked_for_after_a_second_also_where_what_was_closed_still_counted(
        self, crowded: BackendRefused
    ) -> None:
        stage = Stage(limit=9)
        stage.give(stage.held(stage.shelf("ann", has_schema=False)))
        waiting = Client(stage.shelf("ann"))
        stage.pool.wait(waiting)
        for _ in range(2):
            stage.pool.failed(stage.dials.pop(), crowded)
        assert (waiting.errors, stage.dials) == ([], [])

        stage.now = FULL_S
        stage.pool.tend(stage.now, idle_s=60.0, lifetime_s=1e6)
        stage.dialled()

        assert waiting.connection is not None

    def test_where_dbmux_has_none_of_it_who_waits_is_told(self, crowded: BackendRefused) -> None:
        stage = Stage(limit=9)
        waiting = Client(stage.shelf("ann"))
        stage.pool.wait(waiting)

        stage.pool.failed(stage.dials.pop(), crowded)

        assert waiting.errors == [crowded]

    def test_who_waits_in_vain_is_told_that_it_is_the_account(self, crowded: BackendRefused) -> None:
        stage = Stage(limit=9)
        stage.held(stage.shelf("ann"))
        waiting = Client(stage.shelf("ann"), deadline=1.0)
        stage.pool.wait(waiting)
        stage.pool.failed(stage.dials.pop(), crowded)

        stage.pool.expire(2.0)

        assert "raise max_user_connections of the account at the server, or" in str(waiting.errors[0])


class TestServerWithoutAPlace:
    """A server that has fewer places than DbMux may take."""

    def test_it_is_not_asked_for_more_until_a_second_has_passed_and_then_for_one(self) -> None:
        stage = Stage(limit=9)
        stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann")))

        stage.pool.failed(stage.dials.pop(), FULL)
        stage.pool.wait(Client(stage.shelf("ann")))
        stage.pool.wait(Client(stage.shelf("ann")))

        assert (stage.dials, stage.pool.limit, stage.pool.is_refused_more) == ([], 1, True)
        stage.now = FULL_S
        stage.pool.tend(stage.now, idle_s=60.0, lifetime_s=1e6)
        assert (len(stage.dials), stage.pool.limit) == (1, 2)

    def test_each_connection_that_succeeds_allows_one_more_up_to_what_was_wanted(self) -> None:
        stage = Stage(limit=3)
        stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann")))
        stage.pool.failed(stage.dials.pop(), FULL)
        clients = [Client(stage.shelf("ann")) for _ in range(3)]
        for client in clients:
            stage.pool.wait(client)
        stage.pool.tend(FULL_S, idle_s=60.0, lifetime_s=1e6)

        while stage.dials:
            stage.dialled()

        assert [client.answers for client in clients] == [1, 1, 0]
        assert (stage.pool.limit, stage.pool.is_refused_more) == (3, False)

    def test_who_waits_in_vain_is_told_that_it_is_the_server(self) -> None:
        stage = Stage(limit=9)
        stage.held(stage.shelf("ann"))
        stage.pool.wait(Client(stage.shelf("ann")))
        stage.pool.failed(stage.dials.pop(), FULL)
        client = Client(stage.shelf("ann"), deadline=1.0)
        stage.pool.wait(client, since=-1.0)

        stage.pool.expire(2.0)

        assert "waited 3 s" in str(client.errors[0])
        assert "raise max_connections of the server, which has no place for more, or" in str(client.errors[0])

    def test_while_dbmux_has_none_it_is_asked_each_time(self) -> None:
        stage = Stage(limit=9)
        client = Client(stage.shelf("ann"))
        stage.pool.wait(client)

        stage.pool.failed(stage.dials.pop(), FULL)

        assert client.errors == [FULL]
        assert (stage.pool.limit, stage.pool.is_refused_more) == (9, False)


def test_who_is_denied_may_wait_anew_at_once() -> None:
    stage = Stage(limit=1)

    class Stubborn(Client):
        def denied(self, error: MySQLError | BackendRefused) -> None:
            super().denied(error)
            if len(self.errors) == 1:
                stage.pool.wait(self)

    client = Stubborn(stage.shelf("ann"))
    stage.pool.wait(client)

    stage.pool.failed(stage.dials.pop(), REFUSED)
    connection = stage.dialled()

    assert client.connection is connection
    assert stage.pool.taken == 1


def test_a_place_may_be_released_while_it_is_granted() -> None:
    stage = Stage(limit=1)

    class Fickle(Client):
        def granted(self, connection: Connection | None) -> None:
            super().granted(connection)
            stage.pool.release(b"")

    clients = [Fickle(None) for _ in range(3)]
    connection = stage.held(stage.shelf("ann"))
    for client in clients:
        stage.pool.wait(client)

    stage.give(connection)

    assert [client.places for client in clients] == [1, 1, 1]
    assert stage.pool.taken == 0


def test_a_connection_that_died_is_not_laid_down() -> None:
    stage = Stage(limit=1)
    shelf = stage.shelf("ann")
    connection = stage.held(shelf)
    connection.closed(None)

    shelf.give(connection, 0.0)

    assert (shelf.idle, stage.pool.taken) == ([], 0)


def test_a_connection_that_died_while_it_was_dialled_gives_its_place_to_another() -> None:
    stage = Stage(limit=1)
    shelf = stage.shelf("ann")
    client = Client(shelf)
    stage.pool.wait(client)
    dead = stage.new_connection()
    dead.closed(None)

    stage.pool.connected(stage.dials.pop(), dead, 0.0)

    assert client.answers == 0
    assert stage.dials == [shelf]
    assert stage.pool.taken == 1


def test_a_connection_that_got_a_schema_lies_among_those_that_have_one() -> None:
    stage = Stage()
    without = stage.shelf("ann", has_schema=False)
    connection = stage.held(without)
    connection.state = STATE

    without.give(connection, 0.0)

    assert (without.idle, stage.shelf("ann").idle) == ([], [connection])
    assert connection.home is stage.shelf("ann")


@pytest.mark.parametrize("own, others, holds", [(1.0, 2.0, b"its"), (2.0, 1.0, b"own"), (1.0, None, b"own")])
def test_of_two_passwords_of_an_account_the_newer_one_holds(own: float, others: float | None, holds: bytes) -> None:
    stage = Stage()
    without, with_schema = stage.shelf("ann", has_schema=False), stage.shelf("ann")
    without.account = Account(b"own", 45, own)
    with_schema.account = Account(b"its", 45, others) if others is not None else None

    sibling = without.sibling(with_schema.key)

    assert sibling is with_schema
    assert sibling.account is not None
    assert sibling.account.password == holds


def test_who_waits_in_a_pool_that_closes_is_told_to_connect_again() -> None:
    stage = Stage(limit=1)
    connection = stage.held(stage.shelf("ann"))
    before, after = Client(stage.shelf("ann")), Client(None)
    stage.pool.wait(before)

    stage.pool.close()
    stage.pool.wait(after)
    stage.give(connection)

    for client in (before, after):
        (error,) = client.errors
        assert isinstance(error, MySQLError)
        assert error.code is ErrorCode.SHUTDOWN
    assert stage.pool.taken == 0


def test_a_shelf_that_nobody_uses_is_forgotten() -> None:
    stage = Stage()
    stage.shelf("mallory")
    connection = stage.held(stage.shelf("ann"))

    gc.collect()

    assert [key.user for key in stage.pool.shelves] == [b"ann"]
    assert connection in stage.pool.connections()


@pytest.mark.parametrize(
    ("lies_for", "is_closed"), [(60.0, False), (61.0, True)], ids=["as long as it may", "for too long"]
)
def test_a_connection_lies_idle_for_its_time(lies_for: float, is_closed: bool) -> None:
    stage = Stage()
    connection = stage.held(stage.shelf("ann"))
    stage.give(connection)

    stage.pool.tend(lies_for, idle_s=60.0, lifetime_s=1e6)

    assert connection.is_closed is is_closed


def test_connections_of_the_same_age_do_not_all_end_at_once() -> None:
    stage = Stage()
    connections = [stage.held(stage.shelf("ann")) for _ in range(21)]
    for connection in connections:
        stage.give(connection)

    ended = []
    for now in (899.0, 1000.5, 1101.0):
        stage.pool.tend(now, idle_s=1e6, lifetime_s=1000.0)
        ended.append(sum(connection.is_closed for connection in connections))

    assert ended == [0, 11, 21]


def test_a_connection_that_is_too_old_but_in_use_ends_when_it_comes_back() -> None:
    stage = Stage()
    connection = stage.held(stage.shelf("ann"))

    stage.pool.tend(2000.0, idle_s=60.0, lifetime_s=1000.0)
    was_closed = connection.is_closed
    stage.give(connection)

    assert (was_closed, connection.is_closed) == (False, True)
    assert (stage.pool.taken, stage.pool.worn) == (0, set())


def test_some_connections_are_kept_idle_once_a_user_was_there() -> None:
    stage = Stage(limit=10, min_idle=2)
    stage.shelf("nobody")
    first = stage.held(stage.shelf("ann"))
    stage.give(first)

    stage.pool.tend(1.0, idle_s=60.0, lifetime_s=1e6)
    stage.dialled()
    stage.pool.tend(1000.0, idle_s=60.0, lifetime_s=1e6)

    assert stage.dials == []
    assert len(stage.shelf("ann").idle) == stage.pool.taken == 2


@pytest.mark.parametrize("limit", [1, 2], ids=["the pool is full", "a dial failed"])
def test_no_idle_connection_is_dialled_when(limit: int) -> None:
    stage = Stage(limit=limit, min_idle=1)
    stage.held(stage.shelf("ann"))
    stage.pool.tend(1.0, idle_s=60.0, lifetime_s=1e6)
    for shelf in stage.dials[:]:
        stage.pool.failed(shelf, REFUSED)
    stage.dials.clear()

    stage.pool.tend(2.0, idle_s=60.0, lifetime_s=1e6)

    assert stage.dials == []
    assert stage.pool.taken == 1


def test_who_waited_in_vain_is_told_where_the_connections_are() -> None:
    stage = Stage(limit=50)
    shelf = stage.shelf("ann")
    occupations = [
        *[Occupation(PinReason.TRANSACTION, 248.0 + number) for number in range(30)],
        Occupation(PinReason.TRANSACTION, 0.0),
        *[Occupation(PinReason.NAMED_LOCK, 1.0)] * 12,
        *[Occupation(PinReason.TEMPORARY_TABLE, 1.0)] * 7,
    ]
    for occupation in occupations:
        connection = stage.held(shelf)
        assert isinstance(connection.holder, Client)
        connection.holder.occupation = occupation
    stage.now = 247.0
    impatient, patient = Client(shelf, deadline=251.0), Client(shelf, deadline=300.0)
    stage.pool.wait(patient)
    stage.pool.wait(impatient)

    stage.pool.expire(252.0)

    assert [str(error) for error in impatient.errors] == [
        "all 50 connections to db1 are busy: 31 in transactions (oldest 4m12s), 19 pinned (12 GET_LOCK, "
        "7 temporary table); waited 5 s, 1 more wait; `dbmux clients --holding` shows what holds them; "
        "raise backends.db1.max_connections or timeouts.pool_wait"
    ]
    assert patient.answers == 0


def test_the_figures_say_where_the_connections_are_and_how_long_it_took_to_get_one() -> None:
    stage = Stage(limit=3)
    shelf = stage.shelf("ann")
    stage.give(stage.held(shelf))
    stage.held(stage.shelf("bob"))
    stage.pool.wait(Client(stage.shelf("eve")))
    stage.now = 0.02
    stage.dialled()
    stage.pool.wait(Client(stage.shelf("dan")))

    figures = stage.pool.figures()

    assert (figures.idle, figures.busy, figures.connecting, figures.waiters) == (0, 2, 1, 1)
    assert figures.waits == (2, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    assert figures.waited_s == pytest.approx(0.02)


class PoolMachine(RuleBasedStateMachine):
    """Anything may happen in any order; what a pool promises holds after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(limit=3, min_idle=1)
        self.pool = self.stage.pool
        self.pool.cap({b"ann": Cap(2, "users.ann.max_connections")})
        self.shelves = [self.stage.shelf(name, has_schema=has) for name in ("ann", "bob") for has in (True, False)]
        self.clients: list[Client] = []
        self.unshared: list[Connection] = []

    @property
    def held(self) -> list[Connection]:
        return [client.connection for client in self.clients if client.connection is not None]

    @property
    def places(self) -> int:
        return sum(client.places for client in self.clients)

    def _release(self, connection: Connection) -> None:
        for client in self.clients:
            if client.connection is connection:
                client.connection = None

    def _places_of(self, account: bytes) -> int:
        return sum(client.places for client in self.clients if client.account == account)

    def _taken_by(self, account: bytes) -> int:
        shelves = [shelf for shelf in self.pool.shelves.values() if shelf.key.user == account]
        return sum(len(shelf.members) + shelf.connecting for shelf in shelves) + self._places_of(account)

    def _wait(self, shelf: Shelf | None, deadline: float, account: bytes = b"") -> None:
        client = Client(shelf, deadline, account)
        self.clients.append(client)
        self.pool.wait(client)

    @rule(number=st.integers(0, 3), patience=st.integers(1, 20))
    def take(self, number: int, patience: int) -> None:
        shelf = self.shelves[number]
        connection = shelf.take(STATE, None)
        if connection is None:
            self._wait(shelf, self.stage.now + patience)
            return
        client = Client(shelf)
        client.granted(connection)
        self.clients.append(client)

    @rule(patience=st.integers(1, 20), account=st.sampled_from([b"", b"ann", b"bob"]))
    def want_a_place(self, patience: int, account: bytes) -> None:
        self._wait(None, self.stage.now + patience, account)

    @precondition(lambda self: bool(self.held))
    @rule(data=st.data())
    def give(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.held))
        connection.state = data.draw(st.sampled_from([connection.state, STATE]))
        self._release(connection)
        self.stage.give(connection)

    @precondition(lambda self: bool(self.stage.dials))
    @rule(dies=st.booleans(), has_schema=st.booleans())
    def a_dial_succeeds(self, dies: bool, has_schema: bool) -> None:
        shelf = self.stage.dials.pop(0)
        schema = b"shop" if shelf.key.has_schema and has_schema else b""
        connection = self.stage.new_connection(SessionState(schema=schema))
        if dies:
            connection.closed(None)
        self.pool.connected(shelf, connection, self.stage.now)

    @precondition(lambda self: bool(self.stage.dials))
    @rule(data=st.data())
    def a_dial_fails(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.stage.dials) - 1))
        self.pool.failed(self.stage.dials.pop(at), data.draw(st.sampled_from([REFUSED, FULL])))

    @precondition(lambda self: bool(list(self.pool.connections())))
    @rule(data=st.data())
    def a_connection_dies(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(sorted(self.pool.connections(), key=lambda one: one.id)))
        self._release(connection)
        if connection in self.unshared:
            self.unshared.remove(connection)
        connection.closed(None)

    @precondition(lambda self: bool(self.pool.queue))
    @rule(data=st.data())
    def a_waiter_leaves(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from([place.waiter for place in self.pool.queue]))
        self.pool.cancel(waiter)

    @precondition(lambda self: bool(self.places))
    @rule(is_used=st.booleans(), dies=st.booleans())
    def a_place_is_used_or_released(self, is_used: bool, dies: bool) -> None:
        client = next(client for client in self.clients if client.places)
        client.places -= 1
        if not is_used:
            self.pool.release(client.account)
            return
        connection = self.stage.new_connection()
        shelf = self.stage.shelf(client.account.decode()) if client.account else self.pool.unshared
        if dies:
            connection.closed(None)
        elif shelf is self.pool.unshared:
            self.unshared.append(connection)
        self.pool.admit(shelf, connection, self.stage.now)
        if not dies and shelf is not self.pool.unshared:
            shelf.give(connection, self.stage.now)

    @rule(seconds=st.integers(0, 30))
    def time_passes(self, seconds: int) -> None:
        self.stage.now += seconds
        self.pool.expire(self.stage.now)
        self.pool.tend(self.stage.now, idle_s=20.0, lifetime_s=100.0)

    @precondition(lambda self: not self.pool.is_closing)
    @rule(chance=st.integers(0, 9))
    def close(self, chance: int) -> None:
        if chance == 0:
            self.pool.close()

    @precondition(lambda self: bool(self.pool.queue))
    @rule()
    def the_first_in_the_queue_is_served_if_connections_keep_coming_back(self) -> None:
        first = self.pool.queue[0].waiter
        assert isinstance(first, Client)
        first.deadline = 1e9

        for _ in range(PATIENCE + 10):
            if first.answers:
                break
            while self.stage.dials and not first.answers:
                self.a_dial_succeeds_for_good()
            # Under its cap an account is helped by nothing but its own.
            is_capped = self._taken_by(first.account) >= 2 and first.account == b"ann"
            helpful = [
                connection for connection in self.held if not is_capped or self._account(connection) == first.account
            ]
            elsewhere = [connection for connection in helpful if connection.home is not first.shelf]
            for connection in elsewhere or helpful:
                assert isinstance(connection.home, Shelf)
                # Somebody else always wants it too.
                self._wait(connection.home, 1e9)
                self._release(connection)
                self.stage.give(connection)
            if not helpful:
                for connection in self.unshared[:1]:
                    self.unshared.remove(connection)
                    connection.closed(None)
                while self.places and not first.answers:
                    client = next(client for client in self.clients if client.places)
                    client.places -= 1
                    self.pool.release(client.account)

        assert first.answers == 1

    def _account(self, connection: Connection) -> bytes:
        assert isinstance(connection.home, Shelf)
        return connection.home.key.user

    def a_dial_succeeds_for_good(self) -> None:
        shelf = self.stage.dials.pop(0)
        self.pool.connected(shelf, self.stage.new_connection(SessionState()), self.stage.now)

    @invariant()
    def the_limit_holds(self) -> None:
        assert self.pool.limit is not None
        assert 0 <= self.pool.taken <= self.pool.limit
        assert self._taken_by(b"ann") <= 2

    @invariant()
    def what_is_taken_exists(self) -> None:
        connecting = sum(shelf.connecting for shelf in self.pool.shelves.values())

        assert self.pool.taken == len(list(self.pool.connections())) + connecting + self.places
        assert connecting == len(self.stage.dials)

    @invariant()
    def what_is_held_is_busy(self) -> None:
        assert self.pool.busy == len(self.held)

    @invariant()
    def each_connection_is_in_one_place(self) -> None:
        members = list(self.pool.connections())
        idle = [connection for shelf in self.pool.shelves.values() for connection in shelf.idle]
        used = [*idle, *self.held, *self.unshared]

        assert len(members) == len(set(members))
        assert len(used) == len(set(used))
        assert set(used) == set(members)
        assert not any(connection.is_closed for connection in members)
        for shelf in self.pool.shelves.values():
            assert all(connection.home is shelf for connection in shelf.members)
            assert shelf.members.issuperset(shelf.idle)
            assert shelf.key.has_schema or not any(connection.state.schema for connection in shelf.idle)

    @invariant()
    def everybody_is_answered_at_most_once_and_only_those_who_wait_are_not(self) -> None:
        assert all(client.answers <= 1 for client in self.clients)
        waiting = [place.waiter for place in self.pool.queue]
        assert not any(client.answers for client in self.clients if client in waiting)

    @invariant()
    def nobody_waits_beside_an_idle_connection_or_in_a_closed_pool(self) -> None:
        assert not any(place.shelf is not None and place.shelf.idle for place in self.pool.queue)
        assert not (self.pool.is_closing and self.pool.queue)
        for place in self.pool.queue if not self.stage.dials else ():
            idle = {shelf.key.user for shelf in self.pool.shelves.values() if shelf.idle}
            is_capped = place.account == b"ann" and self._taken_by(b"ann") == 2
            assert is_capped or self.pool.taken == self.pool.limit
            assert b"ann" not in idle if is_capped else not idle

    def teardown(self) -> None:
        self.pool.end()
        while self.stage.dials:
            self.a_dial_succeeds_for_good()
        for client in self.clients:
            for _ in range(client.places):
                self.pool.release(client.account)

        assert self.pool.taken == 0
        assert list(self.pool.connections()) == []


TestAnyOrder = PoolMachine.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
