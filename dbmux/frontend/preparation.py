"""What is sent on a connection before a command, and which of the answers belongs to which part of it.

Lists of commands come in, and the answers of one exchange; they go out in the same parts. Nothing is sent here.
"""

from __future__ import annotations

from typing import NamedTuple

from dbmux.backend.connection import Answer
from dbmux.wire.commands import Command


class Preparation(NamedTuple):
    """In this order: what the connection owes, what brings it into the session's state, its statement anew."""

    debts: list[tuple[Command, bytes]]
    statements: list[tuple[Command, bytes]]
    anew: list[tuple[Command, bytes]]

    @property
    def commands(self) -> list[tuple[Command, bytes]]:
        """All of it."""
        return [*self.debts, *self.statements, *self.anew]

    def split(self, answers: list[Answer]) -> tuple[list[Answer], list[Answer], list[Answer]]:
        """Those to each part, as far as they have come."""
        paid = len(self.debts)
        told = paid + len(self.statements)
        return answers[:paid], answers[paid:told], answers[told:]
