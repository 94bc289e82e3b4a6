"""What can be asked of a running DbMux, and ordered."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dbmux.feed.feed import Refused
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.config.serving import Serving, run, servers, serving, write
from tests.fakes import PASSWORD, FakeBackend, TestClient, client, connect, row, select

USERS = {"app": PASSWORD.decode()}


async def logged_in(served: Serving) -> TestClient:
    return await client(served.port())


async def asked(served: Serving, question: str, /, **given: Any) -> Any:
    """The answer, as it comes out of JSON."""
    return json.loads(json.dumps(await served.feed.ask(question, given)))


def test_what_ran_can_be_looked_at(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config = {"backends": {"db": db}, "users": USERS}
            async with serving(tmp_path / "appconfig.json", config) as served:
                one = await logged_in(served)
                await one.ask(Command.QUERY, b"SELECT 1")
                await one.ask(Command.QUERY, b"SELECT  2")

                row = await asked(served, "row", seq=1)
                (top,) = await asked(served, "top")
                steps = {step["about"]: step for step in await asked(served, "why", seq=1)}
                status = await asked(served, "status")

                assert (row["sql"], row["user"], row["backend"]) == ("SELECT  2", "app", "db")
                assert (top["text"], top["calls"], top["share"]) == ("SELECT ?", 2, 1.0)
                assert re.search(r"appconfig\.json:1:\d+$", steps["route"]["place"])
                assert (status["clients"], status["statements"], status["config"]["version"]) == (1, 2, 1)
                one.close()

    run(scenario)


def test_a_statement_that_is_not_kept_is_refused_with_those_that_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,), serving(tmp_path / "a.json", {"backends": {"db": db}}) as served:
            with pytest.raises(Refused, match="statement 7 is not kept any more"):
                await served.feed.ask("why", {"seq": 7})
            with pytest.raises(Refused, match="'seq' is missing"):
                await served.feed.ask("why")

    run(scenario)


def test_an_earlier_configuration_can_be_put_in_force_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config: dict[str, Any] = {"backends": {"db": db}, "timeouts": {"drain": "1s"}}
            async with serving(tmp_path / "a.json", config) as served:
                await served.reload({**config, "limits": {"clients": 5}})

                told = await asked(served, "config.roll_back", version=1)

                assert told == {"changes": ["limits.clients changed"]}
                assert served.engine.config.limits.clients == 10_000
                versions = await asked(served, "config.versions")
                assert [(one["version"], one["changes"]) for one in versions] == [
                    (3, ["limits.clients changed"]),
                    (2, ["limits.clients changed"]),
                    (1, []),
                ]
                with pytest.raises(Refused, match="version 9 is not kept"):
                    await served.feed.ask("config.roll_back", {"version": 9})

    run(scenario)


def test_places_in_an_earlier_configuration_say_which_version_has_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config: dict[str, Any] = {"backends": {"db": db}, "users": USERS}
            async with serving(tmp_path / "a.json", config) as served:
                one = await logged_in(served)
                await served.reload({**config, "limits": {"clients": 5}})
                await asked(served, "config.roll_back", version=1)
                await one.ask(Command.QUERY, b"SELECT 1")
                steps = {step["about"]: step for step in await asked(served, "why", seq=0)}
                # The third is the first again.
                await asked(served, "config.roll_back", version=3)
                told = (await asked(served, "status"))["config"]
                one.close()

                assert re.search(r"a\.json:1:\d+ in version 1$", steps["route"]["place"])
                assert told["source"] == f"version 1 of {served.file}"
                assert (told["file"], told["again"], told["version"]) == (str(served.file), 1, 4)

    run(scenario)


def test_what_is_wrong_with_the_file_is_told_until_it_is_mended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config: dict[str, Any] = {"backends": {"db": db}}
            async with serving(tmp_path / "a.json", config) as served:
                await served.reload({**config, "limit": {}})
                broken = (await asked(served, "status"))["config"]["problems"]
                await served.reload({**config, "limits": {"clients": 5}})
                mended = (await asked(served, "status"))["config"]["problems"]

                assert len(broken) == 1 and "unknown key" in broken[0]
                assert mended == []

    run(scenario)


def test_values_are_told_with_their_places(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            servers(FakeBackend()) as (db,),
            serving(tmp_path / "a.json", {"backends": {"db": db}, "users": USERS}) as served,
        ):
            found = {one["path"]: one for one in await asked(served, "config")}

            assert found["users.app.password"]["value"] == "(hidden)"
            assert found["limits.clients"]["line"] == 0

    run(scenario)


def test_a_session_can_be_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            servers(FakeBackend()) as (db,),
            serving(tmp_path / "a.json", {"backends": {"db": db}, "users": USERS}) as served,
        ):
            await logged_in(served)
            (session,) = await asked(served, "clients")

            await asked(served, "kill", session=session["id"], what="connection")

            assert await asked(served, "clients") == []
            with pytest.raises(Refused, match="no session has the number"):
                await served.feed.ask("kill", {"session": session["id"]})

    run(scenario)


def test_an_admin_at_the_sql_door_can_be_sent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            servers(FakeBackend()) as (db,),
            serving(tmp_path / "a.json", {"backends": {"db": db}, "admins": {"ops": "topsecret"}}) as served,
        ):
            await connect(served.port(), b"topsecret", user=b"ops")
            (session,) = await asked(served, "clients")
            with pytest.raises(Refused, match="nothing runs for"):
                await served.feed.ask("kill", {"session": session["id"], "what": "query"})

            await asked(served, "kill", session=session["id"], what="connection")

            assert await asked(served, "clients") == []

    run(scenario)


class Sleeper(FakeBackend):
    """A server whose `SELECT 1` runs until it is killed."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer, gates={b"SELECT 1": asyncio.Event()})

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"KILL"):
            self.gates[b"SELECT 1"].set()
            return protocol.send_ok(Ok())
        if command.body == b"SELECT 1":
            return protocol.send_err(Err(number=1317, sqlstate=b"70100", message=b"Query execution was interrupted"))
        return select(protocol, command)


def test_what_runs_for_a_session_is_stopped_once_and_the_session_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            servers(sleeper := Sleeper()) as (db,),
            serving(tmp_path / "a.json", {"backends": {"db": db}, "users": USERS}) as served,
        ):
            one = await logged_in(served)
            (session,) = await asked(served, "clients")
            with pytest.raises(Refused, match="nothing runs"):
                await served.feed.ask("kill", {"session": session["id"]})
            running = asyncio.ensure_future(one.ask(Command.QUERY, b"SELECT 1"))
            while (Command.QUERY, b"SELECT 1") not in sleeper.commands:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await asked(served, "kill", session=session["id"], what="query")
            (told,) = await running

            assert isinstance(told, Err)
            assert told.number == 1317
            assert Row(row(b"SELECT 2")) in await one.ask(Command.QUERY, b"SELECT 2")
            assert [body for _, body in sleeper.commands if body.startswith(b"KILL")] == [b"KILL QUERY 7"]
            one.close()

    run(scenario)


def test_a_reload_can_be_ordered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config: dict[str, Any] = {"backends": {"db": db}}
            async with serving(tmp_path / "a.json", config) as served:
                write(tmp_path / "a.json", {**config, "limits": {"clients": 7}})

                told = await asked(served, "config.reload")

                assert told == {"changes": ["limits.clients changed"]}
                assert served.engine.config.limits.clients == 7
                assert (await asked(served, "status"))["config"]["version"] == 2
                write(tmp_path / "a.json", {**config, "limit": {}})
                with pytest.raises(Refused, match="limit: unknown key"):
                    await served.feed.ask("config.reload")

    run(scenario)


@pytest.mark.parametrize(
    "what", ["status", "pulse", "clients", "routes", "pools", "cache", "cache.entries", "top", "config", "resume"]
)
def test_every_question_has_an_answer_in_json(what: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,), serving(tmp_path / "a.json", {"backends": {"db": db}}) as served:
            assert isinstance(await asked(served, what), (dict, list))

    run(scenario)


def test_refused_commands_are_told_like_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            rules = {"no": {"kind": ["select"], "reject": "not here"}}
            config = {"backends": {"db": db}, "users": USERS, "rules": rules}
            async with serving(tmp_path / "a.json", config) as served:
                one = await logged_in(served)
                await one.ask(Command.QUERY, b"SELECT 1")

                row = await asked(served, "row", seq=0)

                assert (row["backend"], row["code"], row["rule"]) == ("dbmux", 1142, "no")
                assert row["error"] == "DbMux: not here (rule no)"
                one.close()

    run(scenario)
