"""Statements come from the ring into files, whatever becomes of the files, the filters and the configuration."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbmux.config.model import Config
from dbmux.events import Warned
from dbmux.feed.log.logs import Logs, problems
from dbmux.observe.observer import Observer
from dbmux.observe.prometheus import LogFigures
from tests.cli.conftest import run_here
from tests.config.serving import run, servers, serving
from tests.fakes import FakeBackend, client
from tests.feed.engine import compiled, notes, ran

NO_SLOW = LogFigures("slow", 0, 0, 0)


@dataclass
class Logged:
    """Logs of an engine in which nothing happens but what a test says."""

    config: Config
    observer: Observer
    logs: Logs = field(init=False)

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.observer.events.since(0).events if isinstance(event, Warned)]

    async def until(self, *figures: LogFigures) -> None:
        while self.logs.figures() != list(figures):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)


def config(**log: Any) -> Config:
    return Config.model_validate({"backends": {"db": "db"}, "log": log})


@asynccontextmanager
async def logging(first: Config, kept: int = 1000) -> AsyncIterator[Logged]:
    observer = Observer(None, kept)
    logged = Logged(first, observer)
    async with Logs(lambda: logged.config, observer, notes(), compiled, observer.emit) as logs:
        logged.logs = logs
        yield logged


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_statements_are_written_and_at_the_end_the_last_ones_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with logging(config(queries=str(tmp_path / "log"))) as logged:
            logged.observer.emit(ran("SELECT 1"))
            await logged.until(LogFigures("queries", 1, 0, 0), NO_SLOW)
            for number in range(500):
                logged.observer.emit(ran(f"SELECT a, {number}"))

    run(scenario)

    assert texts(tmp_path / "log") == ["SELECT ?", *["SELECT a, ?"] * 500]


def test_each_log_has_its_filter_and_the_slow_one_only_what_is_slow(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow = {"file": str(tmp_path / "slow"), "filter": "-sql:b", "literals": True}
        async with logging(config(queries={"file": str(tmp_path / "log"), "filter": "b"}, slow=slow)) as logged:
            for text, seconds in (("SELECT 'a'", 0.001), ("SELECT 'b'", 0.3), ("SELECT 'c'", 0.4)):
                logged.observer.emit(ran(text, seconds=seconds))

    run(scenario)

    assert [json.loads(line)["seconds"] for line in (tmp_path / "log").read_text().splitlines()] == [0.3]
    assert [json.loads(line)["sql"] for line in (tmp_path / "slow").read_text().splitlines()] == ["SELECT 'c'"]


def test_what_cannot_be_written_is_counted_and_told_once_and_so_is_the_end_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "later"

    async def scenario() -> None:
        async with logging(config(queries=str(folder / "log"))) as logged:
            for lost in (1, 2):
                logged.observer.emit(ran("SELECT 1"))
                await logged.until(LogFigures("queries", 0, lost, 0), NO_SLOW)
            folder.mkdir()
            logged.observer.emit(ran("SELECT a"))
            await logged.until(LogFigures("queries", 1, 2, 0), NO_SLOW)

            assert logged.warnings == [
                f"log.queries: {folder}/log cannot be written: No such file or directory; "
                "what is missing there is counted",
                f"log.queries: {folder}/log is written again; 2 statements are missing in it",
            ]

    run(scenario)

    assert texts(folder / "log") == ["SELECT a"]


def test_a_file_that_does_not_answer_keeps_nobody_waiting_and_nothing_is_lost_while_the_ring_has_it(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def scenario() -> None:
        async with logging(config(queries=str(pipe), slow=str(tmp_path / "slow"))) as logged:
            # Opening the pipe waits for a reader.
            for written in (1, 2, 3):
                logged.observer.emit(ran("SELECT 1", seconds=1.0))
                await logged.until(LogFigures("queries", 0, 0, 0), LogFigures("slow", written, 0, 0))
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            await logged.until(LogFigures("queries", 3, 0, 0), LogFigures("slow", 3, 0, 0))

            assert logged.warnings == []
        assert len(os.read(reader, 10_000).splitlines()) == 3
        os.close(reader)

    run(scenario)


def test_what_is_forgotten_before_it_was_written_is_counted_and_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with logging(config(queries=str(tmp_path / "log")), kept=10) as logged:
            for times in (1, 2):
                for _ in range(100):
                    logged.observer.emit(ran("SELECT 1"))
                await logged.until(LogFigures("queries", 10 * times, 0, 90 * times), NO_SLOW)

            assert logged.warnings == [
                f"log.queries: {tmp_path}/log cannot keep up: statements were forgotten before they were written, "
                "and are counted"
            ]

    run(scenario)


def test_another_configuration_means_another_file_and_filter_or_none(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"

    async def scenario() -> None:
        async with logging(config()) as logged:
            for number, applied in enumerate(
                (config(queries=str(one)), config(queries={"file": str(two), "filter": "b"}), config())
            ):
                logged.config = applied
                logged.observer.emit(ran("SELECT a"))
                logged.observer.emit(ran("SELECT b"))
                await logged.until(LogFigures("queries", min(2 + number, 3), 0, 0), NO_SLOW)

    run(scenario)

    assert (texts(one), texts(two)) == (["SELECT a", "SELECT b"], ["SELECT b"])


def test_a_filter_that_takes_too_long_ends_and_that_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow = {"file": str(tmp_path / "log"), "filter": "/a.*b.?c/"}
        async with logging(config(queries=slow)) as logged:
            logged.observer.emit(ran("SELECT " + "ab" * 2000))
            while not logged.warnings:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.001)

            assert "is not written any more, for its filter was ended: " in logged.warnings[0]

    run(scenario)


def test_a_process_writes_what_its_clients_send_and_rejects_a_filter_that_cannot_be_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (address,):
            log = {"backends": {"db": address}, "log": {"queries": {"file": str(tmp_path / "log"), "filter": "shop"}}}
            async with serving(tmp_path / "app.json", log) as served:
                there = await client(served.port())
                await there.ask(3, b"SELECT 'secret' FROM shop")
                await there.ask(3, b"SELECT 'secret' FROM other")
                there.close()
                applied = await served.reload(
                    {"backends": {"db": address}, "log": {"slow": {"file": "x", "filter": "("}}}
                )

                assert applied["event"] == "ConfigRejected"
                assert "log.slow.filter: something is missing here" in applied["errors"][0]

    run(scenario)

    assert texts(tmp_path / "log") == ["SELECT ? FROM shop"]


def test_a_filter_that_cannot_be_read_has_its_place() -> None:
    wrong = config(queries="a", slow={"file": "b", "filter": "durr:5ms"})

    assert [path for path, _ in problems(wrong)] == [("log", "slow", "filter")]


def test_check_tells_it_too(tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"backends": {"db": "x"}, "log": {"queries": {"file": "a", "filter": "("}}}')

    told = run_here("check", "--config", str(file))

    assert told.exit_code == 2
    assert "app.json:1:60: log.queries.filter: something is missing here" in told.output
