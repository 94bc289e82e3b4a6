"""Plays scenarios on real servers: once on direct connections, once through DbMux, each in a fresh schema.

Scenarios come in, verdicts go out. The two runs are one after the other, so that what is global to a server (locks,
XA transactions, FLUSH TABLES WITH READ LOCK) meets nothing of the other run; each has a schema of its own under a name
that was never used before, so that what a server does late after a disconnect meets nothing either. After the steps
every session is asked what is left in it: variables, ids, counts.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import Row
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.rows import parse_text_row
from tests.differential.client import PLAIN, Connection, Garbled, Login, Message, Reply, Silence, Talker
from tests.differential.judge import Disputes, Peculiar, Told, Transcript, first_difference, show, show_command
from tests.differential.steps import (
    MARIADB_10,
    MARIADB_11,
    MYSQL,
    MYSQL_9,
    ChangeUser,
    Command,
    InitDb,
    Prepare,
    Quit,
    Scenario,
    Send,
    Sql,
    Step,
    Together,
    step,
)

# Each server is spoken to as its own programs do.
OWN_CLIENT = {
    MARIADB_10: PLAIN,
    MARIADB_11: PLAIN | C.DEPRECATE_EOF | C.MARIADB_EXTENDED_METADATA,
    MYSQL_9: PLAIN | int(C.DEPRECATE_EOF),
}

# What differs between two connections whatever is sent on them, and what DbMux sets for itself on its own connections.
# The counts of warnings belong to the last statement; the scenarios of their own subject ask for them.
OWN_VARIABLES = re.compile(
    "warning_count|error_count|timestamp|pseudo_thread_id|rand_seed[12]|statement_id|last_gtid|gtid_seq_no|original_commit_timestamp"
    "|session_track_.*|gtid_(executed|binlog|current|slave).*"
)

Open = Callable[[Login], Talker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server: name and port, a connection for schemas, the sessions' account, and what they are asked at the end."""

    server: str
    port: int
    admin: Talker
    user: str
    password: str
    questions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a scenario."""

    server: str
    scenario: Scenario
    capabilities: int
    direct: Transcript
    through: Transcript

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return first_difference(self.direct, self.through) is None

    @property
    def is_silent(self) -> bool:
        """Whether it differs in that DbMux does not answer."""
        at = first_difference(self.direct, self.through)
        return at is not None and any(isinstance(message, Silence) for message in self.through[at].reply)

    @property
    def shortened(self) -> Scenario:
        """The scenario without what comes after the first difference."""
        at = first_difference(self.direct, self.through)
        steps = self.scenario.steps
        return replace(self.scenario, steps=steps if at is None else steps[: self.direct[at].taken])

    def __str__(self) -> str:
        title = f"{self.scenario.name} on {self.server} (- direct, + through)"
        return f"{title}\n{show(self.direct, self.through, self.capabilities)}"


class Stage:
    """One server, and two ways to it."""

    def __init__(self, place: Place, direct: Open, through: Open, names: Iterator[bytes]) -> None:
        self.server = place.server
        self._place = place
        self._direct = direct
        self._through = through
        self._names = names

    def judge(self, scenario: Scenario) -> Verdict:
        """Play a scenario both ways."""
        scenario = scenario.for_server(self.server)
        direct = self._play(scenario, self._direct)
        for told in direct:
            # Such a scenario could say nothing: either it is wrong, or our half of the protocol is.
            broken = [message for message in told.reply if isinstance(message, Silence | Garbled)]
            assert not broken, f"{scenario.name}: {show_command(told.step)}: {broken} from the server itself"
        return Verdict(
            server=self.server,
            scenario=scenario,
            capabilities=self._login(scenario, b"").capabilities,
            direct=direct,
            through=self._play(scenario, self._through),
        )

    def log_in(self, scenario: Scenario) -> tuple[Reply, Reply]:
        """What a login tells in all, directly and through DbMux."""
        login = self._login(scenario, b"test")
        peculiar = Peculiar(schema=b"", capabilities=login.capabilities, is_mysql=self.server in MYSQL)
        told = []
        for way in (self._direct, self._through):
            talker = way(login)
            talker.close()
            reply = tuple(map(_without_proof, talker.login_reply))
            told.append(peculiar.without(reply, step("-- log in")))
        return told[0], told[1]

    def through(self, way: Callable[[int, Login], Talker]) -> Stage:
        """The same server, where the second run opens its sessions in another way, given the server's port."""
        number = self._place.port
        return Stage(self._place, self._direct, lambda login: way(number, login), self._names)

    def close(self) -> None:
        """Hang up."""
        self._place.admin.close()

    def is_steady(self, scenario: Scenario) -> bool:
        """Whether two direct runs are equal: if not, the scenario is to blame."""
        scenario = scenario.for_server(self.server)
        one, other = self._play(scenario, self._direct), self._play(scenario, self._direct)
        return first_difference(one, other) is None

    def _login(self, scenario: Scenario, schema: bytes) -> Login:
        capabilities = OWN_CLIENT[self.server] | scenario.capabilities
        return Login(
            user=self._place.user,
            password=self._place.password,
            schema=schema if scenario.has_schema else b"",
            charset=scenario.charset,
            capabilities=capabilities & ~int(C.DEPRECATE_EOF) if scenario.is_classic else capabilities,
        )

    def _play(self, scenario: Scenario, way: Open) -> Transcript:
        schema = next(self._names)
        self._administer(schema, "CREATE DATABASE {u}", "USE {u}", *scenario.setup)
        run = _Run(self._login(scenario, schema), schema, way, scenario.opening, is_mysql=self.server in MYSQL)
        try:
            for each in scenario.steps:
                run.taken += 1
                run.take(each)
            for session in list(run.sessions):
                for question in self._place.questions:
                    run.take(Step(Sql(question), session=session))
        finally:
            run.close()
        self._administer(schema, "DROP DATABASE IF EXISTS {u}_2")
        dropped = self._place.admin.ask(Sql(b"DROP DATABASE " + schema), _no_others)
        what = step("-- afterwards the schema can be dropped")
        run.told.append(Told(what, run.peculiar.without(dropped, what), run.taken))
        return tuple(run.told)

    def _administer(self, schema: bytes, *statements: str) -> None:
        for statement in statements:
            reply = self._place.admin.ask(Sql(_fill(statement.encode(), schema)), _no_others)
            assert not any(isinstance(part, Err) for part in reply), f"{statement}: {reply}"


class _Run:
    def __init__(self, login: Login, schema: bytes, way: Open, opening: str, *, is_mysql: bool) -> None:
        self.told: list[Told] = []
        self.sessions: dict[str, Talker] = {}
        self.taken = 0
        self.peculiar = Peculiar(schema=schema, capabilities=login.capabilities, is_mysql=is_mysql)
        self._login = login
        self._way = way
        self._opening = opening
        self._disputes = Disputes(is_mysql=is_mysql, schema=schema)

    def take(self, what: Step) -> None:
        if what.session not in self.sessions:
            self._open(what)
        if self._disputes.is_about(what):
            self._write(what, ())
            return
        talker = self.sessions[what.session]
        reply = talker.ask(_named(what.command, self.peculiar.schema), self._number_of)
        told = self._disputes.without(what, reply)
        self._disputes.follow(what, reply)
        if isinstance(what.command, Quit):
            del self.sessions[what.session]
        self._write(what, told)

    def close(self) -> None:
        for talker in self.sessions.values():
            talker.close()

    def _open(self, what: Step) -> None:
        talker = self._way(self._login)
        self.sessions[what.session] = talker
        told = tuple(map(_without_state, talker.login_reply))
        self._write(Step(Sql(b"-- log in"), session=what.session), told)
        if self._opening:
            self.take(Step(Sql(self._opening.encode()), session=what.session))

    def _write(self, what: Step, reply: Reply) -> None:
        self.told.append(Told(what, self.peculiar.without(reply, what), self.taken))

    def _number_of(self, session: str) -> int:
        return self.sessions[session].connection_id


def questions(admin: Talker) -> tuple[bytes, ...]:
    """What is asked of every session at the end: ids and counts, all variables of its own, some of the users'."""
    told = admin.ask(Sql(b"SHOW VARIABLES"), _no_others)
    names = [parse_text_row(row.payload, 2)[0] or b"" for row in told if isinstance(row, Row)]
    variables = [
        b"@@session." + name
        for name in names
        if not OWN_VARIABLES.fullmatch(name.decode())
        and not any(isinstance(part, Err) for part in admin.ask(Sql(b"SELECT @@session." + name), _no_others))
    ]
    return (
        b"SELECT LAST_INSERT_ID(), ROW_COUNT(), DATABASE()",
        b"SELECT " + b", ".join(variables),
        b"SELECT @a, @b, @c, @x, @y, @z",
    )


def schema_names() -> Iterator[bytes]:
    """Names of eight letters that are never the same twice."""
    for letters in itertools.product(string.ascii_lowercase, repeat=5):
        yield b"zqx" + "".join(letters).encode()


def port(number: int) -> Open:
    """The way to a port of this machine."""
    return lambda login: Connection(number, login)


def _without_proof(message: Message) -> Message:
    # MariaDB 11 proves its certificate in the login's OK.
    return replace(message, info=b"") if isinstance(message, Ok) else message


def _without_state(message: Message) -> Message:
    # What a login tells of the state has a test of its own.
    if not isinstance(message, Ok):
        return message
    return replace(message, info=b"", state=b"", status=message.status & ~Status.SESSION_STATE_CHANGED)


def _no_others(session: str) -> int:
    raise AssertionError(f"there is no session {session} here")


def _named(command: Command, schema: bytes) -> Command:
    match command:
        case Sql() | Send() | Prepare():
            return replace(command, text=_fill(command.text, schema))
        case InitDb() | ChangeUser():
            return replace(command, schema=_fill(command.schema, schema))
        case Together(first, second):
            filled = replace(second, text=_fill(second.text, schema)) if isinstance(second, Sql) else second
            return Together(replace(first, text=_fill(first.text, schema)), filled)
        case _:
            return command


def _fill(text: bytes, schema: bytes) -> bytes:
    return text.replace(b"{u}", schema)
