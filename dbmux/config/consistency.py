"""How the parts of a configuration fit together: names that must exist, addresses that must differ, files without use.

Plain values come in as they stand in the file, right or wrong: each that has not the form it should is passed over, for
the model tells that. Problems go out with their paths, so that all are told at once.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator

from dbmux.address import Address, TcpAddress
from dbmux.config import values
from dbmux.config.jsonc import Path, Problem, Value
from dbmux.config.units import seconds

Placed = Iterable[tuple[Path, Address]]

_EVERYWHERE = ("0.0.0.0", "::")
_MOST_NAMES = 10


def inconsistencies(value: Value) -> Iterator[Problem]:
    """Everything that does not fit together."""
    yield from _names(value)
    yield from _cache(value)
    yield from _mirrors(value)
    yield from _admins(value)
    yield from _log(value)
    yield from clashes([*_listen_addresses(value), *_control_address(value)], _backend_addresses(value))
    for name in _section(value, "backends"):
        yield from _backend_tls(value, name)
    if "key" in _section(value, "tls") and "certificate" not in _section(value, "tls"):
        yield ("tls", "key"), 'has no use without "certificate"'


def _admins(value: Value) -> Iterator[Problem]:
    for name in _section(value, "admins"):
        if name in _section(value, "users"):
            yield ("admins", name), "a user has this name already; an admin logs in to DbMux itself, so choose another"


def _log(value: Value) -> Iterator[Problem]:
    log = value.get("log") if isinstance(value, dict) else None
    sections = {"queries": log} if isinstance(log, str) else _section(value, "log")
    files = [one.get("file") if isinstance(one, dict) else one for one in map(sections.get, ("queries", "slow"))]
    if files[0] is not None and files[0] == files[1]:
        yield ("log", "slow"), f"{files[0]!r} is written by `log.queries` already; choose another file"


def clashes(opening: Placed, backends: Placed) -> Iterator[Problem]:
    """Addresses that are opened twice, or that would have DbMux connect to itself."""
    opened: set[Address] = set()
    for path, address in opening:
        if address in opened:
            yield path, f"{address} is a listen address already; choose another"
        if getattr(address, "port", None) != 0:
            opened.add(address)
    for path, address in backends:
        if address in opened or _on_all_interfaces(address) & opened:
            yield path, f"{address} is DbMux's own address; write the server's, or have DbMux listen elsewhere"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: one that begins like it, or that differs little."""
    names = list(known)
    begun = [one for one in names if len(name) > 2 and one.startswith(name)]
    near = begun or difflib.get_close_matches(name, names, n=1)
    return near[0] if near else None


def instead(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: what was probably meant, or what there is."""
    names = list(known)
    if near := nearest(name, names):
        return f"did you mean {near!r}?"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"there are {', '.join(names[:_MOST_NAMES])}{more}"


def _names(value: Value) -> Iterator[Problem]:
    backends, groups = _section(value, "backends"), _section(value, "groups")
    if not backends:
        return
    for group, written in groups.items():
        if group in backends:
            yield ("groups", group), "a backend has this name already; choose another"
        yield from _members(value, group, written if isinstance(written, dict) else {"primary": written})
    for address, chosen in _section(value, "listen").items():
        if chosen is None:
            yield ("listen", address), "the group or backend that it serves is expected"
    yield from _routes(value, [*groups, *backends])
    yield from _torn(groups)
    for path, group_name in _chosen_groups(value):
        if group_name not in backends and group_name not in groups:
            what = f"no group or backend is called {group_name!r}; {instead(group_name, {**groups, **backends})}"
            yield path, what
    yield from _undecided(value, "groups" if groups else "backends")


def _torn(groups: dict[str, Value]) -> Iterator[Problem]:
    # How far a replica is behind is known of one primary.
    primaries: dict[str, Value] = {}
    for group, written in groups.items():
        if not isinstance(written, dict):
            continue
        for at, replica in enumerate(_list(written.get("replicas"))):
            if isinstance(replica, str) and primaries.setdefault(replica, written.get("primary")) != written.get(
                "primary"
            ):
                yield ("groups", group, "replicas", at), f"{replica!r} is the replica of another primary already"


def _routes(value: Value, names: list[str]) -> Iterator[Problem]:
    is_relayed = _is_relayed(value)
    for rule, written in _section(value, "rules").items():
        route = written.get("route") if isinstance(written, dict) else None
        if not isinstance(route, str):
            continue
        name, _, role = route.rpartition(".")
        path: Path = ("rules", rule, "route")
        if route not in names and (role not in ("primary", "replica") or name not in names):
            yield (
                path,
                f"no route is called {route!r}; {instead(name if role in ('primary', 'replica') else route, names)}",
            )
        elif is_relayed:
            yield path, 'a relayed login is good for one server only; write "login": "learn", or name the `users`'


def _members(value: Value, group: str, written: dict[str, Value]) -> Iterator[Problem]:
    backends = _section(value, "backends")
    path: Path = ("groups", group)
    replicas = _list(written.get("replicas"))
    named: set[str] = set()
    for place, member in [
        ((*path, "primary"), written.get("primary")),
        *(((*path, "replicas", at), name) for at, name in enumerate(replicas)),
    ]:
        if not isinstance(member, str):
            continue
        if member not in backends:
            yield place, f"no backend is called {member!r}; {instead(member, backends)}"
        elif member in named:
            yield place, f"{member!r} is in this group already; name each server once"
        named.add(member)
    if written.get("roles") == "auto" and not _section(value, "service"):
        yield (*path, "roles"), "needs the `service` account, which asks the servers whether they are read-only"
    if replicas and _is_relayed(value):
        yield (
            (*path, "replicas"),
            "a relayed login is good for one server only, so its sessions cannot read from replicas; "
            'write "login": "learn", or name the `users`',
        )


def _cache(value: Value) -> Iterator[Problem]:
    tables = _section(value, "cache", "tables")
    policies: list[tuple[Path, Value]] = [(("cache", "tables", name), policy) for name, policy in tables.items()]
    written: dict[str, str] = {}
    for name in tables:
        yield from _pattern(("cache", "tables", name), name)
        first = written.setdefault(name.lower(), name)
        if first != name:
            yield ("cache", "tables", name), f"{first!r} is the same table: case makes no difference; remove one"
    policies += [
        (("rules", name, "cache"), _section(value, "rules", name).get("cache")) for name in _section(value, "rules")
    ]
    stored = [path for path, policy in policies if policy is not False and policy is not None]
    for path, policy in policies:
        if isinstance(policy, dict):
            yield from _soft_ttl(path, policy)
    if not stored:
        return
    path = ("cache", "tables") if stored[0][0] == "cache" else stored[0]
    if not _section(value, "service"):
        yield path, "needs the `service` account, which reads what tables, triggers and views there are"
    if _is_relayed(value):
        yield (
            path,
            (
                "sessions with a relayed login keep a connection of their own and are not answered from memory; "
                'write "login": "learn", or name the `users`'
            ),
        )


def _mirrors(value: Value) -> Iterator[Problem]:
    backends, groups = _section(value, "backends"), _section(value, "groups")
    mirrors = _section(value, "mirrors")
    for name in mirrors:
        path: Path = ("mirrors", name)
        mirror = _section(value, "mirrors", name)
        source, target = mirror.get("from"), mirror.get("to")
        for key, wanted, known in (("from", source, {**backends, **groups}), ("to", target, backends)):
            if isinstance(wanted, str) and wanted not in known:
                yield (*path, key), f"no backend is called {wanted!r}; {instead(wanted, known)}"
        if isinstance(source, str) and target in _servers(value, source):
            yield (*path, "to"), f"{target!r} is where the writes come from; a mirror needs a second server"
        for at, pattern in enumerate(_list(mirror.get("tables"))):
            if isinstance(pattern, str):
                yield from _pattern((*path, "tables", at), pattern)
    if mirrors and not _section(value, "service"):
        yield ("mirrors",), "needs the `service` account, which reads the source's binlog and writes to the target"


def _servers(value: Value, name: str) -> list[Value]:
    group = _section(value, "groups").get(name)
    if group is None:
        return [name]
    members = group if isinstance(group, dict) else {"primary": group}
    return [members.get("primary"), *_list(members.get("replicas"))]


def _pattern(path: Path, name: str) -> Iterator[Problem]:
    schema, dot, table = name.partition(".")
    if "*" in name[:-1] or not (name.endswith("*") or (schema and dot and table)):
        yield path, 'a table is written as "shop.products", all of a schema as "shop.*", with a * at the end only'


def _soft_ttl(path: Path, policy: dict[str, Value]) -> Iterator[Problem]:
    with contextlib.suppress(ValueError):
        if seconds(policy.get("soft_ttl")) >= seconds(policy.get("ttl")):
            yield (*path, "soft_ttl"), "has no effect unless it is shorter than ttl"


def _is_relayed(value: Value) -> bool:
    return not _section(value, "users") and _login(value) != "learn"


def _list(value: Value) -> list[Value]:
    return list(value) if isinstance(value, tuple | list) else []


def _login(value: Value) -> Value:
    return value.get("login") if isinstance(value, dict) else None


def _chosen_groups(value: Value) -> Iterator[tuple[Path, str]]:
    for address, group in _section(value, "listen").items():
        if isinstance(group, str):
            yield ("listen", address), group
    default = value.get("default") if isinstance(value, dict) else None
    if isinstance(default, str):
        yield ("default",), default


def _undecided(value: Value, kind: str) -> Iterator[Problem]:
    assert isinstance(value, dict)
    names = _section(value, kind)
    is_mapped = isinstance(value.get("listen"), dict)
    if len(names) > 1 and not is_mapped and value.get("default") is None:
        shown = ", ".join(list(names)[:_MOST_NAMES])
        yield (kind,), f'several could serve ({shown}); say which with "default", or map each listen address to one'


def _backend_tls(value: Value, name: str) -> Iterator[Problem]:
    path: Path = ("backends", name, "tls")
    tls = _section(value, *path)
    if "key" in tls and "certificate" not in tls:
        yield (*path, "key"), 'has no use without "certificate"'
    if "ca" in tls and tls.get("mode") not in ("verify_ca", "verify_identity"):
        yield (*path, "ca"), 'has no use without "mode": "verify_ca" or "verify_identity"'


def _listen_addresses(value: Value) -> Placed:
    written = value.get("listen") if isinstance(value, dict) else None
    if isinstance(written, dict):
        return _addresses(((("listen", text), text) for text in written), values.DEFAULT_PORT)
    return _addresses([(("listen",), written or f"127.0.0.1:{values.DEFAULT_PORT}")], values.DEFAULT_PORT)


def _control_address(value: Value) -> Placed:
    written = value.get("control") if isinstance(value, dict) else None
    return _addresses([(("control",), written)], values.CONTROL_PORT)


def _backend_addresses(value: Value) -> Placed:
    backends = _section(value, "backends").items()
    written = (
        (("backends", name, "address"), backend.get("address") if isinstance(backend, dict) else backend)
        for name, backend in backends
    )
    return _addresses(written, values.BACKEND_PORT)


def _addresses(written: Iterable[tuple[Path, Value]], default_port: int) -> Placed:
    for path, text in written:
        if isinstance(text, str):
            with contextlib.suppress(ValueError):
                yield path, values.read_address(text, default_port)


def _on_all_interfaces(address: Address) -> set[Address]:
    if isinstance(address, TcpAddress) and address.is_local:
        return {TcpAddress(host, address.port) for host in _EVERYWHERE}
    return set()


def _section(value: Value, *path: str | int) -> dict[str, Value]:
    for step in path:
        value = value.get(str(step)) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
