"""`dbmux tail`: what comes first, what comes then, what is said about what is missing, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest
from rich.cells import cell_len

from dbmux.address import UnixAddress
from dbmux.commands.statements import Printer, as_lines, as_objects, line
from dbmux.commands.tail import tail
from dbmux.feed.remote import RemoteFeed
from dbmux.wire.commands import Command
from tests.cli.command import LINE, SECONDS, environment
from tests.commands.running import Running, running, runtime
from tests.config.serving import run, servers, serving
from tests.fakes import PASSWORD, FakeBackend, client
from tests.tui.hostile import TEXTS
from tests.tui.lines import batch, row


class TestRows:
    """What is printed."""

    @pytest.mark.parametrize(
        ("wanted", "last", "first"),
        [
            ("", 3, ["SELECT 297", "SELECT 298", "SELECT 299"]),
            ("", 0, []),
            ("", 1000, [f"SELECT {number}" for number in range(300)]),
            ("sql:9", 2, ["SELECT 298", "SELECT 299"]),
            # Found only when it is looked further back than at first.
            ('"SELECT 7"', 4, ["SELECT 76", "SELECT 77", "SELECT 78", "SELECT 79"]),
            ("nowhere", 5, []),
        ],
    )
    def test_the_last_ones_come_first_and_then_all_that_run(
        self, wanted: str, last: int, first: list[str], tmp_path: Path
    ) -> None:
        shown: list[str] = []
        printer = Printer(
            lambda row: row.sql, lambda what, many: what, lambda text: shown.extend(text.splitlines()), print
        )

        async def scenario() -> None:
            socket = tmp_path / "c.sock"
            async with servers(FakeBackend()) as (db,):
                config = {"backends": {"db": db}, "users": {"app": PASSWORD.decode()}}
                async with serving(tmp_path / "a.json", config, socket=socket) as served:
                    one = await client(served.port())
                    for number in range(300):
                        await one.ask(Command.QUERY, b"SELECT %d" % number)
                    feed = await RemoteFeed.connect(UnixAddress(str(socket)), "test")
                    following = asyncio.create_task(tail(feed, wanted, last, printer))
                    await served.until(lambda: bool(shown) or not first)
                    assert shown == first

                    await one.ask(Command.QUERY, b"SELECT 1 FROM nowhere /* SELECT 7 9 */")
                    await served.until(lambda: any("nowhere" in text for text in shown))

                    following.cancel()
                    feed.close()
                    one.close()

        run(scenario)

    @pytest.mark.parametrize("width", [40, 80, 100, 200, None])
    @pytest.mark.parametrize("text", TEXTS)
    def test_a_line_is_one_and_fits(self, text: str, width: int | None) -> None:
        shown = line(row(sql=text, app=text[:20], code=1062, error=text, nplus1=3), width)

        assert shown.isprintable()
        assert width is None or cell_len(shown) <= width

    def test_a_line_tells_what_matters(self) -> None:
        told = line(row(seq=7, cache="hit", backend="cache", rows=1204), None)

        assert told.split(maxsplit=8)[:1] + told.split(maxsplit=8)[2:] == [
            "7", "12ms", "H", "cache", "cache", "1,204", "app/checkout", "SELECT * FROM orders WHERE user_id = 8817",
        ]  # fmt: skip

    def test_an_error_and_what_sticks_out_are_told(self) -> None:
        told = line(row(code=1062, error="Duplicate entry", nplus1=9), 120)

        assert " E " in told
        assert told.endswith("1062 Duplicate entry ERR N+1") or told.endswith("… ERR N+1")


class TestGaps:
    """What is missing is said."""

    def test_lines_say_how_many_were_missed_and_left_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        as_lines(None).batch(batch(row(), missed=1204, matched=3))

        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 1
        assert err.splitlines() == ["-- 1,204 statements missed --", "-- 2 statements left out --"]

    def test_objects_have_them_among_the_rows(self, capsys: pytest.CaptureFixture[str]) -> None:
        as_objects().batch(batch(row(seq=5), missed=1204, matched=3))

        missed, told, left = map(json.loads, capsys.readouterr().out.splitlines())
        assert (missed, left) == ({"missed": 1204}, {"left_out": 2})
        assert told == json.loads(json.dumps(row(seq=5).told()))


def test_a_filter_that_cannot_be_read_is_2_and_a_caret(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        result = engine.ask("tail", "err (orders")

    assert (result.exit_code, result.output.splitlines()) == (2, ["err (orders", "    ^", "this ( is not closed"])


class TestEnd:
    """How it ends."""

    def begun(self, engine: Running, *arguments: str) -> subprocess.Popen[str]:
        folder = engine.served.file.parent
        return subprocess.Popen(
            (*LINE, "tail", *arguments),
            cwd=folder,
            env=environment(folder, DBMUX_RUNTIME_DIR=str(runtime(folder))),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def test_ctrl_c_is_an_ordinary_end(self, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1") as engine, self.begun(engine) as process:
            assert process.stdout is not None
            assert process.stdout.readline().endswith("SELECT 1\n")

            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=SECONDS)

        assert (process.returncode, err) == (0, "")

    @pytest.mark.parametrize("arguments", [(), ("--json",)])
    def test_a_reader_that_leaves_is_an_ordinary_end_though_nothing_more_comes(
        self, arguments: tuple[str, ...], tmp_path: Path
    ) -> None:
        with running(tmp_path, "SELECT 1") as engine, self.begun(engine, *arguments) as process:
            assert process.stdout is not None and process.stderr is not None
            assert "SELECT 1" in process.stdout.readline()

            process.stdout.close()

            assert process.wait(SECONDS) == 0
            assert process.stderr.read() == ""

    def test_an_engine_that_ends_is_3(self, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1") as engine:
            process = self.begun(engine)
            assert process.stdout is not None
            process.stdout.readline()
        with process:
            _, err = process.communicate(timeout=SECONDS)

        assert process.returncode == 3
        assert "DbMux has ended" in err
