"""Character sets of clients that the lexer cannot read.

In these, the second byte of a character may be one that is punctuation elsewhere: a backslash or a backtick that is
none. A session that speaks one keeps its connection, and nothing is believed of its statements.
"""

from __future__ import annotations

UNREADABLE = frozenset(("big5", "cp932", "gb18030", "gbk", "sjis"))
