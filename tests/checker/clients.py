"""The clients of the cache checker: each a thread that reads and writes at random and notes what happened.

A board with the registers and a port come in; writes and reads go into the board's history. What a client decides
follows from its dice; when it happens does not. Never judges.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

from tests.checker.history import History, Outcome, Read, Write
from tests.checker.registers import HOMES, VAULT, Mode, Register, Way
from tests.checker.sessions import FORMS, LETTERS, MOMENTS, Lost, Refused, Session, Setting, User, Values

REFUSED = "a refusal"
DENIED = 1142
UNCACHED = "/* dbmux: nocache */ "

PLACE = re.compile(r"\{(id|ver)\}")

clock = time.monotonic


@dataclass(slots=True, eq=False)
class Board:
    """What all clients share: the registers, how likely each is chosen, and what happened.

    `hot` are fragile registers that were written of late, and the first of them is about to be; this part of all steps
    is about them.
    """

    users: tuple[User, ...]
    registers: list[Register]
    weights: list[int]
    hot: Sequence[Register]
    hot_share: float
    history: History = field(default_factory=History)
    errors: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    sessions: Iterator[int] = field(default_factory=lambda: count(1))

    def begin(self, registers: Sequence[Register]) -> None:
        """All have their first version."""
        now = clock()
        for register in registers:
            self.history.writes.append(Write(session=0, register=register.name, version=1, begin=now, end=now))


class Client:
    """One client at a port; `writes` is the part of its steps that are writes.

    `number` is its session's, another one after each login: only a session is promised that it sees its own writes.
    """

    def __init__(self, port: int, board: Board, dice: random.Random, writes: float) -> None:
        self.number = 0
        self.port = port
        self.board = board
        self.dice = dice
        self._writes = writes
        self._session: Session | None = None

    def run(self, until: float) -> None:
        """Go on until then."""
        while clock() < until:
            try:
                self.step(self._session or self._connect())
            except Refused as error:
                self.board.errors[error.number] += 1
            except Lost as why:
                self.board.lost.append(str(why))
                self.hang_up()

    def hang_up(self) -> None:
        """Close the connection, whatever is under way."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connect(self) -> Session:
        self._session = Session(self.port, self._setting(FORMS[self.dice.random() < 0.15]))
        self.number = next(self.board.sessions)
        return self._session

    def change(self, session: Session, setting: Setting) -> None:
        """Go on as another."""
        user = session.setting.user
        session.change(setting)
        if setting.user != user:
            self.number = next(self.board.sessions)

    def _setting(self, form: int) -> Setting:
        # Mostly the same, so that clients share what is stored.
        dice = self.dice
        rare = dice.choice(("user", "names", "zone", *[""] * 6))
        return Setting(
            user=self.board.users[rare == "user"],
            schema=dice.choice(HOMES),
            names="latin1" if rare == "names" else "utf8mb4",
            zone="+05:00" if rare == "zone" else "+00:00",
            form=form,
        )

    def step(self, session: Session) -> None:
        dice = self.dice
        if dice.random() < 0.01:
            self.change(session, self._setting(session.setting.form))
        if dice.random() < 0.002:
            self.hang_up()
        elif dice.random() >= self._writes:
            self.read(session, self._choose(session))
        elif dice.random() < 0.6:
            self._write_alone(session, self._choose(session))
        else:
            self._write_together(session)

    def _choose(self, session: Session) -> Register:
        board, schema = self.board, session.setting.schema
        if self.dice.random() < board.hot_share:
            return board.hot[0] if self.dice.random() < 0.5 else self.dice.choice(board.hot)
        while True:
            (register,) = self.dice.choices(board.registers, board.weights)
            if register.is_qualified or register.home == schema:
                return register

    # Reading.

    def read(self, session: Session, register: Register, own: int = 0, since: float | None = None) -> None:
        text = self._wording(register)
        versions: tuple[int, ...] = ()
        begin = clock()
        try:
            values, how = self._ask(session, register, text)
        except Refused as error:
            if error.number != DENIED:
                raise
            seen, how = REFUSED, text
        else:
            versions, seen = _understood(values)
        self.board.history.reads.append(
            Read(
                session=self.number,
                register=register.name,
                versions=versions,
                begin=begin if since is None else since,
                end=clock(),
                due=_due(register, session.setting),
                seen=seen,
                own=own,
                how=how,
            )
        )

    def _wording(self, register: Register) -> str:
        # Mostly the same, so that it is found in the cache.
        reads = register.family.reads
        return reads[0] if self.dice.random() < 0.75 else self.dice.choice(reads)

    def _ask(self, session: Session, register: Register, text: str) -> tuple[Values | None, str]:
        dice = self.dice
        if dice.random() < 0.3 and (register.is_qualified or session.can_execute(register.home, text)):
            text = text.replace("{id}", "?")
            bound: int | str = register.id if dice.random() < 0.95 else str(register.id)
            return session.execute(register.home, text, bound), f"prepared {text} with {bound!r}"
        text = text.replace("{id}", str(register.id))
        if (comment := dice.random()) < 0.1:
            text = UNCACHED + text
        elif comment < 0.2:
            text = f"{text} /* trace {comment} */"
        return session.ask(text), text

    # Writing.

    def _write_alone(self, session: Session, register: Register) -> None:
        ways = [way for way in register.family.ways if way.mode is not Mode.TRANSACTION]
        if not _may_write(session, register) or not register.writing.acquire(blocking=False):
            return
        try:
            way, version = self.dice.choice(ways), register.next()
            self._prepare(session, register, way, version)
            (statement,) = way.statements
            begin, outcome = clock(), Outcome.FAILED
            try:
                self._write(session, register, statement, version)
                outcome = Outcome.DONE
            except Lost:
                outcome = Outcome.UNKNOWN
                raise
            except Refused as error:
                outcome = _after(error)
                raise
            finally:
                self.note(register, version, begin, outcome, statement)
        finally:
            register.writing.release()
        self.read(session, register)

    def _write_together(self, session: Session) -> None:
        with ExitStack() as locks:
            chosen = [each for each in self._candidates(session) if _acquire(each, locks)]
            if not chosen:
                return
            begun, ended = self.dice.choice(_TRANSACTIONS)
            versions = {register: register.next() for register in chosen}
            begin, outcome = clock(), Outcome.FAILED
            try:
                self._fill_transaction(session, begun, versions)
                begin = clock()
                if ended is None:
                    self.hang_up()
                    return
                outcome = Outcome.UNKNOWN
                _end(session, ended)
                outcome = Outcome.FAILED if ended == "ROLLBACK" else Outcome.DONE
            except Refused as error:
                outcome = _after(error)
                with contextlib.suppress(Refused):
                    session.ask("ROLLBACK")
                raise
            finally:
                for register, version in versions.items():
                    self.note(register, version, begin, outcome, f"{begun} … {ended}")
                if self._session is not None:
                    session.ask("ROLLBACK")
                if self._session is not None and begun != "BEGIN":
                    session.ask("SET autocommit = 1")
        for register in chosen:
            self.read(session, register)

    def _candidates(self, session: Session) -> Iterator[Register]:
        for _ in range(self.dice.randint(1, 3)):
            register = self._choose(session)
            if _may_write(session, register) and any(way.mode is not Mode.ALONE for way in register.family.ways):
                yield register

    def _fill_transaction(self, session: Session, begun: str, versions: dict[Register, int]) -> None:
        since = clock()
        session.ask(begun)
        for register, version in versions.items():
            way = self.dice.choice([way for way in register.family.ways if way.mode is not Mode.ALONE])
            self._prepare(session, register, way, version)
            for statement in way.statements:
                self._write(session, register, statement, version)
            if self.dice.random() < 0.5:
                self.read(session, register, own=version, since=since)
            if self.dice.random() < 0.3:
                other = self._choose(session)
                if other not in versions and Mode.ALONE not in {way.mode for way in other.family.ways}:
                    self.read(session, other, since=since)

    def _prepare(self, session: Session, register: Register, way: Way, version: int) -> None:
        for statement in way.ahead:
            self._write(session, register, statement, version)

    def _write(self, session: Session, register: Register, text: str, version: int) -> None:
        if self.dice.random() < 0.3 and session.can_execute(register.home, text):
            values = [version if name == "ver" else register.id for name in PLACE.findall(text)]
            session.execute(register.home, PLACE.sub("?", text), *values)
        else:
            session.ask(filled(text, register, version))

    def note(self, register: Register, version: int, begin: float, outcome: Outcome, how: str) -> None:
        self.board.history.writes.append(
            Write(
                session=self.number,
                register=register.name,
                version=version,
                begin=begin,
                end=clock(),
                outcome=outcome,
                how=how,
            )
        )


# It fails, and commits all the same.
FUTILE = "TRUNCATE TABLE nowhere"
FUTILE_ERROR = 1146
LOST_IN_REPLY = 2013
# How transactions begin and end; None for a client that is gone.
_TRANSACTIONS: tuple[tuple[str, str | None], ...] = (
    *[("BEGIN", "COMMIT")] * 12,
    *[("BEGIN", "BEGIN")] * 3,
    *[("BEGIN", "COMMIT AND CHAIN")] * 2,
    ("BEGIN", "TRUNCATE TABLE scratch"),
    ("BEGIN", FUTILE),
    *[("BEGIN", "ROLLBACK")] * 4,
    *[("BEGIN", None)] * 2,
    *[("SET autocommit = 0", "COMMIT")] * 2,
    *[("SET autocommit = 0", "SET autocommit = 1")] * 5,
    ("SET autocommit = 0", "TRUNCATE TABLE scratch"),
)


def _acquire(register: Register, locks: ExitStack) -> bool:
    if not register.writing.acquire(blocking=False):
        return False
    locks.callback(register.writing.release)
    return True


def _may_write(session: Session, register: Register) -> bool:
    # Fragile registers are the breaker's.
    return (
        register.family.name != "vault"
        and not register.is_qualified
        or (register.home == VAULT and session.setting.user.is_trusted)
    )


def _end(session: Session, ended: str) -> None:
    try:
        session.ask(ended)
    except Refused as error:
        if error.number != FUTILE_ERROR:
            raise


def _after(error: Refused) -> Outcome:
    return Outcome.UNKNOWN if error.number == LOST_IN_REPLY else Outcome.FAILED


def filled(text: str, register: Register, version: int) -> str:
    return text.replace("{id}", str(register.id)).replace("{ver}", str(version))


def _understood(values: Values | None) -> tuple[tuple[int, ...], str]:
    if values is None:
        return (), "no row"
    told = values[:-4]
    number, home, label, at = values[-4:]
    versions = tuple(int(version) for version in told if version is not None)
    if len(versions) < len(told):
        return (), "no version"
    return versions, f"{number!r} of {home!r}, {label!r}, {at!r}"


def _due(register: Register, setting: Setting) -> str:
    if register.home == VAULT and not setting.user.is_trusted:
        return REFUSED
    label, at = LETTERS[setting.names], MOMENTS[setting.zone].encode()
    return f"{str(register.id).encode()!r} of {register.home.encode()!r}, {label!r}, {at!r}"
