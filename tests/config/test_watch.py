"""A configuration file is followed, however it is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmux.config.load import load
from dbmux.config.model import Config
from dbmux.config.watch import Watch, folder_ticks
from dbmux.errors import ConfigError
from tests.fakes import run


def text(host: str) -> str:
    return f'{{"backends": {{"db": "{host}"}}}}'


def write_in_place(path: Path, content: str) -> None:
    path.write_text(content)


def replace_as_editors_do(path: Path, content: str) -> None:
    path.with_name(".app.json.swp").write_text(content)
    path.with_name(".app.json.swp").replace(path)


def rename_away_first(path: Path, content: str) -> None:
    path.replace(path.with_name("app.json~"))
    path.write_text(content)


def swap_as_kubernetes_does(path: Path, content: str) -> None:
    """`app.json` is a link to `..data/app.json`, `..data` one to a folder, and that one is swapped."""
    folder = path.parent / f"..{len(list(path.parent.iterdir()))}"
    folder.mkdir()
    (folder / path.name).write_text(content)
    (path.parent / "..data_tmp").symlink_to(folder.name)
    (path.parent / "..data_tmp").replace(path.parent / "..data")
    if not path.is_symlink():
        path.symlink_to(f"..data/{path.name}")


Write = Callable[[Path, str], None]
WAYS = [write_in_place, replace_as_editors_do, rename_away_first, swap_as_kubernetes_does]


def watched(path: Path, write: Write = write_in_place) -> Watch:
    if write is swap_as_kubernetes_does:
        write(path, text("old"))
    else:
        path.write_text(text("old"))
    return Watch(path, {}, load(path, {}))


def hosts(found: Config | ConfigError | None) -> list[str]:
    assert isinstance(found, Config)
    return [str(backend.address) for backend in found.backends.values()]


@pytest.mark.parametrize("write", WAYS)
def test_new_content_is_told_once(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path, write)
    assert watch.news() is None

    write(path, text("new"))

    assert hosts(watch.news()) == ["new:3306"]
    assert watch.news() is None
    write(path, text("newer"))
    assert hosts(watch.news()) == ["newer:3306"]


@pytest.mark.parametrize("write", WAYS)
def test_a_tick_comes_for_every_way_of_writing(write: Write, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "app.json"
        watch = watched(path, write)
        ticks = folder_ticks(path, poll_ms=60_000)
        tick = asyncio.ensure_future(anext(ticks))
        await asyncio.sleep(0)  # the folder is watched from here on

        write(path, text("new"))
        found = None
        while found is None:
            await tick
            found = watch.news()
            tick = asyncio.ensure_future(anext(ticks))

        assert hosts(found) == ["new:3306"]
        tick.cancel()
        await asyncio.wait([tick])

    run(scenario)


def test_ticks_go_on_where_nothing_can_be_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        seen = 0
        async for _ in folder_ticks(tmp_path / "gone" / "app.json", poll_ms=1):
            seen += 1
            if seen == 3:
                return

    run(scenario)


def test_a_broken_file_is_told_once_and_so_is_its_repair(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)

    path.write_text("{")
    broken = watch.news()

    assert isinstance(broken, ConfigError)
    assert broken.problems == (f'{path}:1:2: the file ends before "}}"',)
    assert watch.news() is None
    path.write_text(text("old"))
    assert hosts(watch.news()) == ["old:3306"]


@pytest.mark.parametrize(
    "halfway", [lambda path: path.unlink(), lambda path: path.write_text(" \n")], ids=["gone", "empty"]
)
def test_a_file_in_the_middle_of_being_written_is_waited_for(halfway: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)

    halfway(path)

    assert watch.news() is None
    path.write_text(text("new"))
    assert hosts(watch.news()) == ["new:3306"]


def test_a_file_that_came_back_unchanged_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)
    assert watch.news() is None
    path.unlink()
    assert watch.news() is None

    path.write_text(text("old"))

    assert watch.news() is None
    path.unlink()
    assert watch.news() is None


def test_a_file_that_stays_away_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)

    path.unlink()

    told = [watch.news() for _ in range(4)]
    assert [type(one) for one in told] == [type(None), ConfigError, type(None), type(None)]


def test_what_changed_before_anybody_watched_is_told(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)
    path.write_text(text("new"))

    assert hosts(watch.news()) == ["new:3306"]


def test_the_present_content_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)

    assert hosts(watch.now()) == ["old:3306"]
    assert watch.news() is None


def test_what_was_asked_for_is_no_news_but_the_way_back_is(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    watch = watched(path)
    path.write_text(text("new"))
    watch.now()
    assert watch.news() is None

    path.write_text(text("old"))

    assert hosts(watch.news()) == ["old:3306"]
