"""Taking a server out of service and back, or the whole of DbMux out: what `dbmux drain` and `dbmux resume` have done.

The topology and a name come in; plain values go out, as JSON has them, or ValueError with what stands in the way. A
server that is drained takes no more reads; what runs there goes on to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology


def drain(topology: Topology, name: str | None, stop: Callable[[], None]) -> dict[str, Any]:
    """Give a server no more reads; without a name, end DbMux as a signal does."""
    if name is None:
        stop()
        return {"backend": None}
    backend = _find(topology, name)
    writable = [group.name for group in topology.groups.values() if group.has_choice and group.primary is backend]
    if writable:
        raise ValueError(f"{name} is the primary of {', '.join(writable)}: make another server the primary first")
    if not any(backend in group.replicas for group in topology.groups.values()):
        raise ValueError(f"{name} is in no group with another server, which could take its statements")
    backend.drain()
    return {"backend": name, "busy": backend.pool.busy}


def resume(topology: Topology, name: str | None) -> dict[str, Any]:
    """Give a server its share of reads again; without a name, each."""
    some = [_find(topology, name)] if name is not None else list(topology.backends.values())
    resumed = [backend for backend in some if backend.weight != backend.config.weight]
    for backend in resumed:
        backend.weight = backend.config.weight
    return {"backends": [backend.name for backend in resumed]}


def _find(topology: Topology, name: str) -> Backend:
    if name not in topology.backends:
        raise ValueError(f"no backend is called {name!r}; there are {', '.join(topology.backends)}")
    return topology.backends[name]
