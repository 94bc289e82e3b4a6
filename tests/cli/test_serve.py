"""`dbmux serve` as a process: what it says, what signals do to it, and how it ends."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from dbmux.wire.commands import Command
from dbmux.wire.replies import Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.cli.command import LINE, SECONDS, Process, environment, serving
from tests.cli.conftest import Serve, run_here
from tests.fakes import PASSWORD, FakeBackend, client, run, select

FREE = "127.0.0.1:0"
STARTED = " started in "


def port_of(process: Process) -> int:
    return int(process.line_with("in the application: host 127.0.0.1, port ").rpartition(" ")[2])


def write(folder: Path, **config: object) -> None:
    part = folder / "part"
    part.write_text(json.dumps({"listen": FREE, "tls": "off", **config}))
    part.replace(folder / "appconfig.json")


def always_in_a_transaction(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    if command.command == Command.QUERY:
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.IN_TRANSACTION))
    return select(protocol, command)


class TestStart:
    def test_the_banner_says_what_to_put_into_an_application(self, tmp_path: Path, serve: Serve) -> None:
        address = serve(FakeBackend())
        with serving(tmp_path, "--backend", address, "--listen", FREE) as process:
            port = port_of(process)
            process.line_with("and so go past DbMux.")
            process.line_with(f"backend db at {address} is up: 8.0.36-fake")
            shown = [line for line in process.log if not re.match(r"\d\d:", line)]

        assert shown[0].startswith("DbMux ")
        assert shown[1:] == [
            f"  127.0.0.1:{port} serves db",
            f"    in the application: host 127.0.0.1, port {port}",
            f"    by hand: mysql -h 127.0.0.1 -P {port} -u USER -p",
            '  Write 127.0.0.1 rather than "localhost": many clients take localhost for the server\'s Unix socket,',
            "  and so go past DbMux.",
        ]

    def test_without_file_and_option_it_says_what_it_tries_and_what_it_found(self, tmp_path: Path) -> None:
        with serving(tmp_path, "--listen", FREE) as process:
            process.line_with("No appconfig.json here and no --backend: trying the server at 127.0.0.1:3306.")
            process.line_with("backend db at 127.0.0.1:3306 is ")
            process.line_with(STARTED)

            process.signal(signal.SIGHUP)

            process.line_with("nothing to reload: there is no configuration file")

    def test_it_tells_another_process_of_its_cache_and_empties_it(self, tmp_path: Path) -> None:
        control = f"{tmp_path}/control.sock"
        write(tmp_path, control=control, backends={"db": "/no/such.sock"})
        with serving(tmp_path) as process:
            process.line_with(STARTED)

            asked = [run_here("cache", what, "--control", control).output for what in ("list", "flush", "stats")]
            table = run_here("cache", "flush", "shop.products", "--control", control, "--json").output

            assert asked[0] == "tables  size  rows  uses  age  left  statement\n"
            assert asked[1] == "0 results will not be used any more\n"
            assert asked[2].splitlines()[1:] == [
                "",
                "everything ended, because  times  last",
                f"flushed{' ' * 20}1      0s ago",
            ]
            assert json.loads(table) == {"table": "shop.products", "results": 0}

    def test_it_tells_another_process_its_clients_and_routes(self, tmp_path: Path) -> None:
        control = f"{tmp_path}/control.sock"
        write(tmp_path, control=control, backends={"db": "/no/such.sock"})
        with serving(tmp_path) as process:
            process.line_with(STARTED)

            clients, routes = run_here("clients", "--control", control), run_here("routes", "--control", control)

            assert clients.output == "id  user  client  schema  state  holds  why\n"
            head, line = routes.output.splitlines()
            assert head.split()[:5] == ["group", "server", "role", "state", "takes"]
            assert line.split()[:3] == ["db", "db", "primary"]

    def test_every_address_is_shown_and_a_backend_that_is_down_stops_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, listen=f"{tmp_path}/db.sock", control="[::1]:0", backends={"db": "/no/such.sock"})
        with serving(tmp_path) as process:
            process.line_with(f"  {tmp_path}/db.sock serves db")
            process.line_with(f"    by hand: mysql -S {tmp_path}/db.sock -u USER -p")
            process.line_with(
                "backend db at /no/such.sock is down: No such file or directory; trying again, ever less often"
            )
            line = process.line_with(" answers /healthz, /readyz and /metrics")
            with socket.create_connection(("::1", int(line.split()[0].rpartition(":")[2]))) as asking:
                asking.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                assert asking.makefile().readline() == "HTTP/1.1 503 Service Unavailable\n"

    def test_every_line_of_a_json_log_is_json(self, tmp_path: Path, serve: Serve) -> None:
        with serving(tmp_path, "--backend", serve(FakeBackend()), "--listen", FREE, "--log-format", "json") as process:
            process.line_with("BackendUp")
            process.signal(signal.SIGTERM)
            assert process.end() == 0

        events = [json.loads(line)["event"] for line in process.log if line.startswith("{")]
        assert sorted(events) == ["BackendUp", "DrainStarted", "ListenerClosed", "ListenerOpened", "ProxyStarted"]

    def test_files_may_be_opened_as_the_system_allows_and_nobody_has_to_read_the_banner(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        line = ("bash", "-c", 'ulimit -Sn 256; exec "$@"', "bash", *LINE, "serve", "--listen", FREE, "--backend", "x")
        with subprocess.Popen(
            line, cwd=tmp_path, env=environment(tmp_path), stdout=writing, stderr=subprocess.PIPE, text=True
        ) as process:
            os.close(writing)
            _wait_until_started(process)
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            _, said = _terminated(process)

        assert (soft, process.returncode, "Traceback" in said) == (hard, 0, False)

    def test_a_configuration_may_come_through_a_pipe(self, tmp_path: Path) -> None:
        script = f"exec \"$@\" --config <(echo '{json.dumps({'listen': FREE, 'backends': {'db': 'x'}})}')"
        line = ("bash", "-c", script, "bash", *LINE, "serve")
        with subprocess.Popen(
            line, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            _wait_until_started(process)
            _, said = _terminated(process)

        assert (process.returncode, "rejected" in said) == (0, False)


def _wait_until_started(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    while STARTED not in process.stderr.readline():
        assert process.poll() is None


def _terminated(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.terminate()
    return process.communicate(timeout=SECONDS)


class TestRefusal:
    """A `serve` that cannot begin says why in a line."""

    def failed(self, *arguments: str) -> tuple[int, str]:
        result = run_here("serve", *arguments)
        return result.exit_code, result.stderr

    def test_an_address_in_use_is_3(self, here: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            code, said = self.failed("--backend", "x", "--listen", address)

        assert code == 3
        assert said.startswith(f"listen: {address} cannot be opened: ")
        assert said.endswith("Another address: --listen HOST:PORT, or in the configuration.\n")

    def test_a_control_address_in_use_is_3(self, here: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            write(here, backends={"db": "x"}, control=address)
            code, said = self.failed()

        assert code == 3
        assert f"control: {address} cannot be opened: Address already in use\n" in said

    @pytest.mark.parametrize("address", ["192.0.2.1:0", "no.such.host.invalid:0", "/no/such/folder/db.sock"])
    def test_an_address_that_is_not_this_machines_is_3(self, address: str, here: Path) -> None:
        code, said = self.failed("--backend", "x", "--listen", address)

        assert code == 3
        assert said.startswith(f"listen: {address} cannot be opened: ")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--backend", "db:x"), "--backend: 'x' is not a port (0 to 65535)\n"),
            (("--backend", ""), "--backend: '' has no host; write host:port, [ipv6]:port or /path/of/a.sock\n"),
            (("--backend", "x", "--listen", "x:99999"), "--listen: '99999' is not a port (0 to 65535)\n"),
            (("--backend", "::1", "--listen", "[::1]:3306"), "[::1]:3306 is DbMux's own address; "
             "write the server's, or have DbMux listen elsewhere\n"),
            (("--config", "none.json"), "none.json: there is no such file; `dbmux init` writes a first one\n"),
            (("--config", "broken.json"), "broken.json:1:1: a value is expected here\n"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_served_is_2(self, arguments: tuple[str, ...], words: str, here: Path) -> None:
        (here / "broken.json").write_text("broken")

        assert self.failed(*arguments) == (2, words)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_first_one_drains_and_ends_with_0(self, number: signal.Signals, tmp_path: Path, serve: Serve) -> None:
        write(tmp_path, backends={"db": serve(FakeBackend())}, control=FREE)
        with serving(tmp_path) as process:
            process.line_with(STARTED)
            port_of(process)

            process.signal(number)

            assert process.end() == 0
        process.line_with("draining: no new clients, 0 sessions may end within 30 s")

    def test_a_second_one_ends_at_once(self, tmp_path: Path, serve: Serve) -> None:
        backend = FakeBackend(answer=always_in_a_transaction)
        write(tmp_path, backends={"db": serve(backend)})
        with serving(tmp_path) as process:
            port = port_of(process)

            async def scenario() -> None:
                one = await client(port)
                await one.ask(Command.QUERY, b"BEGIN")
                process.signal(signal.SIGTERM)
                process.line_with("draining: no new clients, 1 session may end within 30 s")

                process.signal(signal.SIGTERM)

                assert process.end() == 0
                one.close()

            run(scenario)
        process.line_with("closed: drained")

    def test_a_second_one_does_not_wait_for_a_login_that_hangs(self, tmp_path: Path, serve: Serve) -> None:
        write(tmp_path, backends={"db": serve(FakeBackend(greets=False))}, timeouts={"connect": "1h", "login": "1h"})
        with serving(tmp_path) as process, socket.create_connection(("127.0.0.1", port_of(process))):
            process.line_with("connected from")
            process.signal(signal.SIGTERM)
            process.line_with("draining: ")

            process.signal(signal.SIGTERM)

            # When it was about to end by itself, nobody heard the second one any more.
            assert process.end() in (0, -signal.SIGTERM)

    def test_sighup_reads_the_file_again(self, tmp_path: Path, serve: Serve) -> None:
        address = serve(FakeBackend())
        secret = tmp_path / "secret"
        secret.write_text("old")
        user = {"password_file": str(secret), "backend_password": PASSWORD.decode()}
        write(tmp_path, backends={"db": address}, users={"app": user})
        with serving(tmp_path) as process:
            process.line_with(STARTED)
            secret.write_text("new")

            process.signal(signal.SIGHUP)
            process.line_with("configuration appconfig.json applied: user app changed")

            (tmp_path / "appconfig.json").unlink()
            process.signal(signal.SIGHUP)
            process.line_with("configuration rejected, the last good one stays in force:")
            process.line_with("  appconfig.json: there is no such file; `dbmux init` writes a first one")
            process.signal(signal.SIGTERM)
            assert process.end() == 0
