"""Runs DbMux with a cache that has a fault, or with the right one, and tells in the end what the cache did.

A configuration file, a file for the counts, and a fault's name come in from the command line. SIGTERM ends it. It is an
engine of its own rather than `dbmux serve` because the cache is made inside that.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import uvloop

from dbmux.cache.cache import Cache
from dbmux.config import load
from dbmux.config.model import Config
from dbmux.events import Event, QueryFinished, Warned
from dbmux.proxy import Engine
from tests.checker.faults import FAULTS, WITH_REPLICAS

READY = "ready"


async def serve(config: Config, cache: type[Cache]) -> Counter[str]:
    """Serve until SIGTERM, and say when the cache is of use; how often it said what."""
    verdicts: Counter[str] = Counter()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    def emit(event: Event) -> None:
        if isinstance(event, QueryFinished):
            verdicts[event.cache] += 1
        elif isinstance(event, Warned):
            print(event.message, file=sys.stderr)

    async with Engine(config, emit=emit, state_folder=None, make_cache=cache) as engine:
        source = engine.cache.source(config.group_of(config.listen[0]))
        while source.dictionary is None:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0.01)
        print(READY, flush=True)
        await stopping.wait()
        await engine.drain()
    return verdicts


def main(config: str, counts: str, fault: str = "") -> None:
    """Serve, and write the counts."""
    faults = {**FAULTS, **WITH_REPLICAS}
    verdicts = uvloop.run(serve(load.load(Path(config), {}), faults[fault].cache if fault else Cache))
    Path(counts).write_text(json.dumps(verdicts))


if __name__ == "__main__":
    main(*sys.argv[1:])
