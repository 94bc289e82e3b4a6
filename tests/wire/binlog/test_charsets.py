"""The text of a logged statement is told in UTF-8, or not at all."""

from __future__ import annotations

import pytest

from dbmux.wire.binlog.charsets import text_in_utf8
from dbmux.wire.binlog.events import Statement

TEXT = "DROP TABLE `{}`"


def said(text: bytes, charset: int | None) -> bytes | None:
    return text_in_utf8(Statement("shop", text, 0, charset))


@pytest.mark.parametrize(
    ("collation", "codec", "name"),
    [
        (45, "utf-8", "é😀"), (255, "utf-8", "é😀"), (33, "utf-8", "é"), (2304, "utf-8", "é😀"), (8, "cp1252", "é€"),
        (9, "iso8859_2", "ő"), (51, "cp1251", "жук"), (7, "koi8_r", "жук"), (25, "iso8859_7", "λ"),
        (13, "shift_jis", "表"), (95, "cp932", "表"), (28, "gbk", "運"),
        (1, "big5", "功"), (248, "gb18030", "運"), (12, "euc_jp", "表"),
        (18, "tis_620", "ก"), (1071, "cp1252", "é"),
    ],
)  # fmt: skip
def test_names_are_read_in_the_clients_character_set(collation: int, codec: str, name: str) -> None:
    text = TEXT.format(name)

    assert said(text.encode(codec), collation) == text.encode()


@pytest.mark.parametrize("collation", [None, 8, 28, 63, 9999])
def test_ascii_needs_no_character_set(collation: int | None) -> None:
    assert said(b"DROP TABLE t", collation) == b"DROP TABLE t"


@pytest.mark.parametrize(
    ("text", "collation"),
    [("é".encode(), None), (b"\xe9", 9999), (b"\xe9", 3), (b"DROP TABLE [t]", 10), (b"'\x81\xff' \x81'", 28)],
    ids=["not told", "unknown", "dec8", "swe7", "broken gbk"],
)
def test_what_cannot_be_read_for_sure_is_not_told(text: bytes, collation: int | None) -> None:
    assert said(text, collation) is None


@pytest.mark.parametrize(("collation", "read"), [(8, "'\ufffd'"), (45, None)])
def test_what_is_no_text_in_a_literal_does_no_harm(collation: int, read: str | None) -> None:
    assert said(b"'\x81'", collation) == (read.encode() if read is not None else b"'\x81'")
