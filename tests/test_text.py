"""Text from outside fits on one line."""

from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.text import visible, why


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Jürgen's 😀 \\", "Jürgen's 😀 \\"),
        ("a\nb\r\tc\0", "a\\nb\\r\\tc\\x00"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("left\u202eright\u2028", "left\\u202eright\\u2028"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(st.text() | st.characters(categories=["Cs", "Cc", "Cf"]))
def test_everything_becomes_one_line_that_can_be_encoded(text: str) -> None:
    seen = visible(text)

    assert seen.isprintable()
    assert len(seen.encode().splitlines()) <= 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.EADDRINUSE, "error while attempting to bind on address ('::1', 1): ..."),
            "Address already in use",
        ),
        (FileNotFoundError(errno.ENOENT, "whatever", "/a/file"), "No such file or directory"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("only words"), "only words"),
    ],
)
def test_a_system_error_is_told_in_the_systems_words(error: OSError, words: str) -> None:
    assert why(error) == words
