"""docs/control.md says what the control socket does: its example is held with a real one, its lists are whole."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from dbmux.config.history import History
from dbmux.control.answers import Answers
from dbmux.control.differences import Differences
from dbmux.feed.feed import QUESTIONS
from dbmux.feed.row import FIELDS
from dbmux.observe.observer import Observer
from dbmux.resources import folder
from dbmux.wire.commands import Command
from tests.config.serving import run, servers, serving
from tests.fakes import PASSWORD, FakeBackend, client
from tests.feed.engine import notes

PAGE = (folder("docs") / "control.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[str]:
    """The first cells of a section's table."""
    return re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE)


def test_every_question_and_order_is_described_and_no_other() -> None:
    history = cast(History, None)
    engine = cast(Any, SimpleNamespace(mirrors=()))
    answers = Answers(engine, Observer(None), notes(), history, cast(Any, None)).table()
    table = [*answers, *Differences(Path(), lambda: None, lambda mirror: None).table()]

    assert sorted(rows("Questions") + rows("Orders")) == sorted(table)


def test_who_only_looks_may_ask_all_but_what_has_a_server_run_something() -> None:
    assert set(rows("Questions")) - QUESTIONS == {"explain", "run", "compare"}
    assert QUESTIONS & set(rows("Orders")) == set()


def test_every_key_of_a_row_is_described_in_its_order() -> None:
    assert tuple(rows("Subscriptions")) == FIELDS


def is_like(told: object, shown: object) -> bool:
    """Whether it has the form that is shown; `…` stands for anything."""
    if isinstance(shown, dict):
        same = isinstance(told, dict) and list(told) == list(shown)
        return same and all(is_like(cast(Any, told)[key], one) for key, one in shown.items())
    return shown == "…" or type(told) is type(shown)


def test_the_example_is_what_is_said(tmp_path: Path) -> None:
    example = re.findall(r"^([<>]) (.+)$", section("An example"), re.MULTILINE)

    async def scenario() -> None:
        socket = tmp_path / "4711.sock"
        async with servers(FakeBackend()) as (db,):
            config = {"backends": {"db": db}, "users": {"app": PASSWORD.decode()}}
            async with serving(tmp_path / "appconfig.json", config, socket=socket) as served:
                one = await client(served.port())
                await one.ask(Command.QUERY, b"SELECT 1")
                await one.ask(Command.QUERY, b"SELECT * FROM orders")
                reader, writer = await asyncio.open_unix_connection(str(socket), limit=1 << 20)
                for side, line in example:
                    if side == ">":
                        writer.write(line.encode() + b"\n")
                        continue
                    shown, told = json.loads(line.replace("[…]", '"…"')), json.loads(await reader.readline())
                    assert is_like(told, shown), (told, shown)
                    if "answer" in shown or "refusal" in shown:
                        assert told == shown
                    if "batch" in shown:
                        assert {**told["batch"], "rows": "…", "happenings": "…"} == shown["batch"]
                        assert [row["sql"] for row in told["batch"]["rows"]] == ["SELECT * FROM orders"]
                writer.close()
                one.close()

    assert len(example) == 12
    run(scenario)
