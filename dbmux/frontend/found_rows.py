"""FOUND_ROWS(): what it is after a statement, which differs from server to server.

A query comes in with what the scanner saw of its reply; a number of rows goes out, or that only the server can tell.
Where the manual (Information Functions) is silent, it is as was seen on MariaDB 10.11 and 11.8 and on MySQL 9.7.
"""

from __future__ import annotations

from dbmux.kernel import ReplyScanner
from dbmux.query import FoundRows, Kind, Query

# The scanner's own word for a reply without rows, and what no number of rows can be.
AS_BEFORE, ASK = -1, -2
# SELECT ... INTO of several rows: MySQL has looked at the second one.
_MORE_THAN_ONE_ROW = 1172


def count_found_rows(query: Query, scanner: ReplyScanner, *, is_mysql: bool) -> int:
    """The number that FOUND_ROWS() is from now on; AS_BEFORE when the statement leaves it, ASK when it is not known."""
    found = AS_BEFORE
    # Those of a cursor and of COM_FIELD_LIST are below it.
    rows = max(scanner.rows, AS_BEFORE) if scanner.matched < 0 else scanner.matched
    match query.found_rows:
        case FoundRows.ASKED if query.kind is Kind.MULTI or not scanner.error:
            found = ASK
        case FoundRows.ASKED_ON_MARIADB if not is_mysql and not scanner.error:
            found = ASK
        case FoundRows.ASKED_ON_MYSQL if is_mysql and not scanner.error:
            found = ASK
        case FoundRows.ITS_ROWS if query.kind is not Kind.PREPARED and not (is_mysql and scanner.error):
            # An open cursor's rows stay counted while they are fetched.
            found = rows
        case FoundRows.STORED if scanner.error == _MORE_THAN_ONE_ROW:
            found = 2 if is_mysql else 1
        case FoundRows.STORED if not scanner.error:
            found = scanner.affected
        case FoundRows.ITS_ROWS_ON_MYSQL if is_mysql:
            found = rows
        case FoundRows.ONE_ON_MYSQL if is_mysql and not scanner.error:
            found = 1
        case FoundRows.NONE_ON_MARIADB if not is_mysql and not scanner.error:
            found = 0
        case _:
            pass
    return found
