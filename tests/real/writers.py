"""Who writes to the source of a tortured mirror: several sessions at once, which do all deeds there are.

A scene and a seed come in; while the server is killed and connections are cut, deeds are done, counted, and waited for.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from random import Random

from tests.real.writing import (
    Deed,
    Scene,
    Session,
    a_column_more_or_less,
    a_deadlock,
    a_large_transaction,
    a_long_row,
    a_table_is_emptied,
    a_table_that_comes_and_goes,
    back_to_a_savepoint,
    columns_of_every_type,
    cut_inside_a_large_transaction,
    foreign_keys_that_cascade,
    gaps_in_a_count,
    in_the_opposite_order,
    in_two_phases,
    is_expected,
    one_statement,
    prepared_statements,
    rolled_back,
    several_statements,
    statements_in_one_packet,
    what_others_prepared,
)

# Each writes something, and then rests so long: what comes must not be more than a target catches up with.
REST_S = 0.02
PATIENCE_S = 150.0

LARGE = (a_large_transaction, a_long_row, columns_of_every_type, in_two_phases)
DEFINITIONS = (a_column_more_or_less, a_table_that_comes_and_goes, a_table_is_emptied)
_MIXED: tuple[Deed, ...] = (
    one_statement, several_statements, several_statements, statements_in_one_packet, prepared_statements, rolled_back,
    back_to_a_savepoint, in_two_phases, gaps_in_a_count, foreign_keys_that_cascade,
)  # fmt: skip
_RARE: tuple[Deed, ...] = (what_others_prepared, a_large_transaction, cut_inside_a_large_transaction)
# Deeds, and the pause between them.
_WRITERS: tuple[tuple[tuple[Deed, ...], float], ...] = (
    (_MIXED, REST_S), (_MIXED, REST_S), (_MIXED, REST_S),
    ((partial(in_the_opposite_order, first=1, second=2),), REST_S),
    ((partial(in_the_opposite_order, first=2, second=1),), REST_S),
    (_RARE, 0.5), ((columns_of_every_type,), 0.5), (DEFINITIONS, 0.4), ((a_long_row,), 2.0),
)  # fmt: skip
EVERYTHING = frozenset((*_MIXED, *_RARE, *DEFINITIONS, columns_of_every_type, a_long_row, a_deadlock))


class Tally:
    """Which deeds were begun and done, and how often; whoever looks fails when something went wrong that must not."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun, self._done = Counter[Deed](), Counter[Deed]()
        self._failures: list[object] = []

    def begun(self, deed: Deed) -> None:
        """Somebody does it now."""
        with self._changed:
            self._begun[deed] += 1
            self._changed.notify_all()

    def done(self, deed: Deed) -> None:
        """It was committed, or whatever its end is."""
        with self._changed:
            self._done[deed] += 1

    def failed(self, failure: object) -> None:
        """What must not happen has."""
        with self._changed:
            self._failures.append(failure)
            self._changed.notify_all()

    def missing(self) -> list[str]:
        """What was never done."""
        with self._changed:
            assert not self._failures, self._failures
            return sorted(deed.__name__ for deed in EVERYTHING if not self._done[deed])

    def wait_for(self, deed: Deed | None) -> None:
        """Returns when somebody begins with it; at once for None."""
        with self._changed:
            before = self._begun[deed] if deed else 0
            begins = self._changed.wait_for(
                lambda: not deed or self._failures or self._begun[deed] > before, PATIENCE_S
            )
            assert not self._failures, self._failures
            assert begins, deed


class Writers:
    """Several sessions at once, while it is entered."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene = scene
        self._over = threading.Event()
        self._may_write = threading.Event()
        self.tally = Tally()
        self._threads = [
            threading.Thread(target=self._write, args=(deeds, pause, Random(f"{seed} {number}")))
            for number, (deeds, pause) in enumerate(_WRITERS)
        ]

    def __enter__(self) -> Writers:
        self._may_write.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Nobody begins with anything meanwhile."""
        self._may_write.clear()
        try:
            yield
        finally:
            self._may_write.set()

    def _write(self, deeds: tuple[Deed, ...], pause: float, random: Random) -> None:
        while not self._over.wait(REST_S):
            deed: Deed | None = None
            try:
                with closing(Session(self._scene, random, self.tally.done)) as session:
                    while self._may_write.wait() and not self._over.is_set():
                        deed = random.choice(deeds)
                        self.tally.begun(deed)
                        deed(session)
                        self.tally.done(deed)
                        self._over.wait(pause)
            except Exception as error:
                # A transaction that is open ends with its session.
                if not is_expected(error):
                    self.tally.failed((deed, error))
                    return
