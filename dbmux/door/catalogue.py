"""What the tables of the SQL door say of themselves: `information_schema`, as far as clients ask, and the variables.

Tables come in, tables that list them go out. Columns that a server has and nobody asks a listing for are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dbmux.door.table import SCHEMA, Column, Row, Source, Table, Type, integer, text
from dbmux.version import VERSION

INFORMATION = "information_schema"
CHARSET, COLLATION, COLLATION_ID = "utf8mb4", "utf8mb4_general_ci", 45
SCHEMAS = (SCHEMA, INFORMATION)
# Names are longer nowhere, and clients make room by it.
TEXT_TYPE = "varchar(4096)"

# As a server has them that takes every statement for itself.
_VARIABLES: dict[str, str] = {
    "auto_increment_increment": "1",
    "autocommit": "1",
    "character_set_client": CHARSET,
    "character_set_connection": CHARSET,
    "character_set_database": CHARSET,
    "character_set_results": CHARSET,
    "character_set_server": CHARSET,
    "collation_connection": COLLATION,
    "collation_database": COLLATION,
    "collation_server": COLLATION,
    "default_storage_engine": "MEMORY",
    "error_count": "0",
    "init_connect": "",
    "interactive_timeout": "28800",
    "license": "Apache-2.0",
    "lower_case_table_names": "0",
    "max_allowed_packet": str(16 * 1024 * 1024),
    "net_buffer_length": "16384",
    "net_read_timeout": "30",
    "net_write_timeout": "60",
    "performance_schema": "0",
    "query_cache_size": "0",
    "query_cache_type": "OFF",
    "read_only": "1",
    "sql_auto_is_null": "0",
    "sql_mode": "NO_BACKSLASH_ESCAPES",
    "system_time_zone": "UTC",
    "time_zone": "SYSTEM",
    "transaction_isolation": "REPEATABLE-READ",
    "transaction_read_only": "0",
    "tx_isolation": "REPEATABLE-READ",
    "tx_read_only": "0",
    "version_comment": f"DbMux {VERSION}, schema {SCHEMA}",
    "version_compile_machine": "",
    "version_compile_os": "",
    "wait_timeout": "28800",
    "warning_count": "0",
}


def variables(server_version: str) -> Mapping[str, str]:
    """The system variables, for a client that was greeted with this version."""
    return {**_VARIABLES, "version": server_version}


def catalogue(sources: Mapping[str, Source], values: Mapping[str, str]) -> tuple[Source, ...]:
    """The tables of `information_schema` about these."""
    tables = [source.table for source in sources.values()]
    listed = {name.upper(): value for name, value in values.items()}
    return (
        _source("schemata", _schemata, "catalog_name", "schema_name", "default_character_set_name",
                "default_collation_name"),
        _source("tables", lambda: _tables(tables), "table_catalog", "table_schema", "table_name", "table_type",
                "engine", "table_rows", "create_time", "table_collation", "table_comment"),
        _source("columns", lambda: _columns(tables), "table_catalog", "table_schema", "table_name", "column_name",
                "ordinal_position", "column_default", "is_nullable", "data_type", "character_maximum_length",
                "numeric_precision", "numeric_scale", "character_set_name", "collation_name", "column_type",
                "column_key", "extra", "privileges", "column_comment"),
        *(_source(name, lambda: _variables(listed), "variable_name", "variable_value")
          for name in ("session_variables", "global_variables")),
        *(_source(name, tuple, "variable_name", "variable_value") for name in ("session_status", "global_status")),
        _source("character_sets", _character_sets, "character_set_name", "default_collate_name", "description",
                "maxlen"),
        _source("collations", _collations, "collation_name", "character_set_name", "id", "is_default", "is_compiled",
                "sortlen"),
        _source("engines", _engines, "engine", "support", "comment", "transactions", "xa", "savepoints"),
        *(_source(name, tuple, f"{one}_schema", f"{one}_name") for name, one in
          (("views", "table"), ("triggers", "trigger"), ("routines", "routine"), ("events", "event"))),
        _source("statistics", tuple, "table_schema", "table_name", "non_unique", "index_name", "seq_in_index",
                "column_name"),
        _source("key_column_usage", tuple, "constraint_schema", "constraint_name", "table_schema", "table_name",
                "column_name", "ordinal_position", "referenced_table_schema", "referenced_table_name",
                "referenced_column_name"),
        _source("plugins", tuple, "plugin_name", "plugin_status", "plugin_type", "plugin_library", "plugin_license"),
    )  # fmt: skip


_NUMBERS = frozenset(("ordinal_position", "id", "maxlen", "sortlen", "character_maximum_length", "table_rows",
                      "numeric_precision", "numeric_scale", "non_unique", "seq_in_index"))  # fmt: skip


def column_type(column: Column) -> str:
    """A column's type as it is written in a CREATE TABLE."""
    return TEXT_TYPE if column.type is Type.TEXT else str(column.type)


def definition(table: Table) -> str:
    """The CREATE TABLE that would make it."""
    lines = [f"  `{one.name}` {column_type(one)} DEFAULT NULL COMMENT {_string(one.what)}" for one in table.columns]
    body = ",\n".join(lines)
    return f"CREATE TABLE `{table.name}` (\n{body}\n) ENGINE=MEMORY DEFAULT CHARSET={CHARSET}"


def _string(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _source(name: str, rows: object, *columns: str) -> Source:
    assert callable(rows)
    made = tuple((integer if one in _NUMBERS else text)(one, "") for one in columns)
    return Source(Table(name, "", made, INFORMATION), rows)


def _schemata() -> Iterator[Row]:
    for name in SCHEMAS:
        yield {
            "catalog_name": "def",
            "schema_name": name,
            "default_character_set_name": CHARSET,
            "default_collation_name": COLLATION,
        }


def _tables(tables: list[Table]) -> Iterator[Row]:
    for table in tables:
        yield {
            "table_catalog": "def",
            "table_schema": table.schema,
            "table_name": table.name,
            "table_type": "BASE TABLE",
            "engine": "MEMORY",
            "table_collation": COLLATION,
            "table_comment": table.what,
        }


def _columns(tables: list[Table]) -> Iterator[Row]:
    for table in tables:
        for position, column in enumerate(table.columns, start=1):
            is_text = column.type is Type.TEXT
            yield {
                "table_catalog": "def",
                "table_schema": table.schema,
                "table_name": table.name,
                "column_name": column.name,
                "ordinal_position": position,
                "is_nullable": "YES",
                "data_type": str(column.type),
                "character_maximum_length": 4096 if is_text else None,
                "character_set_name": CHARSET if is_text else None,
                "collation_name": COLLATION if is_text else None,
                "column_type": column_type(column),
                "column_key": "",
                "extra": "",
                "privileges": "select",
                "column_comment": column.what,
            }


def _variables(values: Mapping[str, str]) -> Iterator[Row]:
    for name, value in values.items():
        yield {"variable_name": name, "variable_value": value}


def _character_sets() -> Iterator[Row]:
    yield {
        "character_set_name": CHARSET,
        "default_collate_name": COLLATION,
        "description": "UTF-8 Unicode",
        "maxlen": 4,
    }


def _collations() -> Iterator[Row]:
    yield {
        "collation_name": COLLATION,
        "character_set_name": CHARSET,
        "id": COLLATION_ID,
        "is_default": "Yes",
        "is_compiled": "Yes",
        "sortlen": 1,
    }


def _engines() -> Iterator[Row]:
    yield {"engine": "MEMORY", "support": "DEFAULT", "comment": "made anew for each statement", "transactions": "NO"}
