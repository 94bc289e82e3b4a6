"""What shadow reads and writes need besides the two servers: all that is of the process around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dbmux.mirror.compare import Difference
from dbmux.mirror.ledger import Finding, Sample
from dbmux.mirror.read import Fairness, NotComparedError, Read
from dbmux.mirror.tally import Durations

# How long and how often is waited for the target to have applied what the source has committed.
PAUSE_S, PAUSES = 0.01, 300
BEHIND = "the target had not applied the source's writes in time"
NO_LEDGER = "the ledger could not be written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`clock` counts seconds since the epoch, `now` is time.perf_counter."""

    fairness: Fairness
    record: Callable[[Finding], Awaitable[object]]
    durations: Callable[[], Durations]
    random: Callable[[], float]
    clock: Callable[[], float]
    now: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]

    async def keep(self, mirror: str, read: Read, difference: Difference, sample: Sample) -> None:
        """Record what was just seen to differ in the answers to a statement; raises Unusable."""
        finding = Finding(
            mirror=mirror,
            digest=read.digest,
            text=read.text,
            kind=difference.kind,
            sample=sample,
            place=difference.column,
            source=difference.source,
            target=difference.target,
        )
        await self.record(finding)


async def until_applied(around: Surroundings, moment: float) -> None:
    """Wait until the target has all that the source had committed at a moment; raises NotComparedError."""
    fairness = around.fairness
    if fairness.applied_until() >= moment:
        return
    # The sooner that is known, the less is written meanwhile.
    fairness.hurry()
    for _ in range(PAUSES):
        await around.pause(PAUSE_S)
        if fairness.applied_until() >= moment:
            return
    raise NotComparedError(BEHIND)
