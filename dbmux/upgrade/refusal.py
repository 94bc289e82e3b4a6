"""What a server's error says about a definition or statement that it refused, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbmux.errors import BackendRefused
from dbmux.sync.table import SYSTEM

# Of the account of the check, not of what was tried.
NO_RIGHT = frozenset((1044, 1045, 1142, 1143, 1227, 1370, 1419))
# No such table, schema or routine, an invalid view, no schema selected.
_MISSING = frozenset((1046, 1049, 1146, 1305, 1347, 1356))
_NAMED = re.compile(r"'([^'.]+)\.")
_FUNCTION = re.compile(r"(?:FUNCTION |routine ')(?:[^. ]*\.)?(\w+)")
# Said of the text alone, whatever tables there are.
OF_THE_TEXT = frozenset((1064, 1115, 1193, 1273, 1286, 4161))
ADVICE = {
    1055: "name all columns in GROUP BY, or take one of each with MIN() or ANY_VALUE(); or SET sql_mode without "
    "ONLY_FULL_GROUP_BY",
    1064: "quote names that are reserved there, and write the rest in a way that both take",
    1067: "ALTER TABLE … ALTER COLUMN … SET DEFAULT a date that there is",
    1071: "index a beginning of the column only, or ROW_FORMAT=DYNAMIC",
    1140: "add GROUP BY; or SET sql_mode without ONLY_FULL_GROUP_BY",
    1193: "leave the variable out",
    1273: "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE a collation that both have",
    1286: "ALTER TABLE … ENGINE=InnoDB",
    1418: "declare it DETERMINISTIC, NO SQL or READS SQL DATA, or SET GLOBAL log_bin_trust_function_creators=1",
    4161: "keep the column as a type that both have",
    6125: "ALTER TABLE … ADD UNIQUE over the columns that are referred to",
}
ELSE = "write it in a way that both take"
# All that servers say around the place of an error of syntax.
_AROUND = re.compile(r"You have an error in your SQL syntax; check the manual .*? to use (?=near )", re.DOTALL)


def is_about_others(error: BackendRefused) -> bool:
    """Whether it says nothing of what was tried, but that something of A's is not there. What servers bring themselves
    is another thing: where that is missing, it is gone."""
    named = _NAMED.search(error.message.decode("utf-8", "replace"))
    return error.number in _MISSING and not (named and named[1].lower() in SYSTEM)


def function_of(error: BackendRefused) -> str:
    """The function, in upper case, that the server has not, or lets nobody call; or nothing."""
    named = _FUNCTION.search(error.message.decode("utf-8", "replace"))
    return named[1].upper() if error.number in (1305, 1370) and named else ""


def said(error: BackendRefused, names: Mapping[str, str]) -> str:
    """Its words; schemas of the check are called by the names of those that they stand for, which `names` maps."""
    text = _AROUND.sub("syntax error ", str(error))
    for schema, scratch in names.items():
        text = text.replace(f"`{scratch}`", schema).replace(scratch, schema)
    return text
