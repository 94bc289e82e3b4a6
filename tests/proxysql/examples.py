"""Parts of ProxySQL configurations, and what becomes of them."""

from __future__ import annotations

from typing import Any

from dbmux.config import jsonc
from dbmux.config.load import loads
from dbmux.config.model import Config
from dbmux.proxysql.carry import Carried, carry
from dbmux.proxysql.tables import from_text
from dbmux.proxysql.users import Passwords

SERVERS = """mysql_servers = (
 { address="db1.internal" hostgroup=10 },
 { address="db2.internal" hostgroup=20 }
)
"""
PAIR = "mysql_replication_hostgroups = ( { writer_hostgroup=10 reader_hostgroup=20 } )\n"
USER = 'mysql_users: ( { username="app" password="secret" default_hostgroup=10 } )\n'
SPLIT = """mysql_query_rules: (
 { rule_id=1 match_digest="^SELECT.*FOR UPDATE$" destination_hostgroup=10 apply=1 },
 { rule_id=2 match_digest="^SELECT" destination_hostgroup=20 apply=1 }
)
"""
USUAL = SERVERS + PAIR + USER + SPLIT


def carried(text: str, passwords: Passwords = Passwords.PLACEHOLDERS) -> Carried:
    """What becomes of a proxysql.cnf."""
    return carry(from_text(text, "p.cnf"), passwords)


def made(text: str, passwords: Passwords = Passwords.PLACEHOLDERS) -> Any:
    """The configuration as it is written."""
    return jsonc.parse(carried(text, passwords).text).value


def told(text: str) -> list[str]:
    """The findings."""
    return [str(finding) for finding in carried(text).told]


def loaded(text: str) -> Config:
    """The configuration as DbMux reads it."""
    found = carried(text)
    return loads(found.text, "appconfig.json", dict.fromkeys(found.variables, "x"))


def rules(*rows: str, more: str = "") -> str:
    """A configuration with these rules."""
    return SERVERS + PAIR + USER + more + f"mysql_query_rules: ( {', '.join(f'{{ {row} }}' for row in rows)} )\n"


def with_others(text: str) -> str:
    """The same with two more users: one of the readers, and one of a server that is a group of its own."""
    others = '{ username="ro" default_hostgroup=20 }, { username="other" default_hostgroup=30 }'
    more = text.replace("default_hostgroup=10 }", f"default_hostgroup=10 }}, {others}")
    return more.replace("mysql_servers = (", 'mysql_servers = ( { address="db3" hostgroup=30 },')
