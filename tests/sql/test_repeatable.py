"""Which writes can be tried out and taken back."""

from __future__ import annotations

import pytest

from dbmux.sql.classify import classify
from dbmux.sql.repeatable import NAMED, READS, UNSURE, is_of_values, why_not_tried


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"INSERT INTO t (a, b) VALUES (1, 'x'), (2, UPPER('y'))", ""),
        (b"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE b = b + 1", ""),
        (b"REPLACE t SET a = 1", ""),
        (b"UPDATE t SET a = a + 1 WHERE b = 'GET_LOCK(1)'", ""),
        (b"UPDATE t SET `now` = t.select WHERE b = ?", ""),
        (b"DELETE FROM t WHERE a = 1 ORDER BY b LIMIT 1", ""),
        (b"INSERT INTO t VALUES (NOW())", "NOW"),
        (b"INSERT INTO t VALUES (CURRENT_TIMESTAMP)", "CURRENT_TIMESTAMP"),
        (b"INSERT INTO t VALUES (UNIX_TIMESTAMP())", "UNIX_TIMESTAMP"),
        (b"INSERT INTO t VALUES (UUID())", "UUID"),
        (b"UPDATE t SET a = SLEEP(1)", "SLEEP"),
        (b"INSERT INTO t VALUES (LOAD_FILE('/etc/passwd'))", "LOAD_FILE"),
        (b"INSERT INTO t VALUES (GET_LOCK('a', 1))", NAMED),
        (b"INSERT INTO t VALUES (NEXTVAL(s))", NAMED),
        (b"INSERT INTO t VALUES (NEXT VALUE FOR s)", NAMED),
        (b"INSERT INTO t VALUES (LAST_INSERT_ID())", NAMED),
        (b"UPDATE t SET a = LAST_INSERT_ID(a + 1)", NAMED),
        (b"INSERT INTO t VALUES (somebodys_own(1))", NAMED),
        (b"UPDATE t SET a = @a := 1", NAMED),
        (b"UPDATE t SET a = @a", "a variable"),
        (b"UPDATE t SET a = @@server_id", "a variable"),
        (b"INSERT INTO t SELECT * FROM u", READS),
        (b"INSERT INTO t TABLE u", READS),
        (b"UPDATE t SET a = (SELECT MAX(b) FROM u)", READS),
        (b"WITH u AS (SELECT 1) DELETE FROM t", READS),
        (b"INSERT INTO t VALUES (1) RETURNING a", READS),
        (b"INSERT INTO t VALUES (1); DROP TABLE t", UNSURE),
        (b"INSERT INTO t VALUES (1) /*!80000 , (2) */ /*M! , (3) */", UNSURE),
        (b"SELECT 1", UNSURE),
        (b"ALTER TABLE t ADD b INT", UNSURE),
        (b"TRUNCATE t", UNSURE),
        (b"LOAD DATA INFILE 'x' INTO TABLE t", UNSURE),
        (b"CALL p()", UNSURE),
    ],
)
def test_only_what_leaves_nothing_behind_is_tried(text: bytes, why: str) -> None:
    assert why_not_tried(text, 0, classify(text, 0, 0)) == why


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        (b"INSERT INTO t VALUES (1)", True),
        (b"REPLACE INTO t VALUES (1)", True),
        (b"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = b", False),
        (b"UPDATE t SET a = 1", False),
        (b"DELETE FROM t", False),
    ],
)
def test_which_writes_have_all_values_in_them(text: bytes, is_so: bool) -> None:
    assert is_of_values(text, 0, classify(text, 0, 0)) is is_so
