"""`dbmux run`: a program finds the proxy, keeps its output and exit code, and its statements are judged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.commands.child import environment, moved, server
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.cli.command import LINE, SECONDS
from tests.cli.command import environment as nobodys
from tests.cli.conftest import Serve, run_here
from tests.fakes import FakeBackend, select

HERE = TcpAddress("127.0.0.1", 4000)

# A program that says its statements as fast as it can, and ends at once.
PROGRAM = """
import os, sys, pymysql
there = pymysql.connect(host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), user="app", password="right")
cursor = there.cursor()
for statement in sys.argv[1:]:
    statement, _, times = statement.partition(" x ")
    for number in range(int(times or 1)):
        try:
            cursor.execute(statement.replace("#", str(number)))
        except pymysql.Error as error:
            print(error)
"""


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*LINE, "run", *arguments),
        cwd=folder,
        env=nobodys(folder, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-c", code, *arguments)


def report(folder: Path) -> dict[str, Any]:
    told = json.loads((folder / "report.json").read_text())
    assert isinstance(told, dict)
    return told


def answering(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers SELECTs with a row, but those of a table that is not there, and everything else with OK."""
    if command.command == Command.QUERY and b"missing" in command.body:
        return protocol.send_err(Err(number=1146, sqlstate=b"42S02", message=b"Table `missing` doesn't exist"))
    if command.command == Command.QUERY and not command.body.startswith(b"SELECT"):
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))
    return select(protocol, command)


class TestProgram:
    def test_its_output_and_its_exit_code_are_passed_through(self, tmp_path: Path, serve: Serve) -> None:
        code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"

        done = run(tmp_path, "--backend", serve(FakeBackend(answering)), "--report", "report.json", *python(code))

        assert (done.returncode, done.stdout) == (7, "out\n")
        assert done.stderr.startswith("err\n")
        assert report(tmp_path)["exit_code"] == 7

    def test_it_is_told_where_the_database_is(self, tmp_path: Path, serve: Serve) -> None:
        code = "import os; print(os.environ['DB_HOST'], os.environ['DB_PORT'], os.environ['DATABASE_URL'])"
        url = f"mysql://app:p%40ss@{serve(FakeBackend(answering))}/shop?charset=utf8mb4"

        done = run(tmp_path, *python(code), DATABASE_URL=url)

        host, port, told = done.stdout.split()
        assert host == "127.0.0.1"
        assert told == f"mysql://app:p%40ss@127.0.0.1:{port}/shop?charset=utf8mb4"
        assert port not in url

    def test_its_options_are_its_own(self, tmp_path: Path, serve: Serve) -> None:
        done = run(
            tmp_path,
            "--backend",
            serve(FakeBackend(answering)),
            sys.executable,
            "-c",
            "import sys; print(sys.argv)",
            "-x",
        )

        assert done.stdout == "['-c', '-x']\n"

    def test_a_signal_is_passed_on_and_its_end_by_one_is_told_as_shells_do(self, tmp_path: Path, serve: Serve) -> None:
        code = "import signal, sys; print('begun', flush=True); signal.pause()"
        line = (*LINE, "run", "--backend", serve(FakeBackend(answering)), *python(code))
        with subprocess.Popen(
            line, cwd=tmp_path, env=nobodys(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            assert running.stdout.readline() == "begun\n"

            running.send_signal(signal.SIGTERM)

            told = running.stderr.read()
            assert running.wait(SECONDS) == 128 + signal.SIGTERM
        assert "exit code 143" in told

    @pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/", 126)])
    def test_one_that_cannot_be_run_is_told_as_shells_do(
        self, tmp_path: Path, serve: Serve, program: str, code: int
    ) -> None:
        done = run(tmp_path, "--backend", serve(FakeBackend(answering)), "--", program)

        assert done.returncode == code
        assert done.stderr.startswith(f"dbmux: {program}: ")

    def test_what_the_configuration_opens_is_left_to_who_serves(self, tmp_path: Path, serve: Serve) -> None:
        config = {
            "backends": {"db": serve(FakeBackend(answering))},
            "control": "127.0.0.1:1",
            "log": "log.jsonl",
            "tls": "off",
        }
        (tmp_path / "appconfig.json").write_text(json.dumps(config))

        done = run(tmp_path, *python(PROGRAM, "SELECT 1"))

        assert done.returncode == 0
        assert not (tmp_path / "log.jsonl").exists()


class TestReport:
    def test_every_statement_is_in_it_however_fast_they_came(self, tmp_path: Path, serve: Serve) -> None:
        address = serve(FakeBackend(answering))

        done = run(tmp_path, "--backend", address, "--report", "report.json", *python(PROGRAM, "SELECT a, # x 3000"))

        told = report(tmp_path)
        assert (done.returncode, told["missed"], told["failures"]) == (0, 0, [])
        counts = {one["text"]: one["count"] for one in told["top"]}
        assert counts["SELECT a, ?"] == 3000
        assert told["statements"] == sum(counts.values())

    def test_an_n_plus_1_is_found_with_its_place_and_what_would_do(self, tmp_path: Path, serve: Serve) -> None:
        lookup = "SELECT name FROM products WHERE id = # /*app='shop',line='views.py:42'*/ x 20"

        done = run(tmp_path, "--backend", serve(FakeBackend(answering)), "--fail-on", "n+1", *python(PROGRAM, lookup))

        assert done.returncode == 1
        assert "**Failed**: 1 N+1" in done.stderr
        assert "## N+1: 20 × in 1 run" in done.stderr
        assert "at `views.py:42`" in done.stderr
        assert "      SELECT name FROM products WHERE id = ?\n" in done.stderr
        assert "WHERE id IN (" in done.stderr

    @pytest.mark.parametrize(
        ("fail_on", "code", "failures"),
        [
            pytest.param("errors", 1, ["2 errors"], id="asked for"),
            pytest.param("n+1,slow>1h", 0, [], id="others asked for"),
            pytest.param("slow>1us,errors", 1, ["2 errors", "slow statements"], id="several"),
        ],
    )
    def test_findings_fail_when_they_were_asked_for(
        self, tmp_path: Path, serve: Serve, fail_on: str, code: int, failures: list[str]
    ) -> None:
        program = python(PROGRAM, "SELECT a", "SELECT # FROM missing x 2")
        address = serve(FakeBackend(answering))

        done = run(tmp_path, "--backend", address, "--fail-on", fail_on, "--report", "report.json", *program)

        told = report(tmp_path)
        assert done.returncode == code
        assert len(told["failures"]) == len(failures)
        assert all(words in failure for words, failure in zip(failures, told["failures"], strict=True))
        (failed,) = told["errors"]
        assert (failed["code"], failed["count"], failed["text"]) == (1146, 2, "SELECT ? FROM missing")

    def test_the_programs_own_failure_wins(self, tmp_path: Path, serve: Serve) -> None:
        program = python(f"{PROGRAM}\nsys.exit(5)", "SELECT 1 FROM missing")

        done = run(tmp_path, "--backend", serve(FakeBackend(answering)), "--fail-on", "errors", *program)

        assert done.returncode == 5

    def test_without_a_statement_it_says_what_may_be_missing(self, tmp_path: Path, serve: Serve) -> None:
        done = run(tmp_path, "--backend", serve(FakeBackend(answering)), *python("pass"))

        assert done.returncode == 0
        assert "No statement came through DbMux" in done.stderr

    def test_where_the_report_cannot_be_written_the_program_does_not_run(self, here: Path) -> None:
        result = run_here("run", "--report", "missing/report.json", *python("open('ran', 'w')"))

        assert (result.exit_code, (here / "ran").exists()) == (2, False)
        assert "there is no folder missing" in result.output

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param(("--fail-on", "n+1,fast", "--", "true"), id="an unknown finding"),
            pytest.param(("--fail-on", "slow>fast", "--", "true"), id="no duration"),
            pytest.param(("--report", "report.txt", "--", "true"), id="an unknown form"),
            pytest.param((), id="no program"),
        ],
    )
    def test_what_cannot_be_done_is_said_before_the_program_runs(
        self, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        assert run(tmp_path, *arguments).returncode == 2


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("mysql://u:p@h/db", "mysql://u:p@127.0.0.1:4000/db"),
        ("mysql2://u:p@h:3306/db?pool=5", "mysql2://u:p@127.0.0.1:4000/db?pool=5"),
        ("mysql+pymysql://u:p@ss@[::1]:3306", "mysql+pymysql://u:p@ss@127.0.0.1:4000"),
        ("mariadb:///db?unix_socket=/run/db.sock&charset=utf8", "mariadb://127.0.0.1:4000/db?charset=utf8"),
        ("jdbc:mysql://h:1/db", "jdbc:mysql://127.0.0.1:4000/db"),
        ("postgres://u:p@h/db", "postgres://u:p@h/db"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_leads_elsewhere_with_everything_else_as_it_was(url: str, other: str) -> None:
    assert moved(url, HERE) == other


def test_an_environment_names_the_proxy_and_no_way_past_it() -> None:
    told = environment({"DB_HOST": "db", "DB_SOCKET": "/run/db.sock", "DB_URL": "mysql://h", "HOME": "/"}, HERE)

    assert told == {"DB_HOST": "127.0.0.1", "DB_PORT": "4000", "DB_URL": "mysql://127.0.0.1:4000", "HOME": "/"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"DATABASE_URL": "mysql://u:p@db:3310/shop", "DB_HOST": "other"}, "db:3310"),
        ({"DATABASE_URL": "postgres://db/shop", "DB_HOST": "other"}, "other:3306"),
        ({"DB_HOST": "db", "DB_PORT": "3310"}, "db:3310"),
        ({}, None),
    ],
)
def test_the_server_is_the_one_that_the_program_would_ask(given: dict[str, str], found: str | None) -> None:
    assert server(given) == found
