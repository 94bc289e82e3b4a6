"""ProxySQL's configuration as the tables of its admin interface, wherever it was read from.

The text of a proxysql.cnf or the path of a proxysql.db comes in, tables of rows with their places go out, or
`ConfigError` is raised. Values are text, as the admin interface shows them; what is NULL or not written is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from dbmux.config.load import read
from dbmux.errors import ConfigError
from dbmux.proxysql import libconfig

VARIABLES = "global_variables"
# What is asked of a database or an admin interface; in a file every section is looked at.
NAMES = (
    VARIABLES,
    "mysql_servers",
    "mysql_users",
    "mysql_replication_hostgroups",
    "mysql_group_replication_hostgroups",
    "mysql_galera_hostgroups",
    "mysql_aws_aurora_hostgroups",
    "mysql_hostgroup_attributes",
    "mysql_query_rules",
    "mysql_query_rules_fast_routing",
    "mysql_firewall_whitelist_rules",
    "scheduler",
    "proxysql_servers",
)
SQLITE = b"SQLite format 3\0"
# The file's own names for columns of the tables.
_COLUMNS = {"mysql_servers": {"address": "hostname", "hostgroup": "hostgroup_id"}}
_ACTIVE = ("mysql_users", "mysql_query_rules", "mysql_group_replication_hostgroups", "mysql_galera_hostgroups")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, by columns; a password never shows."""

    place: str
    values: Mapping[str, str] = field(repr=False)

    def text(self, column: str) -> str:
        """A column's value, "" for NULL."""
        return self.values.get(column, "")

    def number(self, column: str, default: int = 0) -> int:
        """A column's value as a number; raises ConfigError."""
        written = self.values.get(column, "")
        try:
            return int(written) if written else default
        except ValueError:
            raise ConfigError((f"{self.place}: {column}: a number is expected, not {written!r}",)) from None

    def is_on(self, column: str, default: int = 0) -> bool:
        """A column of 0 and 1."""
        return self.number(column, default) != 0


Tables = Mapping[str, Sequence[Row]]


def from_file(path: Path) -> Tables:
    """What a proxysql.cnf or a proxysql.db says; raises ConfigError."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(SQLITE))
    except FileNotFoundError:
        raise ConfigError((f"{path}: there is no such file",)) from None
    except OSError:
        begins = b""
    return from_database(path) if begins == SQLITE else from_text(read(path), str(path))


def from_text(text: str, name: str) -> Tables:
    """What the text of a proxysql.cnf says; raises ConfigError."""
    try:
        settings = libconfig.parse(text)
    except libconfig.Misread as error:
        raise ConfigError((f"{name}:{error.place.line}:{error.place.column}: {error}",)) from None
    tables: dict[str, list[Row]] = {}
    for section, setting in settings.items():
        match setting.value:
            case tuple() as elements:
                tables[section] = [_row(section, element, name) for element in elements]
            case Mapping() as group:
                tables.setdefault(VARIABLES, []).extend(_variables(section, group, name))
            case _:
                where = f"{name}:{setting.place.line}"
                tables.setdefault(VARIABLES, []).append(_variable(where, section, _written(setting, name)))
    return tables


def from_database(path: Path) -> Tables:
    """What ProxySQL keeps on disk (proxysql.db); raises ConfigError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            tables = {}
            for name in NAMES:
                if name in there:
                    cursor = database.execute(f"SELECT * FROM {name}")
                    columns = [column[0] for column in cursor.description]
                    tables[name] = rows(str(path), name, columns, (map(_plain, row) for row in cursor))
            return tables
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise ConfigError((f"{path}: cannot be read as ProxySQL's database: {error}",)) from None


def rows(source: str, name: str, columns: Sequence[str], found: Iterable[Iterable[str | None]]) -> list[Row]:
    """Rows of a table as a database gives them; their places name what identifies them."""
    made = []
    for values in found:
        named = {column: value for column, value in zip(columns, values, strict=True) if value is not None}
        made.append(Row(f"{source}: {name}{_identity(named)}", named))
    return made


def _identity(values: Mapping[str, str]) -> str:
    identifying = ("rule_id", "username", "hostgroup_id", "hostname", "port", "writer_hostgroup", "id")
    shown = [f"{column}={values[column]}" for column in identifying if column in values]
    return f" {' '.join(shown[:1] if 'rule_id' in values else shown)}" if shown else ""


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else str(value)


def _row(section: str, element: libconfig.Setting, name: str) -> Row:
    place = f"{name}:{element.place.line}"
    if not isinstance(element.value, Mapping):
        raise ConfigError((f"{place}:{element.place.column}: {section}: a group, in braces, is expected",))
    renamed = _COLUMNS.get(section, {})
    # In the tables most are inactive unless told; in the file they are active.
    values = {"active": "1"} if section in _ACTIVE else {}
    for key, setting in element.value.items():
        values[renamed.get(key, key)] = _written(setting, name)
    return Row(place, values)


def _variables(section: str, group: Mapping[str, libconfig.Setting], name: str) -> Iterator[Row]:
    prefix = section.removesuffix("_variables")
    for key, setting in group.items():
        # Both forms are seen, with the prefix of the tables and without.
        full = key if key.startswith(f"{prefix}-") else f"{prefix}-{key}"
        yield _variable(f"{name}:{setting.place.line}", full, _written(setting, name))


def _variable(place: str, name: str, value: str) -> Row:
    return Row(place, {"variable_name": name, "variable_value": value})


def _written(setting: libconfig.Setting, name: str) -> str:
    match setting.value:
        case bool() as truth:
            return "1" if truth else "0"
        case str() as text:
            return text
        case int() | float() as number:
            return str(number)
        case _:
            place = f"{name}:{setting.place.line}:{setting.place.column}"
            raise ConfigError((f"{place}: a number, true, false or a string is expected",))
