"""A scenario comes up whole or not at all, is found again, and its data outlive it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from dbmux.playground import playground
from dbmux.playground.node import PORTS, Node, NodeFailed, is_free
from dbmux.playground.packages import NoServer, parse_wish
from dbmux.playground.playground import NoNode, Places
from dbmux.playground.recipe import Recipe
from dbmux.sync.dumped import BadDump
from tests.playground import programs

# A server outlives what started it, as it does after `up --detach`.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

MYSQL, MARIADB = parse_wish("mysql"), parse_wish("mariadb")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """A machine with both kinds of servers; whatever runs at the end is stopped."""
    path = f"{programs.mysql(tmp_path / 'mysql')}:{programs.mariadb(tmp_path / 'mariadb')}"
    machine = replace(programs.machine(tmp_path), path=path)
    found = Places(data=tmp_path / "data", cache=tmp_path / "cache", machine=machine)
    yield found
    playground.stop(list(playground.nodes(found)))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "schema.sql").write_text("CREATE DATABASE shop;\n")
    return Recipe(
        name="both",
        summary="One of each",
        path=tmp_path,
        nodes={"old": MARIADB, "new": MYSQL},
        accounts={"app": "secret"},
        checks=(),
    )


def ran(places: Places, client: str) -> str:
    folder = places.machine.program(client)
    assert folder is not None
    return Path(folder).with_name(f"{client}.ran").read_text()


class TestUp:
    def test_all_nodes_run_with_accounts_and_data(self, places: Places, recipe: Recipe) -> None:
        said: list[str] = []

        scenario = playground.up(recipe, (), places, said.append)

        old, new = scenario.nodes
        assert (old.name, str(old.software), new.name, str(new.software)) == (
            "old", "mariadb 11.8.2", "new", "mysql 9.1.0",
        )  # fmt: skip
        assert None not in (old.pid, new.pid)
        assert scenario.environment == {"OLD_PORT": str(old.port), "NEW_PORT": str(new.port)}
        assert sorted(line.partition(" (")[0] for line in said) == [
            f"new: mysql 9.1.0 on 127.0.0.1:{new.port}",
            f"old: mariadb 11.8.2 on 127.0.0.1:{old.port}",
        ]
        assert "CREATE USER 'app'@'%' IDENTIFIED BY 'secret';" in ran(places, "mysql")
        assert ran(places, "mariadb").startswith("SET sql_log_bin=0; DELETE FROM mysql.global_priv")
        assert ran(places, "mysql").endswith("CREATE DATABASE shop;\n")

    def test_servers_keep_to_the_ports_that_are_there_for_them(self, places: Places, recipe: Recipe) -> None:
        few = tuple(islice(filter(is_free, reversed(PORTS)), 2))

        scenario = playground.up(recipe, (), replace(places, ports=few), print)

        assert {node.port for node in scenario.nodes} == set(few)

    def test_data_and_ports_outlive_a_stop(self, places: Places, recipe: Recipe) -> None:
        first = playground.up(recipe, (), places, print)
        ports = first.environment
        playground.down(first)

        again = playground.up(recipe, (), places, print)

        assert again.environment == ports
        assert ran(places, "mysql").count("CREATE DATABASE shop") == 1

    def test_what_runs_already_is_left_running(self, places: Places, recipe: Recipe) -> None:
        first = playground.up(recipe, (), places, print)
        pids = [node.pid for node in first.nodes]
        said: list[str] = []

        again = playground.up(recipe, (), places, said.append)

        assert [node.pid for node in again.nodes] == pids
        playground.down(again)
        assert [node.pid for node in first.nodes] == pids
        assert f"new: mysql 9.1.0 runs already on 127.0.0.1:{again.nodes[1].port}" in said

    def test_servers_take_the_place_of_the_recipes_own_and_further_ones_are_named_after_their_version(
        self, places: Places, recipe: Recipe
    ) -> None:
        servers = tuple(map(parse_wish, ("mysql:9", "mysql", "mariadb:11.8", "mysql:9", "mysql:9")))

        scenario = playground.up(recipe, servers, places, print)

        assert [(node.name, node.software.kind) for node in scenario.nodes] == [
            ("old", "mysql"),
            ("new", "mysql"),
            ("mariadb118", "mariadb"),
            ("mysql9", "mysql"),
            ("mysql9_2", "mysql"),
        ]
        assert len(set(scenario.environment.values())) == 5

    def test_two_that_start_the_same_recipe_at_once_share_its_nodes(self, places: Places, recipe: Recipe) -> None:
        others: list[playground.Scenario] = []
        other = threading.Thread(target=lambda: others.append(playground.up(recipe, (), places, print)))
        other.start()

        scenario = playground.up(recipe, (), places, print)
        other.join()

        assert [node.pid for node in scenario.nodes] == [node.pid for node in others[0].nodes]
        assert ran(places, "mysql").count("CREATE DATABASE shop") == 1


class TestFailure:
    def test_a_server_that_cannot_be_had_stops_the_others(self, places: Places, recipe: Recipe) -> None:
        with pytest.raises(NoServer, match="no mysql:5 server is on PATH"):
            playground.up(recipe, (MARIADB, parse_wish("mysql:5")), places, print)

        assert [node.pid for node in playground.nodes(places) if node.pid] == []

    def test_a_server_that_fails_shows_its_log_and_stops_the_others(self, places: Places, recipe: Recipe) -> None:
        program = places.machine.program("mysqld")
        assert program is not None
        programs.program(Path(program).parent, "mysqld", programs.FAILING_SERVER)

        with pytest.raises(NodeFailed, match="the disk is on fire"):
            playground.up(recipe, (), places, print)

        assert [node.pid for node in playground.nodes(places) if node.pid] == []

    def test_what_ran_before_goes_on_when_another_fails(self, places: Places, recipe: Recipe) -> None:
        first = playground.up(recipe, (MARIADB,), places, print)

        with pytest.raises(NoServer):
            playground.up(recipe, (MARIADB, parse_wish("mysql:5")), places, print)

        assert first.nodes[0].pid is not None

    def test_an_interrupted_start_stops_what_it_started(self, places: Places, recipe: Recipe) -> None:
        def interrupt(line: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            playground.up(recipe, (), places, interrupt)

        assert [node.pid for node in playground.nodes(places) if node.pid] == []

    def test_data_whose_seeding_broke_off_are_made_anew_by_the_next_start(self, places: Places, recipe: Recipe) -> None:
        recipe.schema.write_text("CREATE DATABASE shop;\nFAIL;\n")
        with pytest.raises(NodeFailed):
            playground.up(recipe, (MYSQL,), places, print)
        broken = next(iter(playground.nodes(places)))
        (broken.data / "half a table").touch()
        recipe.schema.write_text("CREATE DATABASE shop;\n")

        scenario = playground.up(recipe, (MYSQL,), places, print)

        assert not (scenario.nodes[0].data / "half a table").exists()
        assert scenario.nodes[0].is_seeded


class TestFinding:
    def test_nodes_are_found_running_or_not_until_they_are_wiped(self, places: Places, recipe: Recipe) -> None:
        scenario = playground.up(recipe, (), places, print)
        scenario.nodes[0].stop()

        found = {node.name: node.pid for node in playground.nodes(places)}

        assert found == {"old": None, "new": scenario.nodes[1].pid}
        scenario.nodes[0].wipe()
        assert [node.name for node in playground.nodes(places)] == ["new"]

    def test_a_node_is_called_by_its_name_or_by_recipe_and_name(self, places: Places, recipe: Recipe) -> None:
        playground.up(recipe, (), places, print)

        assert playground.node("old", places).folder == playground.node("both/old", places).folder

    def test_of_two_with_the_same_name_the_running_one_is_meant(self, places: Places, recipe: Recipe) -> None:
        other = replace(recipe, name="other")
        playground.down(playground.up(recipe, (), places, print))
        running = playground.up(other, (), places, print)

        assert playground.node("old", places).folder == running.nodes[0].folder

        playground.down(running)
        with pytest.raises(NoNode, match="several nodes are called 'old'; say which: both/new, both/old, other/new"):
            playground.node("old", places)

    def test_a_name_that_is_none_is_told_those_that_are(self, places: Places, recipe: Recipe) -> None:
        with pytest.raises(NoNode, match="there is no node 'db'; start it: dbmux playground up"):
            playground.node("db", places)
        playground.up(recipe, (), places, print)

        with pytest.raises(NoNode, match="there is no node 'db', only both/new, both/old"):
            playground.node("db", places)

    def test_a_node_that_must_run_and_does_not_is_told(self, places: Places, recipe: Recipe) -> None:
        playground.down(playground.up(recipe, (), places, print))

        with pytest.raises(NoNode, match="node 'old' is stopped; start it: dbmux playground up"):
            playground.running_node("old", places)


class TestLoad:
    def test_each_statement_that_failed_is_told_per_version(
        self, places: Places, recipe: Recipe, tmp_path: Path
    ) -> None:
        scenario = playground.up(recipe, (), places, print)
        dump = tmp_path / "dump.sql"
        dump.write_text("SELECT 1;\nFAIL;\n")
        said: list[str] = []

        assert not playground.load(scenario, [dump], said.append)

        assert said == [
            f"old (mariadb 11.8.2): not all of {dump} is there, 1 statement failed",
            "  line 2: 1064 (42000): no such statement",
            "    FAIL;",
            f"new (mysql 9.1.0): not all of {dump} is there, 1 statement failed",
            "  line 2: 1064 (42000): no such statement",
            "    FAIL;",
        ]

    def test_what_follows_from_a_table_that_was_not_made_is_counted(
        self, places: Places, recipe: Recipe, tmp_path: Path
    ) -> None:
        scenario = playground.up(recipe, (MYSQL,), places, print)
        refusing = (
            'echo "ERROR 1273 (HY000) at line 1: Unknown collation" >&2;'
            'for line in 2 3; do echo "ERROR 1146 (42S02) at line $line: No such table" >&2; done; exit 1'
        )
        programs.program(Path(scenario.nodes[0].software.client[0]).parent, "mysql", refusing)
        dump = tmp_path / "dump.sql"
        dump.write_text("CREATE TABLE shop.t (id INT);\nINSERT INTO shop.t VALUES (1);\nUSE shop;\n")
        said: list[str] = []

        assert not playground.load(scenario, [dump], said.append)

        assert said == [
            f"old (mysql 9.1.0): not all of {dump} is there, 3 statements failed",
            "  line 1: 1273 (HY000): Unknown collation",
            "    CREATE TABLE shop.t (id INT);",
            "    the server does not have this collation; put one that it has in its place in the file, such as "
            "utf8mb4_unicode_520_ci",
            "  and 2 about tables that are not there",
        ]

    def test_a_dump_without_failures_is_fine(self, places: Places, recipe: Recipe, tmp_path: Path) -> None:
        scenario = playground.up(recipe, (MYSQL,), places, print)
        dump = tmp_path / "dump.sql"
        dump.write_text("USE shop;\nSELECT 1;\n")
        said: list[str] = []

        assert playground.load(scenario, [dump], said.append)

        assert said == [f"old (mysql 9.1.0): {dump} loaded, nothing failed"]

    def test_a_file_that_is_no_dump_is_told(self, places: Places, recipe: Recipe, tmp_path: Path) -> None:
        scenario = playground.up(recipe, (MYSQL,), places, print)

        with pytest.raises(BadDump):
            playground.load(scenario, [tmp_path / "none.sql"], print)


def test_a_node_of_an_earlier_life_can_be_stopped(places: Places, recipe: Recipe) -> None:
    pids = [node.pid for node in playground.up(recipe, (), places, print).nodes]
    assert None not in pids

    found = list(playground.nodes(places))
    playground.stop(found)

    assert [isinstance(node, Node) and node.pid for node in found] == [None, None]
