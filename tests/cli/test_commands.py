"""The subcommands that answer and end: what they print, and with which code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import Result

from dbmux.cli import COMMANDS, group
from dbmux.config.schema import schema
from dbmux.resources import folder
from dbmux.wire.columns import Column
from dbmux.wire.replies import Err, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.cli.conftest import Serve, run_here
from tests.fakes import COLUMN, PASSWORD, Answer, FakeBackend, row, select

THERE = '{"backends": {"db": "10.0.0.1"}}'


def said(result: Result) -> tuple[int, list[str]]:
    return result.exit_code, result.output.splitlines()


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "Usage: "),
            (("nonsense",), "No such command 'nonsense'"),
            (("--nonsense",), "No such option '--nonsense'"),
            (("serve", "--nonsense"), "No such option '--nonsense'"),
            (("serve", "--log-format", "xml"), "'xml' is not one of 'text', 'json'"),
            (("serve", "--backend"), "requires an argument"),
            (("serve", "--backend", "x", "--config", "y"), "--backend and --config exclude each other"),
            (("serve", "extra"), "unexpected extra argument"),
            (("check", "--config", "/"), "is a directory"),
            (("help", "nonsense"), "there is no page 'nonsense'; there are "),
            (("completion", "tcsh"), "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
            (("playground", "nonsense"), "No such command 'nonsense'"),
            (("cache", "nonsense"), "No such command 'nonsense'"),
            (("cache", "flush", "products"), "'products' is no table; write it as schema.table"),
        ],
    )
    def test_what_cannot_be_meant_is_2_and_one_sentence(self, arguments: tuple[str, ...], words: str) -> None:
        result = run_here(*arguments)

        assert result.exit_code == 2
        assert words in result.output

    @pytest.mark.parametrize("option", ["--help", "-h"])
    @pytest.mark.parametrize("command", ["", *COMMANDS])
    def test_everything_has_help(self, command: str, option: str) -> None:
        result = run_here(*command.split(), option)

        assert result.exit_code == 0
        assert result.output.startswith("Usage: ")

    def test_the_help_lists_every_command_with_the_words_of_its_own_help(self) -> None:
        listed = run_here("--help").output

        for name, words in COMMANDS.items():
            assert f"  {name} " in listed
            assert words in listed
            command = group.get_command(None, name)  # type: ignore[arg-type]  # the context is not looked at
            assert command is not None
            assert command.help

    def test_the_version_says_whether_the_kernel_is_compiled(self) -> None:
        words = run_here("--version").output.split()

        assert words[0] == "dbmux"
        assert " ".join(words[2:]) in ("(compiled kernel)", "(pure Python kernel)")


class TestCheck:
    def test_a_right_file_is_0_and_a_summary(self, here: Path) -> None:
        (here / "appconfig.json").write_text(THERE)

        assert said(run_here("check")) == (
            0,
            [
                "appconfig.json: fine",
                "  127.0.0.1:3307 serves db: db at 10.0.0.1:3306",
                "  login: relay; every account works as it is, and each client has one backend connection at a time",
                '    further connections for a client cannot be opened; "login": "learn" or `users` can',
                '  control: off; "control": "127.0.0.1:3380" switches on /healthz, /readyz and /metrics',
            ],
        )

    @pytest.mark.parametrize(
        ("more", "line"),
        [
            ('"users": {"a": "p"}', "  login: 1 user of the configuration; nobody else gets in"),
            ('"users": {"a": "p", "b": "p"}', "  login: 2 users of the configuration; nobody else gets in"),
            ('"users": {"a": "p"}, "login": "learn"', '    "login": "learn" has no effect beside `users`'),
            ('"login": "learn"',
             "  login: learn; clients show their passwords in TLS or encrypted, and the server checks them"),
            ('"groups": {"main": "db"}, "listen": "[::]:1"', "  [::]:1 serves main: db at 10.0.0.1:3306"),
        ],
    )  # fmt: skip
    def test_the_summary_says_what_is_meant(self, more: str, line: str, here: Path) -> None:
        (here / "appconfig.json").write_text(f"{THERE[:-1]}, {more}}}")

        code, lines = said(run_here("check"))

        assert code == 0
        assert line in lines

    @pytest.mark.parametrize("service", ["", ', "service": {"user": "dbmux"}'])
    def test_what_replicas_cannot_do_without_a_service_account_is_told(self, service: str, here: Path) -> None:
        (here / "appconfig.json").write_text(
            '{"backends": {"a": "10.0.0.1", "b": "10.0.0.2"}, "login": "learn", "groups": '
            '{"g": {"primary": "a", "replicas": ["b"], "max_lag": "1s"}}' + service + "}"
        )

        code, lines = said(run_here("check"))

        assert code == 0
        assert lines[1] == "  127.0.0.1:3307 serves g: a at 10.0.0.1:3306, reads at b"
        told = [
            "  g: how far its replicas are behind is not known without a `service` account",
            "    so with max_lag they take no reads at all",
            "    so a session that has written reads from the primary from then on",
        ]
        assert [line in lines for line in told] == [not service] * 3

    @pytest.mark.parametrize("login, is_told", [("relay", True), ("learn", False)])
    def test_what_a_relayed_login_cannot_do_is_told_by_name(self, login: str, is_told: bool, here: Path) -> None:
        db = '{"address": "10.0.0.1", "min_idle": 2}'
        (here / "appconfig.json").write_text(f'{{"backends": {{"db": {db}}}, "login": "{login}"}}')

        code, lines = said(run_here("check"))

        line = '    backends.db.min_idle has no effect without a password; write "login": "learn"'
        assert (code, line in lines) == (0, is_told)

    def test_a_wrong_file_is_2_and_every_problem(self, here: Path) -> None:
        (here / "app.json").write_text('{"backends": {"db": {"adress": "x"}}, "lisen": 1}')

        assert said(run_here("check", "--config", "app.json")) == (
            2,
            [
                "app.json:1:22: backends.db.adress: unknown key; did you mean 'address'?",
                "app.json:1:39: lisen: unknown key; did you mean 'listen'?",
            ],
        )

    def test_no_file_is_2_and_the_way_to_one(self, here: Path) -> None:
        assert said(run_here("check")) == (
            2,
            ["appconfig.json: there is no such file; `dbmux init` writes a first one"],
        )

    def test_the_file_is_found_by_option_environment_folder_and_user(self, here: Path) -> None:
        for name in ("option.json", "environment.json", "appconfig.json", "dbmux/appconfig.json"):
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_text(THERE)
        user = {"XDG_CONFIG_HOME": str(here)}

        assert run_here("check", "--config", "option.json", DBMUX_CONFIG="environment.json").output.startswith(
            "option.json"
        )
        assert run_here("check", DBMUX_CONFIG="environment.json").output.startswith("environment.json")
        assert run_here("check", **user).output.startswith("appconfig.json: fine")
        (here / "appconfig.json").unlink()
        assert run_here("check", **user).output.startswith(f"{here}/dbmux/appconfig.json: fine")

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"", "app.json:1:1: the file ends where a value is expected"),
            (b"\x00\x01\x02\xff", "app.json:1: is not UTF-8 text"),
            (b"\x00\x01\x02", "app.json:1:1: a value is expected here"),
            (b'{"backends": {"db": "${NOPE}"}}',
             "app.json:1:15: backends.db: the environment has no NOPE; set it, or write ${NOPE:-default}"),
            (b'{"backends": {"db": "x"},\n"tls": {"certificate": "app.json"}}',
             "app.json:2:1: tls: the certificate cannot be used: "
             "a certificate or a key in PEM form is missing in it"),
            (b'{"backends": {"db": {"address": "x", "tls": {"mode": "verify_ca", "ca": "app.json"}}}}',
             "app.json:1:38: backends.db.tls: the files cannot be used: no certificate or crl found"),
            (b'{"backends": {"a\\u001b[2J": {}}}', "app.json:1:15: backends.a\\x1b[2J.address: is missing"),
        ],
    )  # fmt: skip
    def test_any_file_is_answered_in_a_sentence(self, content: bytes, line: str, here: Path) -> None:
        (here / "app.json").write_bytes(content)

        code, lines = said(run_here("check", "--config", "app.json"))

        assert code == 2
        assert line in lines


THREADS = ("Replica_IO_Running", "Replica_SQL_Running", "Seconds_Behind_Source")


def standing(read_only: bytes, gtids: bytes = b"", behind: tuple[bytes, ...] = ()) -> Answer:
    """A server that tells this of itself and of its replication; without `behind`, nobody has the right to see that."""

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"SELECT @@global.read_only"):
            return protocol.send_rows([COLUMN] * 3, [row(read_only, gtids, gtids)], Status.AUTOCOMMIT)
        if command.body != b"SHOW REPLICA STATUS":
            return select(protocol, command)
        if not behind:
            return protocol.send_err(Err(number=1227, sqlstate=b"42000", message=b"Access denied"))
        columns = [Column(name=name.encode(), type=253).build(0) for name in THREADS]
        return protocol.send_rows(columns, [row(*behind)], Status.AUTOCOMMIT)

    return answer


def dictionary(rights: tuple[bytes, ...], views: list[bytes]) -> Answer:
    """A server that gives the service account these rights, has these views, and shows nobody its log."""

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"SHOW MASTER STATUS"):
            return protocol.send_err(Err(number=1227, sqlstate=b"42000", message=b"Access denied"))
        if command.body == b"SELECT CURRENT_USER()":
            return protocol.send_rows([COLUMN], [row(b"dbmux@%")], Status.AUTOCOMMIT)
        if b"VIEW_DEFINITION" in command.body:
            return protocol.send_rows([COLUMN] * 3, views, Status.AUTOCOMMIT)
        rows = [row(right) for right in rights] if b"PRIVILEGE_TYPE" in command.body else []
        return protocol.send_rows([COLUMN], rows, Status.AUTOCOMMIT)

    return answer


RIGHTS = (b"REFERENCES", b"SELECT", b"TRIGGER")
KNOWN = "the cache knows its tables, triggers, views and routines"
UNREAD = (
    "the service account may not read the binary log of db; "
    "run there: GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbmux'@'%'"
)


class TestConnect:
    """`check --connect`: 0 when every server and account answers, 1 when one does not."""

    def config(self, here: Path, **backends: str) -> None:
        listen = {f"127.0.0.1:{1000 + at}": name for at, name in enumerate(backends)}
        users = {"app": PASSWORD.decode()}
        (here / "appconfig.json").write_text(json.dumps({"listen": listen, "backends": backends, "users": users}))

    def test_servers_and_accounts_are_tried(self, here: Path, serve: Serve) -> None:
        address = serve(FakeBackend())
        self.config(here, db=address)

        code, lines = said(run_here("check", "--connect"))

        assert code == 0
        assert lines[-2:] == [f"  db: {address} answers, 8.0.36-fake", "  db: app can log in"]

    def test_an_account_of_which_only_a_hash_is_known_is_not_tried(self, here: Path, serve: Serve) -> None:
        address, users = serve(backend := FakeBackend()), {"app": {"password_hash": "*" + "0" * 40}}
        (here / "appconfig.json").write_text(json.dumps({"backends": {"db": address}, "users": users}))

        code, lines = said(run_here("check", "--connect"))

        assert (code, lines[-1], backend.logins) == (0, f"  db: {address} answers, 8.0.36-fake", 0)

    def test_a_closed_port_is_1_and_the_other_server_is_tried_all_the_same(self, here: Path, serve: Serve) -> None:
        address = serve(FakeBackend())
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            closed = f"127.0.0.1:{taken.getsockname()[1]}"
            self.config(here, one=closed, two=address)

            code, lines = said(run_here("check", "--connect"))

        assert code == 1
        assert lines[-3:] == [
            f"  one: {closed} cannot be reached: Connection refused",
            f"  two: {address} answers, 8.0.36-fake",
            "  two: app can log in",
        ]

    def test_a_wrong_password_is_1(self, here: Path, serve: Serve) -> None:
        address = serve(FakeBackend())
        (here / "appconfig.json").write_text(
            json.dumps({"backends": {"db": address}, "service": {"user": "dbmux", "password": "topsecret"}})
        )

        result = run_here("check", "--connect")

        assert result.exit_code == 1
        assert (
            result.output.splitlines()[-1]
            == "  db: the service account dbmux cannot log in: 1045 (28000): Access denied"
        )
        assert "topsecret" not in result.output

    @pytest.mark.parametrize(
        ("replica", "code", "told"),
        [
            (standing(b"1", b"0-1-7"), 0, "is read-only, tells its position in GTIDs"),
            (standing(b"0", b"0-1-7"), 0, "takes writes, tells its position in GTIDs"),
            (standing(b"1", b"0-1-7", (b"Yes", b"No", b"0")), 1,
             "is read-only, tells its position in GTIDs, but does not go on: its replication is stopped"),
            (standing(b"1", b"", (b"Yes", b"Yes", b"3")), 0,
             "is read-only, tells no position in GTIDs, but that it is 3 s behind"),
            (standing(b"1", b"", (b"Yes", b"No", b"0")), 1,
             "is read-only, and does not replicate now: how far it is behind is not known"),
            (standing(b"1"), 1,
             "is read-only, tells no position in GTIDs, nor how far it is behind (1227 (42000): Access denied); "
             "run what `dbmux grants` prints"),
            (select, 1,
             "does not tell the service account how it stands: "
             "the server answered a question of DbMux's with other rows"),
        ],
    )  # fmt: skip
    def test_what_the_service_account_sees_of_a_replica_is_told(
        self, replica: Answer, code: int, told: str, here: Path, serve: Serve
    ) -> None:
        content = {
            "backends": {"one": serve(FakeBackend(standing(b"0"))), "two": serve(FakeBackend(replica))},
            "groups": {"main": {"primary": "one", "replicas": ["two"]}},
            "login": "learn",
            "service": {"user": "dbmux", "password": PASSWORD.decode()},
        }
        (here / "appconfig.json").write_text(json.dumps(content))

        found, lines = said(run_here("check", "--connect"))

        assert (found, lines[-1]) == (code, f"  two: {told}")
        assert "  one: takes writes, tells no position in GTIDs" in lines

    @pytest.mark.parametrize(
        ("rights", "views", "mode", "code", "told"),
        [
            (RIGHTS, [], "auto", 0, [
             KNOWN, f"writes past DbMux are not seen, and results last up to their ttl: {UNREAD}"]),
            (RIGHTS, [], "off", 0, [KNOWN]),
            (RIGHTS, [], "required", 1, [KNOWN, f"nothing of it is cached: {UNREAD}"]),
            (RIGHTS, [row(b"shop", b"v", b"")], "off", 1, [
             "the service account may not see how shop.v are made; run what `dbmux grants` prints"]),
            ((b"REFERENCES", b"TRIGGER"), [], "off", 0, [
             "the cache knows its tables, triggers and views; a CALL may end all results without the right SELECT"]),
            ((b"TRIGGER",), [], "off", 1, ["nothing of it can be cached: the service account "
             "lacks the right REFERENCES; `dbmux grants` prints what it needs"]),
        ],
        ids=["log may not be read", "log not looked at", "log required", "hidden view", "hidden routines", "no right"],
    )  # fmt: skip
    def test_what_the_cache_can_know_of_a_server_is_told(
        self,
        rights: tuple[bytes, ...],
        views: list[bytes],
        mode: str,
        code: int,
        told: list[str],
        here: Path,
        serve: Serve,
    ) -> None:
        content = {
            "backends": {"db": serve(FakeBackend(dictionary(rights, views)))},
            "login": "learn",
            "service": {"user": "dbmux", "password": PASSWORD.decode()},
            "cache": {"tables": {"shop.*": "5s"}, "invalidate_from": mode},
        }
        (here / "appconfig.json").write_text(json.dumps(content))

        found, lines = said(run_here("check", "--connect"))

        assert found == code
        assert "  cache: shop.* in 64 MB" in lines
        assert lines[-len(told) :] == [f"  db: {line}" for line in told]

    def test_a_server_that_says_nothing_is_1(self, here: Path, serve: Serve) -> None:
        address = serve(FakeBackend(greets=False))
        (here / "appconfig.json").write_text(json.dumps({"backends": {"db": address}, "timeouts": {"connect": "10ms"}}))

        code, lines = said(run_here("check", "--connect"))

        assert code == 1
        assert lines[-1] == f"  db: {address} cannot be reached: no answer in time"

    def test_a_server_that_stops_in_the_middle_of_a_login_is_1(self, here: Path, serve: Serve) -> None:
        address = serve(_Silent())
        (here / "appconfig.json").write_text(
            json.dumps(
                {
                    "backends": {"db": address},
                    "users": {"app": "p"},
                    "timeouts": {"login": "500ms", "connect": "500ms"},
                }
            )
        )

        code, lines = said(run_here("check", "--connect"))

        assert code == 1
        assert lines[-1] == "  db: app cannot log in: no answer to the login within timeouts.login (0.5 s)"

    def test_a_server_that_hangs_up_in_the_middle_of_a_login_is_1(self, here: Path, serve: Serve) -> None:
        address = serve(_HangingUp())
        (here / "appconfig.json").write_text(json.dumps({"backends": {"db": address}, "users": {"app": "p"}}))

        code, lines = said(run_here("check", "--connect"))

        assert code == 1
        assert lines[-1].startswith("  db: app cannot log in: backend db closed the connection during the login")

    def test_a_wrong_file_is_2_and_nothing_is_tried(self, here: Path) -> None:
        (here / "appconfig.json").write_text("{}")

        assert run_here("check", "--connect").exit_code == 2


class _Silent(FakeBackend):
    def _reply(self, protocol: ServerProtocol, message: object) -> bytes | None:
        return b""


class _HangingUp(FakeBackend):
    def _reply(self, protocol: ServerProtocol, message: object) -> bytes | None:
        return None


class TestInit:
    def test_three_lines_and_their_schema_are_written_and_are_fine(self, here: Path) -> None:
        result = run_here("init")

        assert result.exit_code == 0
        assert result.output == (
            "Wrote appconfig.json and appconfig.schema.json. Put your server's address in, "
            "then: dbmux check --connect, dbmux serve\n"
        )
        written = (here / "appconfig.json").read_text()
        assert len(written.splitlines()) == 3
        assert json.loads(written)["$schema"] == "./appconfig.schema.json"
        assert (here / "appconfig.schema.json").read_text() == schema()
        assert run_here("check").exit_code == 0

    def test_an_existing_file_is_left_alone(self, here: Path) -> None:
        (here / "appconfig.json").write_text("mine")

        assert said(run_here("init")) == (
            2,
            ["Error: appconfig.json is here already; remove it first, or edit it and run `dbmux check`"],
        )
        assert sorted(path.name for path in here.iterdir()) == ["appconfig.json"]
        assert (here / "appconfig.json").read_text() == "mine"

    def test_a_link_to_nowhere_is_left_alone_too(self, here: Path) -> None:
        (here / "appconfig.json").symlink_to("elsewhere.json")

        assert run_here("init").exit_code == 2
        assert not (here / "elsewhere.json").exists()

    def test_a_folder_that_cannot_be_written_is_told(self, here: Path) -> None:
        (here / "appconfig.schema.json").mkdir()

        assert said(run_here("init")) == (2, ["Error: appconfig.schema.json cannot be written: Is a directory"])


def test_schema_prints_the_schema() -> None:
    assert said(run_here("schema")) == (0, schema().splitlines())


def test_grants_prints_sql_for_each_backend(here: Path) -> None:
    (here / "appconfig.json").write_text(f'{THERE[:-1]}, "service": {{"user": "dbmux", "password": "topsecret"}}}}')

    code, lines = said(run_here("grants"))

    assert code == 0
    assert "CREATE USER IF NOT EXISTS 'dbmux'@'%' IDENTIFIED BY '<the password of service>';" in lines


def test_grants_with_a_wrong_file_is_2(here: Path) -> None:
    assert said(run_here("grants", "--config", "no.json"))[0] == 2


class TestHelp:
    def test_without_a_page_it_lists_them(self) -> None:
        code, lines = said(run_here("help"))

        assert code == 0
        assert lines[0].startswith("Pages: ")
        assert {page.stem for page in folder("docs").glob("*.md")} == set(lines[0].removeprefix("Pages: ").split(", "))

    def test_a_page_is_printed_whole(self) -> None:
        assert run_here("help", "errors").output.strip() == (folder("docs") / "errors.md").read_text().strip()


def test_ctrl_c_is_quiet_and_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dbmux.commands.schema.command", click.Command("schema", callback=interrupted))

    result = run_here("schema")

    assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize("command", [("playground", "up", "single"), ("demo",)])
def test_where_servers_cannot_be_kept_one_line_says_what_to_do(command: tuple[str, ...]) -> None:
    nowhere = {f"XDG_{name}_HOME": "/dev/null/x" for name in ("CACHE", "DATA")}

    result = run_here(*command, PATH="/nowhere", **nowhere)

    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "/dev/null/x" in line and "XDG_DATA_HOME" in line


def test_playground_list_names_every_recipe() -> None:
    code, lines = said(run_here("playground", "list"))

    assert code == 0
    assert [line.split()[0] for line in lines] == sorted(
        path.parent.name for path in folder("recipes").glob("*/*.toml")
    )


class TestCompletion:
    """The scripts, and what they ask the command."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_its_script(self, shell: str) -> None:
        result = run_here("completion", shell)

        assert result.exit_code == 0
        assert f"_DBMUX_COMPLETE={shell}_complete" in result.output

    @pytest.mark.parametrize(
        ("words", "completed"),
        [
            ("dbmux se", ["serve"]),
            ("dbmux ", list(COMMANDS)),
            ("dbmux serve --l", ["--listen", "--log-format"]),
            ("dbmux serve --log-format ", ["text", "json"]),
            ("dbmux help err", ["errors"]),
            ("dbmux playground p", ["ps"]),
            ("dbmux nonsense x", []),
        ],
    )
    def test_bash_completes(self, words: str, completed: list[str], tmp_path: Path) -> None:
        # The script asks for `dbmux`, wherever that is: here it is this very checkout.
        stub = tmp_path / "dbmux"
        stub.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m dbmux.cli "$@"\n')
        stub.chmod(0o755)
        script = f"""
            eval "$(dbmux completion bash)"
            complete -p dbmux > /dev/null || exit 1
            COMP_WORDS=({words}); COMP_CWORD={words.count(" ")}
            _dbmux_completion dbmux
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """

        done = subprocess.run(
            ("bash", "-c", script),
            capture_output=True,
            text=True,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            timeout=20,
        )

        assert done.stderr == ""
        assert done.stdout.split() == completed


@pytest.mark.usefixtures("here")
class TestAsking:
    @pytest.mark.parametrize("command", ["clients", "routes", "cache stats", "cache list", "cache flush"])
    def test_when_nobody_answers_it_says_what_to_look_at(self, command: str) -> None:
        result = run_here(*command.split(), "--control", "/no/such.sock")

        assert said(result) == (
            3,
            [
                "Error: no DbMux answers at /no/such.sock (No such file or directory); "
                "is it running, and is that its `control` address?"
            ],
        )
