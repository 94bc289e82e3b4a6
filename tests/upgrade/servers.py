"""Small servers of several families and versions, as a dictionary describes them."""

from __future__ import annotations

from typing import Any

from dbmux.sync.table import TableName
from dbmux.upgrade.server import Account, Column, Index, Part, Program, ProgramKind, Server, Table

COLLATIONS = frozenset(("utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_520_ci", "utf8mb4_unicode_ci"))


def mariadb(number: tuple[int, ...] = (10, 11, 6), **more: Any) -> Server:
    return _server("maria", number, is_mariadb=True, **more)


def mysql(number: tuple[int, ...] = (9, 0, 1), **more: Any) -> Server:
    return _server("mysql", number, is_mariadb=False, **more)


def _server(name: str, number: tuple[int, ...], *, is_mariadb: bool, **more: Any) -> Server:
    given: dict[str, Any] = {
        "engines": frozenset(("innodb", "myisam")),
        "collations": COLLATIONS,
        "charsets": frozenset(("utf8mb4",)),
        **more,
    }
    version = ".".join(str(part) for part in number)
    return Server(name=name, version=version, is_mariadb=is_mariadb, number=number, **given)


def name(text: str) -> TableName:
    schema, _, table = text.partition(".")
    return TableName(schema, table)


def table(title: str = "shop.orders", *columns: Column, **more: Any) -> Table:
    return Table(name=name(title), columns=columns, **more)


def column(title: str, kind: str = "int(11)", **more: Any) -> Column:
    return Column(name=title, type=kind, **more)


def index(title: str, *columns: str, unique: bool = False) -> Index:
    return Index(name=title, parts=tuple(Part(column=one) for one in columns), is_unique=unique)


def procedure(text: str, title: str = "shop.p", **more: Any) -> Program:
    return Program(kind=ProgramKind.PROCEDURE, name=name(title), text=text, **more)


def trigger(text: str, title: str = "shop.tr") -> Program:
    return Program(kind=ProgramKind.TRIGGER, name=name(title), text=text)


def view(text: str, title: str = "shop.v", **more: Any) -> Program:
    return Program(kind=ProgramKind.VIEW, name=name(title), text=text, **more)


def account(user: str, *plugins: str, host: str = "%", is_role: bool = False) -> Account:
    return Account(user=user, host=host, plugins=plugins, is_role=is_role)
