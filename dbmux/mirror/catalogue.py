"""Which differences between two versions are expected, and why each of them is harmless.

The list that ships (expected.toml) and the rules of a configuration come in; for a difference, the rule that expects it
goes out, or None. A rule holds in both directions of its pair of servers. Pure: nothing is asked, nothing is learnt.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from itertools import zip_longest
from typing import Any

from dbmux.config.model import ExpectedDifference
from dbmux.differences import DifferenceKind
from dbmux.errors import DbMuxError
from dbmux.lexer import digest
from dbmux.mirror.compare import Difference

FILE = "expected.toml"
# Of a statement, so much is compared with patterns.
LOOKED_AT = 4096
_KEYS = frozenset(
    (
        "name",
        "between",
        "kinds",
        "types",
        "column",
        "statement",
        "digest",
        "source",
        "target",
        "codes",
        "why",
        "by",
        "since",
    )
)
_SERVER = re.compile(r"(mariadb|mysql)(?:(>=|<)(\d+(?:\.\d+)*))?")


class BadRule(DbMuxError):
    """A rule cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Those of a family, from a version on or before one."""

    family: str
    comparison: str = ""
    version: tuple[int, ...] = ()

    def has(self, server: str) -> bool:
        """Whether a server is one of them, called such as `mariadb 10.11.6`."""
        family, _, told = server.partition(" ")
        if family != self.family or not self.comparison:
            return family == self.family
        numbers = tuple(int(part) for part in re.findall(r"\d+", told)[:4])
        is_since = _padded(numbers, self.version) >= _padded(self.version, numbers)
        return is_since if self.comparison == ">=" else not is_since


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A kind of difference that is expected where all of this holds; what is left out always does.

    `between` are the two sorts of servers, in either direction: `source` and `target` are patterns for what the first
    and the second of them say, `types` and `codes` the pairs that they tell. `statement` is a pattern, `digests` are
    whole ones.
    """

    name: str
    why: str
    kinds: frozenset[DifferenceKind]
    between: tuple[Servers, Servers] | None = None
    types: frozenset[tuple[str, str]] = frozenset()
    column: str = ""
    statement: re.Pattern[str] | None = None
    digests: frozenset[str] = frozenset()
    source: re.Pattern[str] | None = None
    target: re.Pattern[str] | None = None
    codes: frozenset[tuple[int, int]] = frozenset()

    def expects(self, difference: Difference, statement: str, its_digest: str = "") -> bool:
        """Whether it is about this difference in the answer to this statement."""
        if difference.kind not in self.kinds or (self.digests and its_digest not in self.digests):
            return False
        if (self.types and difference.types not in self.types) or (self.codes and difference.codes not in self.codes):
            return False
        if self.column and self.column != difference.column:
            return False
        patterns = (self.statement, statement[:LOOKED_AT]), (self.source, difference.source)
        return all(
            pattern is None or pattern.search(text) is not None
            for pattern, text in (*patterns, (self.target, difference.target))
        )

    @property
    def turned(self) -> Rule:
        """The same seen from the other side."""
        kinds = {
            DifferenceKind.ERROR_AT_SOURCE: DifferenceKind.ERROR_AT_TARGET,
            DifferenceKind.ERROR_AT_TARGET: DifferenceKind.ERROR_AT_SOURCE,
        }
        kinds |= {
            DifferenceKind.MISSING_ROW: DifferenceKind.EXTRA_ROW,
            DifferenceKind.EXTRA_ROW: DifferenceKind.MISSING_ROW,
        }
        return replace(
            self,
            kinds=frozenset(kinds.get(kind, kind) for kind in self.kinds),
            types=frozenset((second, first) for first, second in self.types),
            codes=frozenset((second, first) for first, second in self.codes),
            source=self.target,
            target=self.source,
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """The rules that hold between two given servers."""

    rules: tuple[Rule, ...] = ()

    def rule_for(self, difference: Difference, statement: str, its_digest: str = "") -> Rule | None:
        """The first that expects this difference."""
        return next((rule for rule in self.rules if rule.expects(difference, statement, its_digest)), None)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Rules for any servers."""

    rules: tuple[Rule, ...] = ()

    def between(self, source: str, target: str) -> Expected:
        """Those that hold from one server to the other, called such as `mysql 8.0.36`."""
        return Expected(tuple(_holding(self.rules, source, target)))

    def extended(self, rules: Iterable[Rule]) -> Catalogue:
        """With more rules, which come first."""
        return Catalogue((*rules, *self.rules))


def shipped() -> Catalogue:
    """What is known of the versions that DbMux was tried with."""
    text = resources.files(__package__ or "dbmux.mirror").joinpath(FILE).read_text("utf-8")
    return Catalogue(tuple(rule_of(entry) for entry in tomllib.loads(text)["expected"]))


def configured(mirror: str, expected: Iterable[ExpectedDifference]) -> tuple[Rule, ...]:
    """The rules of a mirror's configuration, each named by where it stands."""
    return tuple(
        rule_of(one.model_dump(mode="json", exclude_defaults=True) | {"name": f"mirrors.{mirror}.expected[{at}]"})
        for at, one in enumerate(expected)
    )


def rule_of(entry: Mapping[str, Any]) -> Rule:
    """A rule as a file has it; raises BadRule."""
    name = str(entry.get("name") or entry.get("digest") or "a rule without a name")
    try:
        if unknown := entry.keys() - _KEYS:
            raise ValueError(f"it has an unknown key {min(unknown)!r}; known are {', '.join(sorted(_KEYS))}")
        if not entry.get("kinds"):
            raise ValueError(f"say in `kinds` what it expects: {', '.join(DifferenceKind)}")
        if not entry.get("why"):
            raise ValueError("say in `why` that it is harmless, and why")
        return Rule(
            name=name,
            why=str(entry["why"]),
            kinds=frozenset(map(DifferenceKind, entry["kinds"])),
            between=_between(entry.get("between")),
            types=_pairs(entry.get("types", ()), str),
            column=str(entry.get("column", "")),
            statement=_pattern(entry.get("statement")),
            digests=_digests(str(entry.get("digest", ""))),
            source=_pattern(entry.get("source")),
            target=_pattern(entry.get("target")),
            codes=_pairs(entry.get("codes", ()), int),
        )
    except (ValueError, TypeError, re.error) as error:
        raise BadRule(f"expected difference {name!r}: {error}") from error


def _digests(told: str) -> frozenset[str]:
    # It may be a statement, or a digest as `accept` writes it, whose `?` are literals and no placeholders.
    if not told:
        return frozenset()
    read = digest(told.encode(), 0, 0).decode("utf-8", "replace")
    return frozenset((told, read, read.replace("??", "?")))


def _between(told: Any) -> tuple[Servers, Servers] | None:
    if told is None:
        return None
    if len(told) != 2:
        raise ValueError("`between` names two sorts of servers")
    first, second = (_servers(str(one)) for one in told)
    return first, second


def _servers(told: str) -> Servers:
    match = _SERVER.fullmatch(told)
    if match is None:
        raise ValueError(f"{told!r} is no sort of servers; write such as mariadb, mysql>=8 or mysql<8.4")
    family, comparison, version = match.groups()
    return Servers(family, comparison or "", tuple(map(int, version.split("."))) if version else ())


def _pairs(told: Iterable[Any], of: type[Any]) -> frozenset[Any]:
    pairs = frozenset(tuple(map(of, pair)) for pair in told)
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("each of its types and codes is a pair: of the first server, and of the second")
    return pairs


def _pattern(told: Any) -> re.Pattern[str] | None:
    return None if told is None else re.compile(str(told), re.IGNORECASE | re.DOTALL)


def _holding(rules: Iterable[Rule], source: str, target: str) -> Iterable[Rule]:
    for rule in rules:
        if rule.between is None:
            yield rule
            continue
        first, second = rule.between
        if first.has(source) and second.has(target):
            yield rule
        if first.has(target) and second.has(source):
            yield rule.turned


def _padded(numbers: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one for one, _ in zip_longest(numbers, other, fillvalue=0))
