"""`dbmux import`: a configuration from another proxy's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import uvloop

from dbmux.commands.options import Refused
from dbmux.config.values import read_address
from dbmux.process import FINDINGS
from dbmux.proxysql.admin import ADMIN_PORT, from_admin
from dbmux.proxysql.carry import Carried, carry
from dbmux.proxysql.tables import Tables, from_file
from dbmux.proxysql.users import Passwords
from dbmux.text import visible, why

PASSWORD_VARIABLE = "PROXYSQL_ADMIN_PASSWORD"
USUAL_ACCOUNT = "admin"


@click.group()
def command() -> None:
    """Make an appconfig.json from another proxy's configuration."""


@command.command()
@click.argument("source", metavar="FILE|ADMIN-ADDRESS")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it (default: stdout).")
@click.option("--force", is_flag=True, help="Overwrite the file of --output.")
@click.option("--with-passwords", is_flag=True, help="Write passwords, not variables that stand for them.")
@click.option("--user", default=USUAL_ACCOUNT, show_default=True, help="The account of the admin interface.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Holds its password (default: ${PASSWORD_VARIABLE}, or admin).",
)
@click.option("--all", "everything", is_flag=True, help="Also list what has no counterpart and needs none.")
def proxysql(
    source: str,
    output: Path | None,
    force: bool,
    with_passwords: bool,
    user: str,
    password_file: Path | None,
    everything: bool,
) -> None:
    """Carry over a proxysql.cnf, a proxysql.db, or what a running ProxySQL has.

    The configuration goes to stdout or into a file; what could not be carried over, and why, to stderr, a line each.
    """
    if output is not None and output.exists() and not force:
        raise Refused(f"{output} is here already; add --force to overwrite it, or name another file")
    tables = _tables(source, user, password_file)
    carried = carry(tables, Passwords.WRITTEN if with_passwords else Passwords.PLACEHOLDERS)
    _write(carried.text, output)
    for line in _report(carried, everything=everything):
        click.echo(line, err=True)
    if carried.told:
        sys.exit(FINDINGS)


def _tables(source: str, user: str, password_file: Path | None) -> Tables:
    path = Path(source)
    if path.is_file() or not _is_address(source):
        return from_file(path)
    password = os.environ.get(PASSWORD_VARIABLE, USUAL_ACCOUNT)
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            told = why(error) if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Refused(f"{password_file} cannot be read: {told}") from None
    return uvloop.run(from_admin(read_address(source, ADMIN_PORT), user, password))


def _is_address(source: str) -> bool:
    # A file that is not there has more often a folder or an ending than an address has.
    try:
        read_address(source, ADMIN_PORT)
    except ValueError:
        return False
    return not source.endswith((".cnf", ".db")) and ("/" not in source or source.endswith(".sock"))


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        # It may hold passwords.
        output.touch(mode=0o600)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{output} cannot be written: {why(error)}") from None


def _report(carried: Carried, *, everything: bool) -> list[str]:
    lines = [str(finding) for finding in carried.told]
    if everything:
        lines += [str(finding) for finding in carried.without_counterpart]
    elif carried.without_counterpart:
        count = len(carried.without_counterpart)
        lines.append(f"variables that have no counterpart and need none: {count}; --all lists them")
    for variable, owner in carried.variables.items():
        lines.append(f"export {variable}=…  # the password of {visible(owner)}")
    return lines
