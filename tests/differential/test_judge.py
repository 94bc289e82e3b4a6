"""The judge of the differential tests sees what it must see, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmux.wire.client import ColumnCount, Definition, Row, Text
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.statements import Prepared
from tests.differential.client import Garbled, Gone, Message, Silence
from tests.differential.judge import Disputes, Peculiar, Told, first_difference, show
from tests.differential.steps import TRACK, ResetStatement, Step, apart, execute, prepare, step

SCHEMA, OTHER_SCHEMA = b"aaaaaaaa", b"bbbbbbbb"
COLUMN = Column(name=b"n", type=FieldType.LONG, charset=63, length=11, flags=1, schema=SCHEMA, table=b"t")
OK = Ok(affected_rows=1, last_insert_id=7, status=Status.AUTOCOMMIT, warnings=1, info=b"Rows matched: 1")


def is_seen(one: Message, other: Message, what: Step | None = None, capabilities: int = TRACK) -> bool:
    """Whether the judge takes two replies for different."""
    told = what or step("SELECT 1")
    here = Peculiar(schema=SCHEMA, capabilities=capabilities)
    there = Peculiar(schema=OTHER_SCHEMA, capabilities=capabilities)
    direct = (Told(told, here.without((one,), told)),)
    through = (Told(told, there.without((other,), told)),)
    return first_difference(direct, through) is not None


@pytest.mark.parametrize(
    "one, other",
    [
        (OK, replace(OK, affected_rows=2)),
        (OK, replace(OK, last_insert_id=8)),
        (OK, replace(OK, warnings=0)),
        (OK, replace(OK, info=b"Rows matched: 2")),
        (OK, replace(OK, state=b"\x01\x02\x01a")),
        (Eof(warnings=1), Eof(warnings=0)),
        (Err(number=1064, message=b"a"), Err(number=1065, message=b"a")),
        (Err(number=1064, message=b"a"), Err(number=1064, message=b"b")),
        (Err(number=1064, sqlstate=b"42000"), Err(number=1064, sqlstate=b"HY000")),
        (Row(b"\x011"), Row(b"\x012")),
        (Definition(COLUMN.build(0)), Definition(replace(COLUMN, charset=45).build(0))),
        (Definition(COLUMN.build(0)), Definition(replace(COLUMN, length=12).build(0))),
        (Definition(COLUMN.build(0)), Definition(replace(COLUMN, flags=0).build(0))),
        (Prepared(1, columns=1, parameters=2), Prepared(1, columns=1, parameters=1)),
        (OK, Gone()),
        (Garbled("why"), Gone()),
        (OK, Silence()),
    ],
)
def test_a_difference_is_seen(one: Message, other: Message) -> None:
    assert is_seen(one, other)


@pytest.mark.parametrize(
    "flag", [flag for flag in Status if flag.name not in ("NO_INDEX", "NO_GOOD_INDEX", "SLOW_QUERY")]
)
def test_every_status_flag_that_clients_act_on_counts(flag: Status) -> None:
    assert is_seen(replace(OK, status=0), replace(OK, status=int(flag)))


@pytest.mark.parametrize(
    "one, other",
    [
        (replace(OK, status=0), replace(OK, status=Status.NO_INDEX | Status.NO_GOOD_INDEX | Status.SLOW_QUERY)),
        (Prepared(1, columns=1, parameters=2), Prepared(5, columns=1, parameters=2)),
        (Row(b"\x08" + SCHEMA), Row(b"\x08" + OTHER_SCHEMA)),
        *(
            (Row(SCHEMA.decode().encode(wide)), Row(OTHER_SCHEMA.decode().encode(wide)))
            for wide in ("utf-16-be", "utf-16-le", "utf-32-be")
        ),
        (Definition(COLUMN.build(0)), Definition(replace(COLUMN, schema=OTHER_SCHEMA).build(0))),
        (Err(number=1146, message=b"Table 'aaaaaaaa.x'"), Err(number=1146, message=b"Table 'bbbbbbbb.x'")),
        (Err(number=1421, message=b"The statement (1) has"), Err(number=1421, message=b"The statement (5) has")),
        (Err(number=1243, message=b"Unknown handler"), Err(number=1243, message=b"DbMux: there is no such statement")),
        (
            Err(number=1366, message=b"Incorrect value for column ``.``.`x` at row 0"),
            Err(number=1366, message=b"Incorrect value for column ``.``.`x` at row 1"),
        ),
        (Text(b"Uptime: 5  Threads: 1"), Text(b"Uptime: 17  Threads: 3")),
    ],
)
def test_what_is_incidental_is_not_seen(one: Message, other: Message) -> None:
    assert not is_seen(one, other)


def test_a_client_that_does_not_track_is_not_told_of_changes() -> None:
    changed = replace(OK, status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED)

    assert not is_seen(OK, changed, capabilities=0)
    assert is_seen(OK, changed, capabilities=TRACK)


def test_a_schema_that_is_told_once_more_behind_an_execution_is_not_compared() -> None:
    disputes = Disputes(is_mysql=True, schema=b"a")
    told = replace(OK, status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=b"\x01\x02\x01a")
    beside = replace(told, state=told.state + b"\x00\x02\x01b")
    another = replace(told, state=b"\x01\x02\x01b")
    sets = step("SET @a = 1")

    assert disputes.without(sets, (told,)) == (told,)
    disputes.follow(Step(execute("s", 1)), (Eof(),))
    disputes.follow(step("SELECT 1"), (OK,))
    assert disputes.without(sets, (told,)) == (OK,)
    assert disputes.without(sets, (beside,)) == (replace(told, state=b"\x00\x02\x01b"),)
    assert disputes.without(sets, (another,)) == (another,)
    disputes.follow(step("USE b"), (another,))
    assert disputes.without(sets, (told,)) == (told,)
    assert disputes.without(sets, (another,)) == (OK,)


def test_values_that_are_apart_are_not_compared_but_their_form_is() -> None:
    what = apart("connection ids differ", "SELECT CONNECTION_ID()")

    assert not is_seen(Row(b"\x0217"), Row(b"\x0242"), what)
    assert is_seen(Row(b"\x0217"), Eof(), what)
    assert is_seen(Definition(COLUMN.build(0)), Definition(replace(COLUMN, type=FieldType.LONGLONG).build(0)), what)


def test_what_an_insert_of_no_rows_counts_is_nobody_s_until_a_select_counts() -> None:
    asks = step("SELECT FOUND_ROWS()")
    disputes = Disputes(is_mysql=False)

    disputes.follow(step("INSERT INTO t SELECT * FROM t WHERE 0"), (OK,))
    disputes.follow(step("SHOW WARNINGS"), (ColumnCount(3),))
    assert disputes.is_about(asks)

    disputes.follow(step("SELECT 1"), (ColumnCount(1),))
    assert not disputes.is_about(asks)


@pytest.mark.parametrize(
    "row, is_mysql, is_known",
    [(b"\x010\xfb", False, False), (b"\x0217\x015", False, True), (b"\x010\xfb", True, True)],
    ids=["of no rows on MariaDB", "of some", "of no rows on MySQL"],
)
def test_on_mariadb_an_aggregate_of_no_rows_may_leave_what_was_found_before(
    row: bytes, is_mysql: bool, is_known: bool
) -> None:
    disputes = Disputes(is_mysql=is_mysql)

    disputes.follow(step("SELECT COUNT(*), MAX(id) FROM t"), (ColumnCount(2), Row(row)))

    assert disputes.is_about(step("SELECT FOUND_ROWS()")) is not is_known


def test_what_a_call_without_results_counts_is_nobody_s() -> None:
    disputes = Disputes(is_mysql=True)

    disputes.follow(Step(prepare("call", "CALL results(?)")), (Prepared(1, columns=0, parameters=1),))
    disputes.follow(Step(execute("call", "x")), (Err(number=1366),))

    assert disputes.is_about(step("SELECT FOUND_ROWS()"))
    assert not disputes.is_about(step("SHOW WARNINGS"))


def test_warnings_of_before_a_call_on_mariadb_are_nobody_s() -> None:
    disputes, asks = Disputes(is_mysql=False), step("SHOW WARNINGS")

    disputes.follow(step("CALL results(1)"), (OK,))
    disputes.follow(step("DROP TABLE IF EXISTS gone"), (OK,))
    assert not disputes.is_about(asks)

    disputes.follow(step("CALL results(1)"), (replace(OK, warnings=0),))
    assert disputes.is_about(asks)

    disputes.follow(step("SELECT * FROM t"), (replace(OK, warnings=0),))
    disputes.follow(step("CALL results(1)"), (replace(OK, warnings=0),))
    assert not disputes.is_about(asks)


def test_warnings_behind_an_error_in_words_of_its_own_are_not_asked_for() -> None:
    disputes = Disputes(is_mysql=False)

    disputes.follow(
        Step(execute("call", "x")), (Err(number=1210, message=b"Incorrect arguments to mysqld_stmt_execute"),)
    )

    assert disputes.is_about(step("SHOW WARNINGS"))


def test_preparing_by_name_leaves_open_what_an_error_in_words_of_its_own_left_open() -> None:
    disputes, asks = Disputes(is_mysql=False), step("SHOW WARNINGS")

    disputes.follow(Step(execute("none", 1)), (Err(number=1243),))
    disputes.follow(step("PREPARE s FROM 'SELECT 1'"), (replace(OK, warnings=0),))
    assert disputes.is_about(asks)
    disputes.follow(step("DELETE FROM t"), (replace(OK, warnings=0),))
    assert not disputes.is_about(asks)


def test_whether_an_error_has_begun_or_ended_a_transaction_is_not_compared() -> None:
    disputes, reset, inside = Disputes(is_mysql=False), Step(ResetStatement("s")), Ok(status=Status.IN_TRANSACTION)
    outside, fails, error = Ok(status=0), step("SELECT * FROM missing"), Err(number=1146)

    disputes.follow(fails, (error,))
    assert disputes.without(reset, (inside,)) == (inside,)
    for before in (outside, inside):
        disputes.follow(step("SET autocommit = 0"), (before,))
        disputes.follow(fails, (error,))
        assert disputes.without(reset, (inside,)) == (outside,)
        disputes.follow(step("SELECT 1"), (before,))
        assert disputes.without(reset, (inside,)) == (inside,)


def test_a_difference_is_shown_with_the_steps_before_it() -> None:
    before, there = step("SET @a = 1"), step("SELECT @a")
    column = Definition(replace(COLUMN, name=b"@a").build(0))
    direct = (Told(before, (OK,)), Told(there, (column, Row(b"\x011"), Eof())), Told(before, (OK,)))
    through = (Told(before, (OK,)), Told(there, (column, Row(b"\xfb"), Eof())), Told(before, (Gone(),)))

    shown = show(direct, through, 0)

    assert "1 a  SET @a = 1" in shown
    assert "2 a  SELECT @a" in shown
    assert "- row" in shown
    assert "+ row" in shown
    assert "@a is b'1' and None" in shown
    assert "Gone" not in shown
