"""A configuration that was in no file, as text; what is in force, written to a file that is followed from then on."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dbmux import process
from dbmux.config.load import for_backend, loads, with_listen
from dbmux.config.model import Config
from dbmux.config.written import written
from dbmux.errors import ConfigError
from dbmux.feed.feed import Refused
from dbmux.observe.logfile import Log, LogFormat
from tests.config.serving import FREE, ONE, Serving, run, servers, serving, write
from tests.fakes import FakeBackend


class TestText:
    """What is written of a configuration."""

    def test_it_is_what_a_person_would_write(self) -> None:
        text = written(with_listen(for_backend("10.0.0.1"), "0.0.0.0:3399"))

        assert text == '{\n  "listen": "0.0.0.0:3399",\n  "backends": {"db": "10.0.0.1:3306"}\n}\n'

    @pytest.mark.parametrize("backend", ["127.0.0.1:3306", "db.example", "[::1]:3307", "/run/my sql.sock"])
    @pytest.mark.parametrize("listen", ["127.0.0.1:3307", "[::1]:0", "0.0.0.0:3399"])
    def test_it_says_the_same(self, listen: str, backend: str) -> None:
        config = with_listen(for_backend(backend), listen)

        read = with_listen(loads(written(config), "x", {}), listen)

        assert read == config

    @pytest.mark.parametrize(
        "more", [{"users": {"app": "secret"}}, {"backends": {"db": {"address": "10.0.0.1", "weight": 2}}}]
    )
    def test_what_says_more_is_not_told_again(self, more: dict[str, Any]) -> None:
        config = loads(json.dumps({"backends": {"db": "10.0.0.1"}, **more}), "x", {})

        with pytest.raises(ConfigError, match="came through a pipe") as refused:
            written(config)

        assert "secret" not in str(refused.value)


async def saved(served: Serving, file: Path, **more: Any) -> Any:
    return await served.feed.ask("config.save", {"file": str(file), **more})


async def without_file(config: Config, use: Callable[[Serving], Any]) -> None:
    """Serve what the command line says."""
    served = Serving(Path("none"))
    options = process.Options(
        config=config,
        adjust=lambda read: with_listen(read, FREE),
        source=None,
        log_format=LogFormat.JSON,
        state_folder=None,
        started=served.begun,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.serve(options, served.wishes, Log(served.log, LogFormat.JSON)))
        await served.started.wait()
        try:
            await use(served)
        finally:
            served.wishes.stopping.set()
            served.wishes.hurrying.set()


class TestSaving:
    """The order to write it."""

    def test_a_proxy_without_a_file_gets_one_and_follows_it(self, tmp_path: Path) -> None:
        file = tmp_path / "new.json"

        async def use(served: Serving) -> None:
            told = await saved(served, file)
            mode = stat.S_IMODE(file.stat().st_mode)
            first = json.loads(file.read_text())
            write(file, {**first, "limits": {"clients": 7}})
            await served.until(lambda: served.engine.config.limits.clients == 7)

            assert told == {"file": str(file), "written": True, "changes": ()}
            assert mode == 0o600
            assert list(first) == ["listen", "backends"]
            assert served.feed.hello.source == str(file)
            assert (await served.feed.ask("status"))["config"]["source"] == str(file)
            assert (await served.feed.ask("config.reload"))["changes"] == ()

        async def scenario() -> None:
            async with servers(FakeBackend()) as (db,):
                await without_file(for_backend(db), use)

        run(scenario)

    def test_another_file_gets_the_text_as_it_is_and_the_first_is_followed_no_more(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first.json", tmp_path / "second.json"

        async def scenario() -> None:
            async with servers(FakeBackend()) as (db,), serving(first, {"backends": {"db": db}}) as served:
                before = first.read_text()
                await saved(served, second)
                write(first, {"backends": {"db": db}, "limits": {"clients": 5}})
                write(second, {"backends": {"db": db}, "limits": {"clients": 6}})
                await served.until(lambda: served.engine.config.limits.clients != 10_000)

                assert served.engine.config.limits.clients == 6
                assert [one["changes"] for one in await served.feed.ask("config.versions")] == [
                    ("limits.clients changed",),
                    (),
                    (),
                ]
                assert before == json.dumps({"tls": "off", "listen": ONE, "backends": {"db": db}})

        run(scenario)

    def test_the_text_that_is_in_force_is_written_and_not_a_broken_one(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first.json", tmp_path / "second.json"

        async def scenario() -> None:
            async with servers(FakeBackend()) as (db,), serving(first, {"backends": {"db": db}}) as served:
                good = first.read_text()
                await served.reload({"backends": {"db": db}, "limit": {}})

                await saved(served, second)

                assert second.read_text() == good
                assert (await served.feed.ask("status"))["config"]["problems"] == ()

        run(scenario)

    def test_a_file_that_is_there_stays_unless_that_is_meant(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first.json", tmp_path / "second.json"
        second.write_text("mine")

        async def scenario() -> None:
            async with servers(FakeBackend()) as (db,), serving(first, {"backends": {"db": db}}) as served:
                kept = await saved(served, second)
                untouched, follows = second.read_text(), served.feed.hello.source
                replaced = await saved(served, second, replace=True)

                assert kept == {"file": str(second), "written": False}
                assert (untouched, follows) == ("mine", str(first))
                assert replaced["written"] is True
                assert second.read_text() == first.read_text()

        run(scenario)

    @pytest.mark.parametrize(
        ("file", "told"),
        [("", "whole path"), ("here.json", "whole path"), ("/nowhere/at/all.json", "cannot be written: No such file")],
    )
    def test_where_nothing_can_be_written_the_old_file_is_followed(self, file: str, told: str, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with servers(FakeBackend()) as (db,), serving(tmp_path / "a", {"backends": {"db": db}}) as served:
                with pytest.raises(Refused, match=told):
                    await served.feed.ask("config.save", {"file": file})

                assert served.feed.hello.source == str(tmp_path / "a")
                assert (await served.reload({"backends": {"db": db}, "limits": {"clients": 7}}))["changes"]

        run(scenario)
