"""A replica gets the options of one, follows its primary, and says what keeps it from that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbmux.playground import playground
from dbmux.playground.node import NodeFailed
from dbmux.playground.packages import Wish, parse_wish
from dbmux.playground.playground import Places
from dbmux.playground.recipe import Recipe
from tests.playground import programs

# A server outlives what started it, as it does after `up --detach`.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

MYSQL, MARIADB = parse_wish("mysql"), parse_wish("mariadb")
# A client whose server follows as told here.
CLIENT = """
input=$(cat)
echo "$input" >> "$HERE/{name}.ran"
case $input in
  *STATUS*) cat "$HERE/status";;
  *WAIT*) echo 0;;
esac
"""
RUNS = "   {word}_IO_Running: Yes\n  {word}_SQL_Running: Yes\n   Last_IO_Error: \n  Last_SQL_Error: \n"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """A machine with both kinds of servers, whose replicas follow."""
    folders = programs.mysql(tmp_path / "mysql"), programs.mariadb(tmp_path / "mariadb")
    for folder, client, word in zip(folders, ("mysql", "mariadb"), ("Replica", "Slave"), strict=True):
        programs.program(folder, client, CLIENT.format(name=client))
        (folder / "status").write_text(RUNS.format(word=word))
    machine = replace(programs.machine(tmp_path), path=":".join(map(str, folders)))
    found = Places(data=tmp_path / "data", cache=tmp_path / "cache", machine=machine)
    yield found
    playground.stop(list(playground.nodes(found)))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "schema.sql").write_text("CREATE DATABASE shop;\n")
    return Recipe(
        name="pair",
        summary="A primary and a replica",
        path=tmp_path,
        nodes={"one": MARIADB, "two": MARIADB},
        accounts={"app": "secret"},
        checks=(),
        primaries={"two": "one"},
    )


def kept(places: Places, program: str, suffix: str) -> str:
    path = places.machine.program(program)
    assert path is not None
    return Path(path).with_name(f"{program}.{suffix}").read_text()


@pytest.mark.parametrize(
    "wish, server, client, read_only, command",
    [
        (MARIADB, "mariadbd", "mariadb", "--read-only=ON", "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="),
        (MYSQL, "mysqld", "mysql", "--super-read-only=ON", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', "),
    ],
    ids=["mariadb", "mysql"],
)
def test_a_replica_is_read_only_and_follows(
    wish: Wish, server: str, client: str, read_only: str, command: str, places: Places, recipe: Recipe
) -> None:
    scenario = playground.up(recipe, (wish,), places, print)

    starts = sorted(kept(places, server, "starts").splitlines(), key=lambda line: "--server-id=2" in line)
    assert [("--server-id=1" in line, read_only in line.split()) for line in starts] == [(True, False), (False, True)]
    ran = kept(places, client, "ran")
    assert command in ran
    assert f"_PORT={scenario.nodes[0].port}," in ran
    # Data and accounts are made at the primary alone.
    assert ran.count("CREATE DATABASE shop;") == ran.count("CREATE USER 'app'") == 1


def test_a_node_without_replicas_may_keep_a_log(places: Places, recipe: Recipe) -> None:
    alone = replace(recipe, nodes={"one": MARIADB}, primaries={}, logged=frozenset({"one"}))

    (node,) = playground.up(alone, (), places, print).nodes

    assert "--log-bin=binlog" in node.options


def test_a_node_that_is_found_again_is_known_for_a_replica(places: Places, recipe: Recipe) -> None:
    playground.up(recipe, (), places, print)

    assert [(node.name, node.primary) for node in playground.nodes(places)] == [("one", ""), ("two", "one")]


def test_replicas_that_follow_already_are_left_alone(places: Places, recipe: Recipe) -> None:
    playground.up(recipe, (), places, print)

    playground.up(recipe, (), places, print)

    assert kept(places, "mariadb", "ran").count("CHANGE MASTER") == 1


def test_after_a_stop_they_follow_again(places: Places, recipe: Recipe) -> None:
    playground.down(playground.up(recipe, (), places, print))

    playground.up(recipe, (), places, print)

    assert kept(places, "mariadb", "ran").count("CHANGE MASTER") == 2


def test_an_error_of_replication_is_told_with_what_to_do_and_stops_all(places: Places, recipe: Recipe) -> None:
    program = places.machine.program("mariadb")
    assert program is not None
    Path(program).with_name("status").write_text("Last_IO_Error: \nLast_SQL_Error: Can't create user 'app'\n")

    with pytest.raises(
        NodeFailed, match=r"^two does not follow: Can't create user 'app'; start again from nothing: .* --wipe$"
    ):
        playground.up(recipe, (), places, print)

    assert [node.pid for node in playground.nodes(places) if node.pid] == []


def test_a_replica_of_another_kind_than_its_primary_is_refused(places: Places, recipe: Recipe) -> None:
    with pytest.raises(NodeFailed, match="two cannot be mysql as a replica of one, which is mariadb; give --server"):
        playground.up(recipe, (MARIADB, MYSQL), places, print)


def test_a_dump_goes_to_replicas_through_their_primary(places: Places, recipe: Recipe, tmp_path: Path) -> None:
    scenario = playground.up(recipe, (MYSQL,), places, print)
    dump = tmp_path / "dump.sql"
    dump.write_text("USE shop;\nCREATE TABLE mine (id INT);\n")
    said: list[str] = []

    assert playground.load(scenario, [dump], said.append)

    assert said == [
        f"one (mysql 9.1.0): {dump} loaded, nothing failed",
        "two (mysql 9.1.0): has what one has",
    ]
    assert kept(places, "mysql", "ran").count("CREATE TABLE mine") == 1
    assert playground.log_ends(scenario) == {}


@pytest.mark.parametrize(
    "wish, question", [(MARIADB, "SHOW MASTER STATUS"), (MYSQL, "SHOW BINARY LOG STATUS")], ids=["mariadb", "mysql"]
)
def test_where_a_log_without_replicas_ends_is_told(
    wish: Wish, question: str, places: Places, recipe: Recipe, tmp_path: Path
) -> None:
    for folder in ("mysql", "mariadb/bin"):
        if (status := tmp_path / folder / "status").parent.is_dir():
            status.write_text("binlog.000012\t4711\t\t\n")
    alone = replace(recipe, nodes={"one": wish}, primaries={}, logged=frozenset(("one",)))

    scenario = playground.up(alone, (), places, print)

    assert playground.log_ends(scenario) == {"one": "binlog.000012:4711"}
    assert question in kept(places, str(wish.kind), "ran")
