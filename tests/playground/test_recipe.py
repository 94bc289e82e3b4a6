"""Recipes are whole: what each says about itself can be read, and what it needs is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmux.address import TcpAddress
from dbmux.config import load as config
from dbmux.config.model import Config
from dbmux.playground.packages import Kind
from dbmux.playground.recipe import NoRecipe, load, names

SCREEN = 24


def test_there_are_recipes() -> None:
    assert {"single", "two-versions"} <= set(names())


def test_a_recipe_is_read_from_its_folder() -> None:
    found = load("two-versions")

    assert [(name, wish.kind) for name, wish in found.nodes.items()] == [("old", Kind.MARIADB), ("new", Kind.MYSQL)]
    assert found.accounts == {"app": "app-password"}
    assert found.checks[0].groups == ("old", "new")
    assert found.primaries == {}


def test_a_node_may_keep_a_binary_log() -> None:
    assert load("query-cache").logged == {"db"}
    assert load("single").logged == frozenset()


def test_a_node_may_be_a_replica_of_another() -> None:
    assert load("replicas").primaries == {"replica1": "primary", "replica2": "primary"}


@pytest.mark.parametrize("name", ["nope", "", "..", "../recipes/single", "/etc"])
def test_a_name_that_is_none_is_told_those_that_are(name: str) -> None:
    with pytest.raises(NoRecipe, match=r"there are .*single, two-versions"):
        load(name)


@pytest.mark.parametrize("name", names())
class TestEachRecipe:
    def test_its_readme_fits_on_a_screen_and_names_the_command(self, name: str) -> None:
        text = (load(name).path / "README.md").read_text(encoding="utf-8")

        assert len(text.splitlines()) <= SCREEN
        assert f"dbmux playground up {name}" in text

    def test_it_has_data_accounts_and_checks_for_each_listener(self, name: str) -> None:
        found = load(name)

        assert "INSERT INTO" in found.schema.read_text(encoding="utf-8")
        assert found.summary
        assert found.accounts
        made = config.load(found.config, {})
        assert {group for check in found.checks for group in check.groups} == set(map(made.group_of, made.listen))

    def test_its_configuration_asks_for_the_ports_of_its_nodes(self, name: str) -> None:
        found = load(name)
        ports = {f"{node.upper()}_PORT": str(40_000 + at) for at, node in enumerate(found.nodes)}

        made = config.load(found.config, ports)

        backends = {backend: address.address for backend, address in made.backends.items()}
        assert backends == {node: TcpAddress("127.0.0.1", 40_000 + at) for at, node in enumerate(found.nodes)}

    def test_it_stays_on_this_machine_and_away_from_port_3306(self, name: str) -> None:
        made = config.load(load(name).config, {})
        addresses = [listen.address for listen in made.listen] + [made.control]
        addresses += [backend.address for backend in made.backends.values()]

        assert all(isinstance(address, TcpAddress) and address.is_local for address in addresses)
        assert 3306 not in [address.port for address in addresses if isinstance(address, TcpAddress)]

    def test_each_node_is_behind_a_listener(self, name: str) -> None:
        found = load(name)
        made = config.load(found.config, {})

        assert {node for listen in made.listen for node in _members(made, made.group_of(listen))} == set(found.nodes)


def _members(made: Config, name: str) -> tuple[str, ...]:
    group = made.groups.get(name)
    return (group.primary, *group.replicas) if group is not None else (name,)


def test_recipes_are_files_that_travel_with_the_package() -> None:
    for name in names():
        found = load(name)
        assert all(Path(path).is_file() for path in (found.config, found.schema, found.path / "recipe.toml"))
