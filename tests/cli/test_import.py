"""`dbmux import proxysql`: where the configuration goes, what is told, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Serve, run_here
from tests.fakes import PASSWORD, FakeBackend
from tests.proxysql.examples import SERVERS, USUAL
from tests.proxysql.test_tables import admin

ALONE = 'mysql_servers = ( { address="db1.internal" } ) mysql_users: ( { username="app" password="secret" } )'


def test_the_configuration_goes_to_stdout_and_what_is_to_be_told_to_stderr(here: Path) -> None:
    (here / "proxysql.cnf").write_text(USUAL + "mysql_variables = { ping_timeout_server=500 }")

    result = run_here("import", "proxysql", "proxysql.cnf")

    assert result.exit_code == 1
    assert list(json.loads(result.stdout)["groups"]) == ["main"]
    assert result.stderr.splitlines()[0].startswith("proxysql.cnf:8: rule 1, ")
    assert result.stderr.splitlines()[-3:] == [
        "variables that have no counterpart and need none: 1; --all lists them",
        "export APP_PASSWORD=…  # the password of app",
        "export MONITOR_PASSWORD=…  # the password of monitor",
    ]


def test_all_that_has_no_counterpart_is_listed_when_asked_for(here: Path) -> None:
    (here / "proxysql.cnf").write_text(ALONE + "\nmysql_variables = { ping_timeout_server=500 }")

    result = run_here("import", "proxysql", "proxysql.cnf", "--all")

    assert result.exit_code == 0
    assert "proxysql.cnf:2: mysql-ping_timeout_server: has no counterpart" in result.stderr.splitlines()


def test_what_is_written_is_what_check_takes_and_only_its_owner_can_read(here: Path) -> None:
    (here / "proxysql.cnf").write_text(ALONE)

    result = run_here("import", "proxysql", "proxysql.cnf", "--output", "appconfig.json", "--with-passwords")

    assert (result.exit_code, result.output) == (0, "")
    assert (here / "appconfig.json").stat().st_mode & 0o777 == 0o600
    assert '"app": "secret"' in (here / "appconfig.json").read_text()
    assert run_here("check").exit_code == 0


def test_a_file_that_is_there_is_overwritten_by_force_alone(here: Path) -> None:
    (here / "proxysql.cnf").write_text(ALONE)
    (here / "appconfig.json").write_text("mine")

    refused = run_here("import", "proxysql", "proxysql.cnf", "--output", "appconfig.json")
    kept = (here / "appconfig.json").read_text()
    forced = run_here("import", "proxysql", "proxysql.cnf", "--output", "appconfig.json", "--force")

    assert (refused.exit_code, kept) == (2, "mine")
    assert "appconfig.json is here already; add --force to overwrite it" in refused.output
    assert forced.exit_code == 0
    assert "db1.internal" in (here / "appconfig.json").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "proxysql.cnf: there is no such file"),
        ("mysql_servers", 'proxysql.cnf:1:14: "=" or ":" is expected after mysql_servers'),
        ("", "no server can be carried over"),
        (SERVERS.replace("10", '"ten"'), "proxysql.cnf:2: hostgroup_id: a number is expected, not 'ten'"),
    ],
)
def test_what_cannot_be_read_is_2_and_told_with_its_place(text: str | None, words: str, here: Path) -> None:
    if text is not None:
        (here / "proxysql.cnf").write_text(text)

    result = run_here("import", "proxysql", "proxysql.cnf", "--output", "appconfig.json")

    assert result.exit_code == 2
    assert words in result.output
    assert not (here / "appconfig.json").exists()


def test_a_running_proxysql_is_asked_with_the_password_of_a_file(here: Path, serve: Serve) -> None:
    (here / "secret").write_text(f"{PASSWORD.decode()}\n")
    address = serve(FakeBackend(answer=admin))

    result = run_here("import", "proxysql", address, "--user", "radmin", "--password-file", "secret")

    assert json.loads(result.stdout)["backends"] == {"db1": "db1:3306", "db2": "db2:3307"}
    assert f"{address}: mysql_users username=app: user app, default_hostgroup 0: no server is in it" in result.stderr


def test_or_with_the_password_of_the_environment(here: Path, serve: Serve) -> None:
    address = serve(FakeBackend(answer=admin))

    taken = run_here("import", "proxysql", address, PROXYSQL_ADMIN_PASSWORD=PASSWORD.decode())
    refused = run_here("import", "proxysql", address)

    assert taken.stdout.startswith("{")
    assert refused.exit_code == 2
    assert f"{address}: 1045 (28000): Access denied" in refused.output
