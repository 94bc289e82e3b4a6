"""A recipe: a folder that describes a scenario of servers, with its configuration, its data and its check.

recipe.toml comes in; a frozen `Recipe` goes out. Never starts anything.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.playground.packages import Wish, parse_wish
from dbmux.resources import folder


class NoRecipe(DbMuxError):
    """There is no such recipe; the message names those that are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A statement that must give these rows through the proxy, at the listener of each of `groups`."""

    sql: str
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A scenario: servers by node name, accounts by name with their passwords, and checks.

    `primaries` has the node that each replica follows, `logged` those that keep a binary log without a replica.
    """

    name: str
    summary: str
    path: Path
    nodes: Mapping[str, Wish]
    accounts: Mapping[str, str]
    checks: tuple[Check, ...]
    primaries: Mapping[str, str] = field(default_factory=dict)
    logged: frozenset[str] = frozenset()

    @property
    def config(self) -> Path:
        """The configuration of the proxy in front."""
        return self.path / "appconfig.json"

    @property
    def program(self) -> Path:
        """What tries the scenario as a whole, where checks are not enough; not every recipe has one."""
        return self.path / "check.py"

    @property
    def schema(self) -> Path:
        """Tables and seed data for each node."""
        return self.path / "schema.sql"


def names() -> list[str]:
    """All recipes that there are."""
    return sorted(found.parent.name for found in folder("recipes").glob("*/recipe.toml"))


def load(name: str) -> Recipe:
    """Read a recipe by name; raises NoRecipe."""
    path = folder("recipes") / name
    if name not in names():
        raise NoRecipe(f"there is no recipe {name!r}; there are {', '.join(names())}")
    told = tomllib.loads((path / "recipe.toml").read_text(encoding="utf-8"))
    nodes = {node: parse_wish(entry["server"]) for node, entry in told["nodes"].items()}
    primaries = {node: entry["replica_of"] for node, entry in told["nodes"].items() if "replica_of" in entry}
    checks = tuple(
        Check(
            sql=entry["sql"],
            rows=tuple(tuple(str(value) for value in row) for row in entry["rows"]),
            groups=tuple(entry.get("groups", nodes)),
        )
        for entry in told.get("checks", [])
    )
    return Recipe(
        name=name,
        summary=told["summary"],
        path=path,
        nodes=nodes,
        accounts=told.get("accounts", {}),
        checks=checks,
        primaries=primaries,
        logged=frozenset(node for node, entry in told["nodes"].items() if entry.get("binlog", False)),
    )
