"""The scenarios have teeth: whoever moves a session to another connection and carries nothing over is caught."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.query import PinReason
from dbmux.wire.replies import Eof, Ok, Status
from tests.differential.client import Connection, Login, Reply
from tests.differential.conftest import FORCED, Stages
from tests.differential.sequences import COVERS, SCENARIOS
from tests.differential.steps import MARIADB_11, Command, Quit

pytestmark = pytest.mark.real

# Inside of an open transaction nothing is moved, and these need no more than that.
ONLY_IN_TRANSACTIONS = {PinReason.TRANSACTION, PinReason.SAVEPOINT}
# Such a session may wait for its own lock on the other connection.
PATIENCE_S = 0.5


class Careless:
    """A session over two connections that serve its commands by turns, except in open transactions."""

    def __init__(self, port: int, login: Login) -> None:
        self._connections = (Connection(port, login, PATIENCE_S), Connection(port, login, PATIENCE_S))
        self._turn = 0
        self._is_held = False
        self.login_reply = self._connections[0].login_reply
        self.connection_id = self._connections[0].connection_id

    def ask(self, command: Command, others: Callable[[str], int]) -> Reply:
        """Send a command to whose turn it is."""
        if isinstance(command, Quit):
            self.close()
            return ()
        reply = self._connections[self._turn].ask(command, others)
        told = [message.status for message in reply if isinstance(message, Ok | Eof)]
        if told:
            self._is_held = bool(told[-1] & Status.IN_TRANSACTION)
        if not self._is_held:
            self._turn = 1 - self._turn
        return reply

    def close(self) -> None:
        """Hang up both."""
        for connection in self._connections:
            connection.close()


@pytest.mark.parametrize("reason", [reason for reason in PinReason if reason not in ONLY_IN_TRANSACTIONS])
def test_a_session_that_is_moved_in_spite_of_a_pin_is_seen(reason: PinReason, stages: Stages) -> None:
    stage = stages(FORCED, MARIADB_11).through(Careless)
    scenarios = [each for each in SCENARIOS if each.name in COVERS[reason]]

    verdicts = [stage.judge(scenario) for scenario in scenarios]

    assert [verdict.scenario.name for verdict in verdicts if verdict.is_equal] == []
