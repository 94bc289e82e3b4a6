"""`dbmux mirror start`: from where on a target is fed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.cli.conftest import run_here
from tests.commands.running import running

PLACE = b"-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000012', MASTER_LOG_POS=4711;\n"


@pytest.mark.parametrize(
    "text, error",
    [
        (b"CREATE TABLE t (id INT);\n", "tells no place in its server's log; make it again with mariadb-dump"),
        (b"SET @@GLOBAL.GTID_PURGED='a:1-5';\n", "tells GTIDs alone, and no place in the log"),
        (gzip.compress(PLACE, mtime=0)[:-10], "is damaged, or not all of it is there"),
    ],
)
def test_a_dump_that_does_not_tell_where_it_was_made_is_2_and_says_what_to_do(
    text: bytes, error: str, tmp_path: Path
) -> None:
    dump = tmp_path / "shop.sql"
    dump.write_bytes(text)

    result = run_here("mirror", "start", "--from-dump-position", str(dump))

    assert result.exit_code == 2
    assert error in result.output


@pytest.mark.parametrize("words", [("start",), ("start", "nope"), ("start", "--anew"), ("pause",), ("resume",)])
def test_without_mirrors_it_is_2(words: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        result = engine.ask("mirror", *words)

    assert result.exit_code == 2
    assert "see `mirrors` in docs/mirroring.md" in result.output
