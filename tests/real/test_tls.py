"""TLS on both sides, and the other ways to connect than a TCP port of IPv4, with real servers and clients."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbmux.net.certificate import self_made
from dbmux.playground.node import Node
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ClientProtocol
from dbmux.wire.handshake import Greeting, TlsRequest
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS, WAYS, Server, serve, wait_until_served
from tests.real.ports import free_port

pytestmark = [
    pytest.mark.real,
    # A connection that pymysql could not open leaves its socket to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

NO_TLS = "without TLS"
SSL_VERSION = "SHOW STATUS LIKE 'Ssl_version'"


def connect(**options: Any) -> Any:
    return pymysql.connect(user=ACCOUNT, password=PASSWORD.encode(), **{"host": "127.0.0.1", **options})


def one(connection: Any, sql: str) -> Any:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


@contextmanager
def serving(folder: Path, config: Mapping[str, object], port: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A DbMux, from when it accepts clients at `port` until it has ended."""
    process = serve(folder, config)
    try:
        if port is not None:
            wait_until_served(port)
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def plain_server(nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A server that has no TLS."""
    software = nodes["mariadb:10.11"].software
    node = Node(NO_TLS, software, tmp_path_factory.mktemp("plain"), ("--skip-ssl",))
    try:
        node.start(free_port)
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        node.run(f"CREATE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{quoted}'; DROP USER IF EXISTS ''@localhost;")
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="module")
def ports(
    servers: dict[str, Server], plain_server: Node, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], int]]:
    """The listener for each server and way."""
    folder = tmp_path_factory.mktemp("dbmux")
    stranger = self_made(folder / "stranger")[0]
    listen: dict[str, str] = {}
    backends: dict[str, object] = {}
    found: dict[tuple[str, str], int] = {}

    def add(server: str, name: str, address: str, tls: object) -> None:
        port = free_port()
        found[server, name] = port
        listen[f"127.0.0.1:{port}"] = f"{server} {name}"
        backends[f"{server} {name}"] = {"address": address} | ({"tls": tls} if tls else {})

    for name, server in servers.items():
        right = str(
            server.node.data / "ca.pem" if server.is_mysql else server.node.folder.parent / "tls/certificate.pem"
        )
        local, named = f"127.0.0.1:{server.port}", f"localhost:{server.port}"
        add(name, "as by default", local, None)
        for mode in ("off", "preferred", "required"):
            add(name, mode, local, mode)
        add(name, "verify_ca", local, {"mode": "verify_ca", "ca": right})
        add(name, "verify_ca of a stranger", local, {"mode": "verify_ca", "ca": str(stranger)})
        add(name, "verify_identity", named, {"mode": "verify_identity", "ca": right})
        add(name, "verify_identity of another name", local, {"mode": "verify_identity", "ca": right})
    for mode in ("preferred", "required"):
        add(NO_TLS, mode, f"127.0.0.1:{plain_server.port}", mode)
    config = {"listen": listen, "backends": backends, "timeouts": {"drain": "5s"}}
    with serving(folder, config, found["mariadb:11", "off"]):
        yield found


@pytest.fixture(scope="module")
def sockets(
    servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], str]]:
    """The Unix socket of a DbMux by server and way of login; the servers are reached by their own."""
    found: dict[tuple[str, str], str] = {}
    processes = []
    for way in WAYS:
        folder = tmp_path_factory.mktemp(f"sock-{way}")
        listen = {}
        for name in servers:
            found[name, way] = str(folder / f"{name.replace(':', '-')}.sock")
            listen[found[name, way]] = name
        backends = {name: str(server.node.socket) for name, server in servers.items()}
        login = {"users": {ACCOUNT: PASSWORD}} if way == "users" else {"login": way}
        processes.append(serve(folder, {"listen": listen, "backends": backends, **login}))
    try:
        for path in found.values():
            _until_listening(Path(path))
        yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(30) == 0


class TestBackends:
    """One DbMux, with a backend for each way of TLS to each server."""

    @pytest.mark.parametrize("name", SERVERS)
    @pytest.mark.parametrize(
        "way, has_tls",
        [("as by default", False), ("off", False), ("preferred", True), ("required", True), ("verify_ca", True)],
    )
    def test_the_server_sees_tls_where_it_was_asked_for(
        self, name: str, way: str, has_tls: bool, ports: dict[tuple[str, str], int]
    ) -> None:
        version = one(connect(port=ports[name, way]), SSL_VERSION)[1]

        assert version == ("TLSv1.3" if has_tls else "")

    @pytest.mark.parametrize("name", ["mariadb:10.11", "mariadb:11"])
    def test_a_server_whose_certificate_has_the_name_is_taken(
        self, name: str, ports: dict[tuple[str, str], int]
    ) -> None:
        assert one(connect(port=ports[name, "verify_identity"]), SSL_VERSION)[1] == "TLSv1.3"

    @pytest.mark.parametrize(
        "name, way, reason",
        [
            *((name, "verify_ca of a stranger", "self-signed certificate") for name in SERVERS),
            *((name, "verify_identity of another name", "IP address mismatch") for name in SERVERS),
            # MySQL makes itself a certificate that names no host.
            ("mysql:9", "verify_identity", "Hostname mismatch, certificate is not valid for 'localhost'"),
            (NO_TLS, "required", "has no TLS"),
        ],
    )
    def test_a_server_that_must_not_be_taken_is_1429_with_the_reason_and_the_place(
        self, name: str, way: str, reason: str, ports: dict[tuple[str, str], int]
    ) -> None:
        with pytest.raises(pymysql.err.OperationalError) as refused:
            connect(port=ports[name, way])

        number, message = refused.value.args
        assert number == 1429
        assert message.startswith("DbMux: ")
        assert reason in message
        assert f"backends.{name} {way}.tls" in message

    def test_a_server_without_tls_is_taken_where_tls_is_only_preferred(self, ports: dict[tuple[str, str], int]) -> None:
        assert one(connect(port=ports[NO_TLS, "preferred"]), "SELECT 5") == (5,)


class TestClients:
    @pytest.mark.parametrize(
        "mode, plain, inside",
        [("off", "", None), ("optional", "", "TLSv1.3"), ("required", None, "TLSv1.3")],
    )
    def test_a_listener_offers_or_wants_tls(
        self, mode: str, plain: str | None, inside: str | None, server: Server, tmp_path: Path
    ) -> None:
        port, path = free_port(), tmp_path / "dbmux.sock"
        backend = f"127.0.0.1:{server.port}"
        config = {"listen": {f"127.0.0.1:{port}": "db", str(path): "db"}, "backends": {"db": backend}, "tls": mode}
        with serving(tmp_path, config) as process:
            _until_listening(path)

            if plain is None:
                with pytest.raises(pymysql.err.OperationalError) as refused:
                    connect(port=port, ssl_disabled=True)
                assert refused.value.args[0] == 3159
                assert "switch TLS on in the client" in refused.value.args[1]
            else:
                assert _version(connect(port=port, ssl_disabled=True)) == plain
            if inside is None:
                with pytest.raises(pymysql.err.OperationalError):
                    connect(port=port, ssl=_trusting(None))
            else:
                assert _version(connect(port=port, ssl=_trusting(None))) == inside
            # Nobody reads along on a Unix socket.
            assert one(connect(unix_socket=str(path)), "SELECT 5") == (5,)
            assert process.poll() is None

    def test_the_self_made_certificate_is_kept_over_restarts(self, mariadb: Server, tmp_path: Path) -> None:
        port = free_port()
        config: Mapping[str, object] = {"listen": f"127.0.0.1:{port}", "backends": {"db": f"127.0.0.1:{mariadb.port}"}}
        with serving(tmp_path, config, port):
            first = ssl.PEM_cert_to_DER_cert((tmp_path / "state/dbmux/tls/certificate.pem").read_text())
        pinned = tmp_path / "pinned.pem"
        pinned.write_text(ssl.DER_cert_to_PEM_cert(first))

        with serving(tmp_path, config, port):
            assert _version(connect(port=port, ssl=_trusting(pinned))) == "TLSv1.3"

    def test_a_certificate_of_ones_own_is_shown(self, mariadb: Server, tmp_path: Path) -> None:
        port = free_port()
        certificate, key = self_made(tmp_path / "own")
        config: Mapping[str, object] = {
            "listen": f"127.0.0.1:{port}",
            "backends": {"db": f"127.0.0.1:{mariadb.port}"},
            "tls": {"mode": "required", "certificate": str(certificate), "key": str(key)},
        }
        with serving(tmp_path, config):
            _until_listening(("127.0.0.1", port))

            assert _version(connect(port=port, ssl=_trusting(certificate))) == "TLSv1.3"

    def test_a_proxy_that_was_late_takes_request_and_start_of_tls_that_came_together(
        self, mariadb: Server, tmp_path: Path
    ) -> None:
        port = free_port()
        config: Mapping[str, object] = {"listen": f"127.0.0.1:{port}", "backends": {"db": f"127.0.0.1:{mariadb.port}"}}
        with serving(tmp_path, config, port) as process, socket.create_connection(("127.0.0.1", port), 10) as client:
            protocol = ClientProtocol()
            while not isinstance(protocol.next(), Greeting):
                protocol.receive(client.recv(4096))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = _trusting(None).wrap_bio(incoming, outgoing)
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()

            process.send_signal(signal.SIGSTOP)
            flags = Capability.SSL | Capability.PROTOCOL_41 | Capability.SECURE_CONNECTION | Capability.PLUGIN_AUTH
            client.sendall(protocol.request_tls(TlsRequest(capabilities=flags, max_packet=1 << 24, charset=45)))
            client.sendall(outgoing.read())
            process.send_signal(signal.SIGCONT)
            while tls.version() is None:
                incoming.write(client.recv(4096))
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()

            assert tls.version() == "TLSv1.3"


class TestUnixSockets:
    @pytest.mark.parametrize("way", WAYS)
    def test_clients_log_in_over_unix_sockets_on_both_sides(
        self, way: str, server: Server, sockets: dict[tuple[str, str], str]
    ) -> None:
        server.forget_logins()
        for _ in ("cold", "warm"):
            assert one(connect(unix_socket=sockets[server.name, way]), "SELECT USER()")[0].startswith(f"{ACCOUNT}@")

    @pytest.mark.parametrize("way", WAYS)
    def test_the_servers_own_program_logs_in_over_a_unix_socket(
        self, way: str, server: Server, sockets: dict[tuple[str, str], str]
    ) -> None:
        server.forget_logins()
        line = [*server.node.software.client, "--no-defaults", f"--socket={sockets[server.name, way]}", f"-u{ACCOUNT}"]
        for _ in ("cold", "warm"):
            done = subprocess.run(
                [*line, "-N", "-e", "SELECT 5"],
                env={"MYSQL_PWD": PASSWORD, "PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr

    @pytest.mark.parametrize("way", WAYS)
    def test_a_wrong_password_is_refused(self, way: str, server: Server, sockets: dict[tuple[str, str], str]) -> None:
        with pytest.raises(pymysql.err.OperationalError) as refused:
            pymysql.connect(unix_socket=sockets[server.name, way], user=ACCOUNT, password="wrong")

        assert refused.value.args[0] == 1045

    def test_a_second_dbmux_does_not_take_the_socket_of_the_first(
        self, mariadb: Server, sockets: dict[tuple[str, str], str], tmp_path: Path
    ) -> None:
        path = sockets[mariadb.name, "relay"]

        process = serve(tmp_path, {"listen": path, "backends": {"db": f"127.0.0.1:{mariadb.port}"}})

        assert process.wait(30) == 3
        assert f"{path} cannot be opened: Address already in use" in (tmp_path / "log").read_text()
        assert one(connect(unix_socket=path), "SELECT 5") == (5,)


def test_an_ipv6_listener_serves(server: Server, tmp_path: Path) -> None:
    port = free_port()
    config = {"listen": f"[::1]:{port}", "backends": {"db": f"127.0.0.1:{server.port}"}}
    with serving(tmp_path, config):
        _until_listening(("::1", port))

        assert one(connect(host="::1", port=port), "SELECT 5") == (5,)


def _until_listening(address: Path | tuple[str, int]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if isinstance(address, tuple):
                socket.create_connection(address).close()
            else:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(address))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _version(connection: Any) -> str:
    """The TLS that the client has; the server's own variable tells that of DbMux."""
    found = connection._sock
    with connection:
        return (found.version() or "") if isinstance(found, ssl.SSLSocket) else ""


def _trusting(authority: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if authority is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority)
    return context
