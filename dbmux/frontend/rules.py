"""The configured rules: the first that matches a statement holds.

A statement's meaning, digest and schema come in; the name and the rule go out. What depends on the client alone is
decided once per session, and what depends on the statement once per digest. Never does what a rule says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from fnmatch import fnmatchcase

from dbmux.config.model import Rule
from dbmux.lexer import digest
from dbmux.query import Query

Named = tuple[str, Rule]
# Answers remembered for each kind of client; more are forgotten all at once.
REMEMBERED = 10_000


class Rules:
    """All rules in their order."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = tuple(rules.items())
        self._lenses: dict[tuple[str, ...], Lens] = {}

    def lens(self, user: str, host: str) -> Lens | None:
        """The rules that can match statements of this client; None when there are none."""
        some = tuple((name, rule) for name, rule in self._rules if _is_meant(rule, user, host))
        if not some:
            return None
        names = tuple(name for name, _ in some)
        if names not in self._lenses:
            self._lenses[names] = Lens(some)
        return self._lenses[names]


class Lens:
    """The rules for one kind of client."""

    def __init__(self, rules: tuple[Named, ...]) -> None:
        self._rules = tuple((name, rule, digest((rule.digest or "").encode(), 0, 0)) for name, rule in rules)
        self._known: dict[tuple[bytes, bytes], Named | None] = {}

    def match(self, query: Query, key: bytes, schema: bytes) -> Named | None:
        """The first rule that matches; `key` is the statement's digest, `schema` the session's."""
        known = (key, schema)
        if known in self._known:
            return self._known[known]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        found = next((named for named in self._matching(query, key, schema.decode("utf-8", "replace"))), None)
        if query.is_digest_wide:
            self._known[known] = found
        return found

    def _matching(self, query: Query, key: bytes, schema: str) -> list[Named]:
        return [
            (name, rule)
            for name, rule, wanted in self._rules
            if (rule.schema_ is None or rule.schema_ == schema)
            and (rule.kind is None or query.kind in rule.kind)
            and (rule.digest is None or wanted == key)
            and (rule.table is None or any(_is_table(name, rule.table, schema) for name in query.tables))
        ]


def _is_meant(rule: Rule, user: str, host: str) -> bool:
    if rule.user is not None and rule.user != user:
        return False
    if rule.client is None:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]) in rule.client
    except ValueError:
        # A client of a Unix socket has no address.
        return False


def _is_table(written: str, pattern: str, schema: str) -> bool:
    name = written if "." in written else f"{schema}.{written}"
    return fnmatchcase(name.replace("`", "").lower(), pattern.lower())
