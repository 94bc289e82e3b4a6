"""All clients of the cache checker at once, for some seconds.

Ports, users and a seed come in; the history of what happened goes out. The clients of several ports work on the same
rows.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Sequence

from tests.checker.breaker import Breaker
from tests.checker.clients import Board, Client, clock
from tests.checker.registers import fragile_registers, registers
from tests.checker.sessions import User

READERS, WRITERS = 16, 4
# The part of its steps that a writer writes.
WRITES = 0.2
BREAK_PAUSE_S = 0.04
# This part of all steps is about the fragile register of the moment.
HOT_SHARE = 0.1
# So much more often are registers of a focus chosen.
FOCUS, FOCUS_HOT = 20, 5


class Workload:
    """Rounds of clients upon the same tables, which were made just now; the first of `users` may read everything.

    The families of `focus` are read and written most.
    """

    def __init__(self, ports: Sequence[int], users: tuple[User, ...], focus: Collection[str] = ()) -> None:
        self._ports = ports
        self._fragile = fragile_registers()
        usual = registers()
        weights = [each.family.weight * (FOCUS if each.family.name in focus else 1) for each in usual]
        hot = self._fragile[:1]
        hot_share = HOT_SHARE * (FOCUS_HOT if hot[0].family.name in focus else 1)
        self.board = Board(users, usual, weights, hot, hot_share)
        self.board.begin((*usual, *self._fragile))

    def run(self, seed: int, seconds: float) -> None:
        """One more round."""
        until = clock() + seconds
        clients = [self._client(seed, number) for number in range(READERS + WRITERS + 1)]
        threads = [threading.Thread(target=client.run, args=(until,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 30)
        assert not any(thread.is_alive() for thread in threads)
        for client in clients:
            client.hang_up()

    def _client(self, seed: int, number: int) -> Client:
        port, dice = self._ports[number % len(self._ports)], random.Random(f"{seed} {number}")
        if number == READERS + WRITERS:
            return Breaker(port, self.board, dice, self._fragile, BREAK_PAUSE_S)
        return Client(port, self.board, dice, WRITES if number >= READERS else 0.0)
