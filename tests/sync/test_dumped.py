"""A dump in a file: what it is packed in, whether all of it is there, and where in a log it was made."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from dbmux.sync.dumped import BadDump, check_whole, lines, place_in, without_replication
from dbmux.wire.binlog.events import Position

BEGUN = b"-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)\n"
MARIADB = "CHANGE MASTER TO MASTER_LOG_FILE='binlog.000012', MASTER_LOG_POS=4711;"
MYSQL = "CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000012', SOURCE_LOG_POS=4711;"
GTIDS = "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '4c6d191d-e9a7-11f1-9f07-72cca5d747da:1-11';"


def dump(folder: Path, text: str) -> Path:
    path = folder / "shop.sql"
    path.write_text(text)
    return path


class TestLines:
    def test_they_are_the_same_gzipped_or_not(self, tmp_path: Path) -> None:
        text = b"SELECT 1;\nINSERT INTO t VALUES ('\xff\x00');\nlast"
        plain, packed = tmp_path / "a.sql", tmp_path / "a.sql.gz"
        plain.write_bytes(text)
        packed.write_bytes(gzip.compress(text))

        assert list(lines(plain)) == list(lines(packed)) == text.splitlines(keepends=True)

    @pytest.mark.parametrize(
        "content, error",
        [
            (gzip.compress(b"SELECT 1;\n" * 99, mtime=0)[:-9], "is damaged, or not all of it is there"),
            (gzip.compress(b"SELECT 1;\n", mtime=0)[:12] + b"\xff" * 30, "is damaged, or not all of it is there"),
            (bz2.compress(b"SELECT 1;\n"), "is compressed; unpack it first: bunzip2 a.sql"),
            (lzma.compress(b"SELECT 1;\n"), "is compressed; unpack it first: unxz a.sql"),
        ],
    )
    def test_what_cannot_be_unpacked_is_told(self, content: bytes, error: str, tmp_path: Path) -> None:
        path = tmp_path / "a.sql"
        path.write_bytes(content)

        with pytest.raises(BadDump, match=error):
            list(lines(path))

    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadDump, match=r"none.sql cannot be read: No such file or directory"):
            list(lines(tmp_path / "none.sql"))


class TestWhole:
    @pytest.mark.parametrize(
        "given",
        [
            [],
            [b"CREATE TABLE t (id INT);\n"],
            [BEGUN, b"SELECT 1;\n", b"-- Dump completed on 2026-01-01 10:00:00\n"],
            [b"/*M!999999\\- enable the sandbox mode */ \n", BEGUN, b"-- Dump completed\n"],
        ],
    )
    def test_what_is_whole_passes_as_it_is(self, given: list[bytes]) -> None:
        assert list(check_whole(Path("a.sql"), given)) == given

    def test_a_dump_that_was_begun_and_not_ended_is_refused(self) -> None:
        with pytest.raises(BadDump, match=r"^a.sql ends before its dump does"):
            list(check_whole(Path("a.sql"), [BEGUN, b"SELECT 1;\n"]))


class TestReplication:
    @pytest.mark.parametrize(
        "line",
        [
            MARIADB,
            MYSQL,
            GTIDS,
            "CHANGE MASTER 'a' TO MASTER_USE_GTID=slave_pos;",
            "CHANGE MASTER TO MASTER_USE_GTID=slave_pos;",
            "SET GLOBAL gtid_slave_pos='0-1-11';",
            "SET @@SESSION.SQL_LOG_BIN= 0;",
            "STOP ALL SLAVES;",
            "STOP REPLICA;",
            "START SLAVE;",
        ],
    )
    def test_it_is_left_out_and_the_lines_keep_their_numbers(self, line: str) -> None:
        given = [b"SELECT 1;\n", f"{line}\n".encode(), b"SELECT 2;\n"]

        assert list(without_replication(given)) == [b"SELECT 1;\n", b"\n", b"SELECT 2;\n"]

    def test_a_set_of_transactions_may_take_several_lines(self) -> None:
        given = [b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5,\n", b"b:1-7';\n", b"SELECT 2;\n"]

        assert list(without_replication(given)) == [b"\n", b"\n", b"SELECT 2;\n"]

    @pytest.mark.parametrize(
        "line",
        [
            "SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;",
            "SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;",
            "INSERT INTO t VALUES ('STOP SLAVE;');",
            f"-- {MARIADB}",
        ],
    )
    def test_all_else_stays(self, line: str) -> None:
        assert list(without_replication([line.encode()])) == [line.encode()]


class TestPlace:
    @pytest.mark.parametrize(
        "text",
        [
            f"-- {MARIADB}\n",
            f"{MARIADB}\n",
            f"-- {MYSQL}\n",
            f"{MYSQL}\n",
            f"{GTIDS}\n\n-- {MYSQL}\n",
            f"-- CHANGE MASTER TO MASTER_USE_GTID=slave_pos;\n-- {MARIADB}\nCREATE TABLE t (id INT);\n",
        ],
    )
    def test_it_is_where_the_dump_says(self, text: str, tmp_path: Path) -> None:
        assert place_in(dump(tmp_path, text)) == Position("binlog.000012", 4711)

    def test_a_gzipped_dump_says_it_too(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gz"
        path.write_bytes(gzip.compress(f"-- {MYSQL}\n".encode()))

        assert place_in(path) == Position("binlog.000012", 4711)

    @pytest.mark.parametrize(
        "text, error",
        [
            (
                "CREATE TABLE t (id INT);\n",
                "tells no place in its server's log; make it again with mariadb-dump --master",
            ),
            (f"{GTIDS}\n", "tells GTIDs alone, and no place in the log"),
            ("-- SET GLOBAL gtid_slave_pos='0-1-11';\n", "tells GTIDs alone, and no place in the log"),
            # Of somebody's data.
            (f"CREATE TABLE t (id INT);\n{MARIADB}\n", "tells no place"),
            (f"{MARIADB}\n{MARIADB}\n", "tells several places"),
            (
                "-- The following is the SQL position of the replication taken from SHOW SLAVE STATUS at the time.\n"
                f"-- {MARIADB}\n",
                r"was made of a replica, .* that one's primary \(binlog.000012:4711\)",
            ),
            (f"-- Position to start replication from (the source for this replica)\n{MYSQL}\n", "made of a replica"),
        ],
    )
    def test_what_tells_none_for_sure_is_refused(self, text: str, error: str, tmp_path: Path) -> None:
        with pytest.raises(BadDump, match=error):
            place_in(dump(tmp_path, text))
