"""Which addresses may try to log in: those where too many logins failed may not, for a time that grows.

Failures and successes come in, by address; out goes for how long one is refused. What it remembers is bounded: the
address whose last failure is longest ago is forgotten first. Never knows a user, and never opens or closes anything.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
# The first time for which an address is refused; doubled by each failure after it.
FIRST_S, LONGEST_S = 1.0, 300.0
# After so long without a failure an address is as good as new.
FORGIVEN_S = 3600.0
ADDRESSES = 10_000


def place_of(host: str) -> str:
    """What counts as one address: that of IPv4, or the /64 network of IPv6, which is what one customer gets."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if address.version == 4 or mapped is not None or address.is_loopback:
        return str(mapped or address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def is_here(place: str) -> bool:
    """Whether it is this machine, which servers do not block either (manual page "Host Cache")."""
    return place == "::1" or place.startswith("127.")


class _Record:
    __slots__ = ("failures", "pause_s", "until")

    def __init__(self) -> None:
        self.failures: deque[float] = deque()
        self.pause_s = 0.0
        self.until = 0.0


class Throttle:
    """`allowed` failures within a minute are; 0 switches it off. `clock` gives seconds that only grow."""

    __slots__ = ("_clock", "_records", "allowed")

    def __init__(self, allowed: int, clock: Callable[[], float]) -> None:
        self.allowed = allowed
        self._clock = clock
        # The address that failed last stands last.
        self._records: dict[str, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def refused_s(self, place: str) -> float:
        """For how much longer logins from there are refused; 0.0 when they may be tried."""
        record = self._records.get(place)
        if record is None or not self.allowed:
            return 0.0
        return max(record.until - self._clock(), 0.0)

    def failed(self, place: str) -> float:
        """A login from there failed; returns for how long others are refused because of it, or 0.0."""
        if not self.allowed:
            return 0.0
        now = self._clock()
        self._forgive(now)
        record = self._records.pop(place, None) or _Record()
        self._records[place] = record
        if len(self._records) > ADDRESSES:
            del self._records[next(iter(self._records))]
        failures = record.failures
        failures.append(now)
        while len(failures) > self.allowed:
            failures.popleft()
        # Logins that were under way when it was refused make it no worse.
        if now < record.until:
            return 0.0
        if record.pause_s:
            record.pause_s = min(2 * record.pause_s, LONGEST_S)
        elif len(failures) == self.allowed and now - failures[0] <= WINDOW_S:
            record.pause_s = FIRST_S
        else:
            return 0.0
        record.until = now + record.pause_s
        return record.pause_s

    def succeeded(self, place: str) -> None:
        """A login from there succeeded: what failed before it is forgotten."""
        self._records.pop(place, None)

    def _forgive(self, now: float) -> None:
        while self._records:
            place, record = next(iter(self._records.items()))
            if now - record.failures[-1] < FORGIVEN_S:
                return
            del self._records[place]
