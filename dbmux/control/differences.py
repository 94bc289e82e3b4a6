"""What can be asked and ordered of the differences between both servers of a mirror, while DbMux runs.

The ledger's file, the configuration's and the shadow reads come in; plain values go out, as JSON has them, or Refused
is raised. The ledger is read in another thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dbmux.config.insert import CannotInsert
from dbmux.config.rewrite import append
from dbmux.errors import ConfigError, DbMuxError
from dbmux.feed.feed import Answer, Refused
from dbmux.mirror.compare import Difference
from dbmux.mirror.ledger import AcceptedAlready, Ledger, NoEntry, State, Unusable, opened
from dbmux.mirror.orders import accepted, listed, reported, rerun_told, rule_told, settled_by_running, shown
from dbmux.mirror.report import as_json_told, markdown
from dbmux.mirror.shadow import Shadow

T = TypeVar("T")


class Differences:
    """Answers for one engine; `source` gives the configuration's file, None where there is none.

    `shadow_of` gives the shadow reads of a mirror, if there are any: dbmux.control.shadowing.Shadows.find.
    """

    def __init__(
        self, ledger: Path, source: Callable[[], Path | None], shadow_of: Callable[[str], Shadow | None]
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._shadow_of = shadow_of

    def table(self) -> Mapping[str, Answer]:
        """The questions by name."""
        return {
            "mirror.diff": self._diff,
            "mirror.accept": self._accept,
            "mirror.rerun": self._rerun,
            "mirror.report": self._report,
        }

    async def _diff(self, given: Mapping[str, Any]) -> Any:
        """The differences of a mirror in a state, or one of them with its samples."""
        if given.get("id") is not None:
            return await self._use(lambda ledger: shown(ledger, _number(given)))
        state, mirror = _state(given), given.get("mirror")
        return await self._use(lambda ledger: listed(ledger, None if mirror is None else str(mirror), state))

    async def _accept(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Call one known, and write the rule into the configuration, which is then read again by itself."""
        number, why, by = _number(given), given.get("why"), str(given.get("by") or "")
        if not isinstance(why, str) or not why:
            raise Refused("say in `why` that it is harmless, and why")
        source = self._source()
        if source is None:
            raise Refused("there is no configuration file to write the rule into")
        now = time.time()
        write = partial(_write_rule, source)
        entry = await self._use(lambda ledger: accepted(ledger, number, by, now, why, write))
        return asdict(entry) | {"rule": rule_told(entry)}

    async def _rerun(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Run its samples again on both servers."""
        number = _number(given)
        entry, samples = await self._use(lambda ledger: (ledger.entry(number), ledger.samples(number)))
        shadow = self._shadow_of(entry.mirror)
        if shadow is None:
            raise Refused(f"the reads of mirror {entry.mirror} are not compared now; set its `reads`")
        found: dict[str, tuple[Difference, ...]] = {}
        try:
            for sample in samples:
                found[sample.statement] = await shadow.again(entry, sample)
        except DbMuxError as error:
            raise Refused(str(error)) from error
        now = time.time()
        settled = await self._use(lambda ledger: settled_by_running(ledger, entry, found, now))
        told = [{"statement": text, "differences": list(map(asdict, many))} for text, many in found.items()]
        return {"state": str(settled.state), "told": rerun_told(settled, found), "samples": told}

    async def _report(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Whether it is safe to switch, for programs and as Markdown."""
        mirror = str(given.get("mirror") or "")
        document = await self._use(lambda ledger: reported(ledger, mirror, time.time()))
        return as_json_told(document) | {"markdown": markdown(document)}

    async def _use(self, use: Callable[[Ledger], T]) -> T:
        def used() -> T:
            with opened(self._ledger) as ledger:
                return use(ledger)

        try:
            return await asyncio.to_thread(used)
        except (NoEntry, AcceptedAlready, Unusable) as error:
            raise Refused(str(error)) from error


def _write_rule(source: Path, mirror: str, rule: dict[str, Any]) -> None:
    try:
        append(source, ("mirrors", mirror, "expected"), rule, os.environ)
    except (ConfigError, CannotInsert, OSError) as error:
        by_hand = f"write it there by hand, into mirrors.{mirror}.expected: {json.dumps(rule)}"
        raise Refused(f"it is not accepted: no rule was written into {source} ({error}); {by_hand}") from error


def _number(given: Mapping[str, Any]) -> int:
    try:
        return int(given["id"])
    except (KeyError, TypeError, ValueError):
        raise Refused("say which difference is meant: its number as `id`") from None


def _state(given: Mapping[str, Any]) -> State | None:
    told = given.get("state", State.NEW)
    if told == "all":
        return None
    try:
        return State(told)
    except ValueError:
        raise Refused(f"{told!r} is no state; there are {', '.join(State)} and all") from None
