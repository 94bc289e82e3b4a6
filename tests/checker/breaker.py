"""The client of the cache checker that breaks: it goes away, or is killed, in the middle of a write.

It has registers of its own, for nothing is stored of their tables for a while after. What it wrote has an unknown
outcome.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.checker.clients import Board, Client, clock, filled
from tests.checker.history import Outcome
from tests.checker.registers import Register
from tests.checker.sessions import Refused, Session

# So many fragile registers are looked at, and so often right after a write.
HOT, LOOKS = 5, 4


class Breaker(Client):
    """A client that goes away, or is killed, in the middle of a write to a fragile register."""

    def __init__(
        self, port: int, board: Board, dice: random.Random, fragile: Sequence[Register], pause_s: float
    ) -> None:
        super().__init__(port, board, dice, writes=1.0)
        self._fragile = fragile
        self._pause_s = pause_s
        self._turn = 0

    def step(self, session: Session) -> None:
        register = self.board.hot[0]
        time.sleep(self._pause_s)
        trusted = self.board.users[0]
        if session.setting.user != trusted:
            self.change(session, replace(session.setting, user=trusted))
        self._break(session, register)
        time.sleep(self._pause_s)
        self._turn += 1
        self.board.hot = [self._fragile[(self._turn - late) % len(self._fragile)] for late in range(HOT)]

    def _break(self, session: Session, register: Register) -> None:
        version = register.next()
        short, long = register.family.ways
        is_transaction = self.dice.random() < 0.8
        (statement,) = (short if is_transaction else long).statements
        last = statement = filled(statement, register, version)
        if is_transaction:
            session.ask("BEGIN")
            session.ask(statement)
            # So that others read what was there before.
            time.sleep(self._pause_s / 2)
            last = "COMMIT"
        # Whoever looks at once may see the server before it has carried out what was sent.
        witness = Session(self.port, session.setting)
        begin = clock()
        session.send(last)
        if self.dice.random() < 0.2:
            with contextlib.suppress(Refused):
                witness.ask(f"KILL {session.number}")
        self.hang_up()
        self.note(register, version, begin, Outcome.UNKNOWN, f"{statement}; {last}, and was gone")
        for _ in range(LOOKS):
            self.read(witness, register)
        witness.close()
