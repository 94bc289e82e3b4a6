"""`python -m tests.tui.screenshots` draws the pictures of the documentation: from the interface itself, in front of an
engine that says what it was told to.

Writes docs/images/*.svg. Fetches nothing, and what it writes fetches nothing: the letters are the reader's own.
"""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

from dbmux.feed.feed import Batch, Happening
from dbmux.tui.app import Interface
from dbmux.tui.look import Theme, look
from tests.tui.lines import NOON, batch, row
from tests.tui.mirrors import MIRRORED
from tests.tui.scripted import ANSWERS, BACKEND, Scripted, settled, unhurried

IMAGES = Path(__file__).parents[2] / "docs" / "images"
# The name of the picture, the size of the terminal, the theme, and the keys that are pressed.
PICTURES = (
    ("live", (160, 50), Theme.DARK, ("2", "1", "k", "k")),
    ("live-small", (80, 24), Theme.DARK, ("k", "k")),
    ("top", (120, 30), Theme.DARK, ("2",)),
    ("cache", (120, 30), Theme.LIGHT, ("3",)),
    ("servers", (100, 24), Theme.LIGHT, ("6",)),
    ("mirror", (120, 30), Theme.DARK, ("5",)),
    ("difference", (120, 30), Theme.DARK, ("5", "j", "enter", "enter")),
    ("ascii", (100, 24), Theme.ASCII, ("7",)),
)
_STATEMENTS: tuple[dict[str, Any], ...] = (
    {"sql": "SELECT * FROM products WHERE cat = 4 LIMIT 20", "cache": "hit", "backend": "cache", "seconds": 0.00002},
    {"sql": "SELECT * FROM orders WHERE user_id = 8817 ORDER BY created_at DESC", "cache": "miss", "seconds": 0.0061},
    {"sql": "SELECT balance FROM accounts WHERE id = 7 FOR UPDATE", "cache": "write", "role": "primary", "rows": 1},
    {"sql": "SELECT * FROM users WHERE id = 91", "cache": "miss", "nplus1": 31, "rows": 1, "app": "web"},
    {"sql": "SELECT name, price FROM products WHERE id = 12", "cache": "hit", "backend": "cache", "seconds": 0.00003},
    {"sql": "INSERT INTO events (kind, at) VALUES ('view', NOW())", "kind": "insert", "role": "primary", "rows": 1},
    {"sql": "SELECT o.*, u.name FROM orders o JOIN users u ON u.id = o.user_id", "seconds": 0.512, "is_slow": True},
    {"sql": "UPDATE stock SET qty = qty - 1 WHERE sku = 'a-17'", "kind": "update", "role": "primary", "rows": 1},
    {"sql": "SELECT COUNT(*) FROM sessions WHERE seen > NOW() - INTERVAL 5 MINUTE", "cache": "stale", "rows": 1},
)


def traffic() -> Batch:
    """Some seconds of it."""
    rows = [row(seq, **(_primary(_STATEMENTS[seq % len(_STATEMENTS)]))) for seq in range(36)]
    rows[30] = row(30, sql="INSERT INTO coupons (code) VALUES ('x')", kind="insert", code=1062, **_PRIMARY)
    rows[30] = row(30, error="Duplicate entry 'x' for key 'code'", sql=rows[30].sql, code=1062, **_PRIMARY)
    told = "configuration appconfig.json applied: cache.tables.shop.products 2s -> 30s"
    return batch(*rows, happenings=(Happening(0, NOON - 150, "ConfigApplied", told),))


_PRIMARY = {"role": "primary", "backend": "db1"}


def _primary(told: dict[str, Any]) -> dict[str, Any]:
    return told | (_PRIMARY if told.get("role") == "primary" else {})


def past() -> list[dict[str, Any]]:
    """Five minutes: busy in waves, and more from memory after the change of the configuration."""
    return [_second(at) for at in range(-299, 1)]


def _second(at: int) -> dict[str, Any]:
    commands = round(1100 + 420 * math.sin(at / 31) + 160 * math.sin(at / 7) + (900 if -90 < at < -70 else 0))
    part = 0.35 if at < -150 else 0.72
    hits, slow = round(commands * part), 0.0062 + 0.004 * abs(math.sin(at / 23)) + (0.03 if -92 < at < -74 else 0.0)
    return {
        **{"at": NOON + at, "commands": commands, "errors": at % 97 == 0, "hits": hits, "lag": 0.0004},
        **{"p50": 0.0009, "p95": slow, "p99": slow * 4},
        "servers": {
            "cache": {"commands": hits, "p95": 0.00002},
            "db1": {"commands": (commands - hits) // 3, "p95": slow},
            "db2": {"commands": (commands - hits) * 2 // 3, "p95": slow / 2},
        },
    }


def feed() -> Scripted:
    """The engine."""
    replicas = [
        BACKEND | {"name": name, "role": "replica", "lag_seconds": 0.12, "takes_reads": True, "busy": 1, "address": at}
        for name, at in (("db2", "10.0.0.2:3306"), ("db3", "10.0.0.3:3306"))
    ]
    (main,) = ANSWERS["routes"]["groups"]
    routes = ANSWERS["routes"] | {"groups": [main | {"servers": [BACKEND, *replicas]}]}
    return Scripted(traffic(), answers={"pulse": past(), "routes": routes} | MIRRORED)


async def draw(size: tuple[int, int], theme: Theme, keys: tuple[str, ...]) -> str:
    """One picture."""
    app = Interface(feed(), look(theme, {}), pages=unhurried)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        return alone(app.export_screenshot(title="dbmux tui"))


def alone(svg: str) -> str:
    """A picture that needs nothing from elsewhere."""
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, ", "")


def main() -> None:
    """Draw all of them."""
    IMAGES.mkdir(exist_ok=True)
    for name, size, theme, keys in PICTURES:
        (IMAGES / f"{name}.svg").write_text(asyncio.run(draw(size, theme, keys)), encoding="utf-8")


if __name__ == "__main__":
    main()
