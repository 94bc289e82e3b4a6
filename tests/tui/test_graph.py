"""What the graphs draw."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment

from dbmux.tui.graph import Axis, Mark, Picture, caching, chart, framed, nice, routing, short, throughput
from dbmux.tui.look import Theme, look
from tests.tui.hostile import TEXTS
from tests.tui.scripted import ANSWERS, BACKEND

LOOK = look(Theme.DARK, {})


def second(at: float, commands: int = 0, hits: int = 0, p95: float = 0.0, **servers: Any) -> dict[str, Any]:
    return {"at": at, "commands": commands, "hits": hits, "p95": p95, "servers": servers}


def text(lines: list[list[Segment]]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize(
    "values, height, drawn",
    [
        ([0, 4, 8], 1, [" ▄█"]),
        ([1, 16], 2, [" █", "▁█"]),
        ([12, None, 4], 2, ["▄  ", "█ ▄"]),
    ],
)
def test_columns_are_as_high_as_their_values(values: list[float | None], height: int, drawn: list[str]) -> None:
    assert chart(values, 8 * height, height, LOOK.signs.levels) == drawn


def test_what_is_more_than_nothing_is_seen() -> None:
    assert chart([0.0001], 1000, 1, LOOK.signs.levels) == ["▁"]


@pytest.mark.parametrize("number, top", [(0, 1), (1, 1), (3, 5), (11, 20), (999, 1000), (0.007, 0.01)])
def test_the_top_of_an_axis_is_a_round_number(number: float, top: float) -> None:
    assert nice(number) == pytest.approx(top)


@pytest.mark.parametrize("number, words", [(50, "50"), (2000, "2k"), (2_500_000, "2.5M"), (0.5, "0.5")])
def test_a_number_on_an_axis_is_short(number: float, words: str) -> None:
    assert short(number) == words


def test_a_second_stays_in_its_cell_until_all_move_by_one() -> None:
    seconds = [second(100.0 + at) for at in range(20)]

    cells = [Axis.of(seconds[: many + 1], 100).cell(100.5) for many in range(6)]

    # Three seconds are a cell: 99 to 101, 102 to 104, and so on.
    assert cells == [99, 99, 98, 98, 98, 97]


def test_throughput_has_its_scale_the_marks_and_the_slowest() -> None:
    seconds = [second(300.0 + at, commands=1500, p95=0.012) for at in range(60)]

    picture = throughput(seconds, [Mark(320.0, "▲", "cfg"), Mark(1.0, "▲", "gone")], 105, 4, LOOK)

    above, middle, below, slow = text(picture.lines)
    assert (picture.title, picture.end) == ("statements/s, p95 up to 12ms", "5 min")
    assert (above[:5], middle[:5], below[:5], slow[:5]) == ("  2k│", "  1k│", "   0│", " p95│")
    assert (above.count("▄"), middle.count("█"), slow.count("▅")) == (20, 20, 20)
    # Where that second is in the columns above.
    assert below.index("▲cfg") == above.index("▄") + 6
    assert "gone" not in below


def test_the_cache_tells_hits_over_time_and_how_full_it_is() -> None:
    seconds = [second(300.0 + at, commands=100, hits=75) for at in range(30)]

    hits, memory, counts, saved = text(caching(seconds, ANSWERS["cache"], 50, 4, LOOK).lines)

    assert hits.startswith(" hit 75%") and hits.endswith("▆")
    assert memory.startswith(" mem 48MB of 64MB █") and memory.endswith(" 9,120 results")
    assert counts == " misses 180  stale 2  shared 31"
    assert saved == " saved the servers 38.0s"


def test_servers_are_told_by_their_share_and_a_lost_one_in_words() -> None:
    servers = [BACKEND, BACKEND | {"name": "db2", "role": "replica"}, BACKEND | {"name": "db3", "state": "down"}]
    told = {"groups": [{"servers": servers}]}
    seconds = [
        second(300.0, db1={"commands": 1, "p95": 0.5}),
        second(301.0, db1={"commands": 24, "p95": 0.012}, db2={"commands": 75, "p95": 0.008}),
    ]

    lines = text(routing(seconds, told, 50, 4, LOOK).lines)

    assert lines[0].startswith(" db2        ro █") and lines[0].endswith("75%  p95 8.0ms")
    assert lines[1].endswith("25%  p95 256ms")
    assert lines[2] == " db3        rw ○ down"


def test_more_servers_than_lines_are_summed_up() -> None:
    names = [f"db{number}" for number in range(9)]
    told = {"groups": [{"servers": [BACKEND | {"name": name} for name in names]}]}
    servers: dict[str, Any] = {name: {"commands": 10, "p95": 0.1} for name in names}
    seconds = [second(300.0, **servers)]

    assert text(routing(seconds, told, 50, 4, LOOK).lines)[3] == " and 6 more: 67%"


@given(st.integers(4, 90), st.integers(3, 9), st.sampled_from(TEXTS), st.sampled_from(list(Theme)))
def test_a_box_is_exactly_as_large_as_it_was_asked_to_be(width: int, height: int, hostile: str, theme: Theme) -> None:
    meant = look(theme, {})
    told = {"groups": [{"servers": [BACKEND | {"name": hostile, "state": "down"}]}]}
    stored = ANSWERS["cache"] | {"tables": [{"table": hostile, "bytes": 1}]}
    seconds = [second(300.0, commands=5, hits=1, p95=0.1) | {"servers": {hostile: {"commands": 5, "p95": 0.1}}}]
    pictures: list[Picture] = [
        throughput(seconds, [Mark(300.0, "^", "cfg")], width - 2, height - 2, meant),
        caching(seconds, stored, width - 2, height - 2, meant),
        routing(seconds, told, width - 2, height - 2, meant),
        throughput([], [], width - 2, height - 2, meant),
        routing([], told, width - 2, height - 2, meant),
    ]

    for picture in pictures:
        lines = text(framed(picture, width, height, meant, meant.dim))
        assert [cell_len(line) for line in lines] == [width] * height
        assert all(line.isprintable() for line in lines)
