"""A changed configuration is put in force while clients are served: whole, or not at all."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from dbmux.config.load import with_listen
from dbmux.wire.client import ClientProtocol, Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.config.serving import FREE, ONE, TWO, run, servers, serving, write
from tests.fakes import PASSWORD, FakeBackend, TestClient, client, connect, row, select

SHORT = {"drain": "20ms"}


def in_transactions(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """A server on which every statement but COMMIT is inside a transaction."""
    if command.command == Command.QUERY:
        status = Status.AUTOCOMMIT if command.body == b"COMMIT" else Status.AUTOCOMMIT | Status.IN_TRANSACTION
        return protocol.send_ok(Ok(status=status))
    return select(protocol, command)


async def works(one: TestClient) -> bool:
    return Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")


async def logs_in(port: int, user: bytes, password: bytes) -> bool:
    found = await connect(port, password=password, user=user)
    if isinstance(found, TestClient):
        found.close()
    return isinstance(found, TestClient)


async def farewell(one: TestClient) -> tuple[int, bytes, bytes]:
    """What the client is told unasked: number, SQLSTATE and text."""
    # As a greeting: the only place where a client expects a packet numbered 0.
    fresh = ClientProtocol()
    fresh.receive(one.protocol.unread())
    one.conversation.protocol = fresh
    told = await one.conversation.next()
    assert isinstance(told, Err)
    return told.number, told.sqlstate, told.message


def taken_port() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def changed(applied: dict[str, Any]) -> list[str]:
    assert applied["event"] == "ConfigApplied", applied
    told: list[str] = applied["changes"]
    return told


class TestBackends:
    def test_an_added_backend_serves_new_clients_and_old_ones_stay(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            async with servers(a, b) as (at_a, at_b), serving(tmp_path / "c", {"backends": {"a": at_a}}) as proxy:
                old = await client(proxy.port())

                told = changed(await proxy.reload({"backends": {"a": at_a, "b": at_b}, "default": "b"}))
                new = await client(proxy.port())

                assert told == [f"listen {ONE} changed", "backend b added", "default changed"]
                assert await works(old)
                assert await works(new)
                assert (a.logins, b.logins) == (1, 1)
                await proxy.until(lambda: {e["backend"] for e in proxy.of("BackendUp")} == {"a", "b"})

        run(scenario)

    def test_a_removed_backends_sessions_may_stay_for_the_drain_time_and_are_then_told(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            async with servers(a, b) as (at_a, at_b), serving(tmp_path / "c", {"backends": {"a": at_a}}) as proxy:
                old = await client(proxy.port())

                told = changed(await proxy.reload({"backends": {"b": at_b}, "timeouts": {"drain": "100ms"}}))

                assert "backend a removed" in told
                assert await works(old)
                number, sqlstate, message = await farewell(old)
                assert (number, sqlstate) == (1053, b"08S01")
                assert message == b"DbMux: this connection's backend or user was removed; connect again"
                await proxy.until(lambda: a.open == 0)
                assert await logs_in(proxy.port(), b"app", PASSWORD)

        run(scenario)

    def test_a_removed_backends_sessions_may_go_on_also_over_shared_connections(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b, users = FakeBackend(), FakeBackend(), {"app": PASSWORD.decode()}
            async with servers(a, b) as (at_a, at_b):
                begin = {"backends": {"a": at_a}, "users": users}
                async with serving(tmp_path / "c", begin) as proxy:
                    old = await client(proxy.port())
                    assert await works(old)

                    await proxy.reload({"backends": {"b": at_b}, "users": users, "timeouts": {"drain": "100ms"}})

                    assert await works(old)
                    assert (await farewell(old))[0] == 1053
                    await proxy.until(lambda: a.open == 0)

        run(scenario)

    def test_a_transaction_may_end_although_its_backend_was_removed(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(answer=in_transactions), FakeBackend()
            async with servers(a, b) as (at_a, at_b), serving(tmp_path / "c", {"backends": {"a": at_a}}) as proxy:
                idle, busy = await client(proxy.port()), await client(proxy.port())
                await busy.ask(Command.QUERY, b"BEGIN")

                await proxy.reload({"backends": {"b": at_b}, "timeouts": {"drain": "1ms"}})
                assert (await farewell(idle))[0] == 1053

                assert isinstance((await busy.ask(Command.QUERY, b"UPDATE"))[0], Ok)
                assert isinstance((await busy.ask(Command.QUERY, b"COMMIT"))[0], Ok)
                assert (await farewell(busy))[0] == 1053

        run(scenario)

    def test_a_changed_address_holds_for_new_clients(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            async with servers(a, b) as (at_a, at_b), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                old = await client(proxy.port())

                told = changed(await proxy.reload({"backends": {"db": at_b}, "timeouts": SHORT}))
                new = await client(proxy.port())

                assert "backend db changed" in told
                assert await works(new)
                assert (a.logins, b.logins) == (1, 1)
                assert (await farewell(old))[0] == 1053

        run(scenario)

    def test_a_backend_that_did_not_change_keeps_its_clients(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"a": at_a}}) as proxy:
                old = await client(proxy.port())

                told = changed(
                    await proxy.reload({"backends": {"a": {"address": at_a}}, "timeouts": {"connect": "1s"}})
                )

                assert told == ["timeouts.connect changed"]
                (session,) = proxy.engine.frontend.sessions.values()
                assert session.backend is proxy.engine.frontend.settings.topology.primary("a")
                assert await works(old)
                assert len(proxy.of("BackendUp")) == 1

        run(scenario)


class TestUsers:
    def test_users_are_added_changed_and_removed(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            right = PASSWORD.decode()
            backend = {"backend_password": right}
            async with servers(a) as (at_a,):
                begin = {"backends": {"db": at_a}, "users": {"one": {"password": "p1", **backend}}}
                async with serving(tmp_path / "c", begin) as proxy:
                    port = proxy.port()
                    assert [await logs_in(port, b"one", b"p1"), await logs_in(port, b"two", b"p2")] == [True, False]

                    users = {"one": {"password": "new", **backend}, "two": {"password": "p2", **backend}}
                    told = changed(await proxy.reload({"backends": {"db": at_a}, "users": users}))
                    assert told == ["user one changed", "user two added"]
                    assert [await logs_in(port, b"one", b"p1"), await logs_in(port, b"one", b"new")] == [False, True]
                    assert await logs_in(port, b"two", b"p2")

                    told = changed(await proxy.reload({"backends": {"db": at_a}, "users": {"two": users["two"]}}))
                    assert told == ["user one removed"]
                    assert [await logs_in(port, b"one", b"new"), await logs_in(port, b"two", b"p2")] == [False, True]

        run(scenario)

    def test_a_removed_user_is_asked_to_leave_and_others_are_not(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            users = {"one": PASSWORD.decode(), "two": PASSWORD.decode()}
            async with servers(a) as (at_a,):
                begin = {"backends": {"db": at_a}, "users": users}
                async with serving(tmp_path / "c", begin) as proxy:
                    leaving, staying = [await connect(proxy.port(), user=name) for name in (b"one", b"two")]
                    assert isinstance(leaving, TestClient)
                    assert isinstance(staying, TestClient)

                    await proxy.reload({"backends": {"db": at_a}, "users": {"two": users["two"]}, "timeouts": SHORT})

                    assert (await farewell(leaving))[0] == 1053
                    assert await works(staying)

        run(scenario)

    def test_a_user_who_is_back_before_the_drain_time_is_over_stays(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, users = FakeBackend(), {"one": PASSWORD.decode(), "two": PASSWORD.decode()}
            async with servers(a) as (at_a,):
                begin = {"backends": {"db": at_a}, "users": users, "timeouts": {"drain": "100ms"}}
                async with serving(tmp_path / "c", begin) as proxy:
                    leaving, staying = [await connect(proxy.port(), user=user) for user in (b"one", b"two")]
                    assert isinstance(leaving, TestClient)
                    assert isinstance(staying, TestClient)

                    await proxy.reload({**begin, "users": {"other": "password"}})
                    await proxy.reload({**begin, "users": {"two": users["two"]}})

                    assert (await farewell(leaving))[0] == 1053
                    assert await works(staying)

        run(scenario)

    def test_a_user_whose_limits_change_stays(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, password = FakeBackend(), PASSWORD.decode()
            async with servers(a) as (at_a,):
                begin = {"backends": {"db": at_a}, "users": {"one": password}, "timeouts": {"drain": "1ms"}}
                async with serving(tmp_path / "c", begin) as proxy:
                    staying = await connect(proxy.port(), user=b"one")
                    assert isinstance(staying, TestClient)
                    limited = {"password": password, "max_connections": 1, "max_clients": 1}

                    await proxy.reload({**begin, "users": {"one": limited}})
                    second = await connect(proxy.port(), user=b"one")

                    assert isinstance(second, Err)
                    assert second.number == 1203
                    assert await works(staying)

        run(scenario)

    def test_a_password_file_is_read_again_when_that_is_asked_for(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            secret = tmp_path / "secret"
            secret.write_text("old\n")
            user = {"password_file": str(secret), "backend_password": PASSWORD.decode()}
            a = FakeBackend()
            async with servers(a) as (at_a,):
                begin = {"backends": {"db": at_a}, "users": {"app": user}}
                async with serving(tmp_path / "c", begin) as proxy:
                    assert await logs_in(proxy.port(), b"app", b"old")
                    secret.write_text("new\n")

                    assert changed(await proxy.reread()) == ["user app changed"]

                    assert await logs_in(proxy.port(), b"app", b"new")

        run(scenario)


class TestListen:
    def test_a_new_address_opens_before_the_old_one_closes_and_sessions_stay(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                old_port = proxy.port(ONE)
                old = await client(old_port)

                told = changed(await proxy.reload({"backends": {"db": at_a}, "listen": TWO}))

                assert told == [f"listen {ONE} removed", f"listen {TWO} added"]
                order = [event["event"] for event in proxy.of("ListenerOpened", "ListenerClosed")]
                assert order == ["ListenerOpened", "ListenerOpened", "ListenerClosed"]
                assert await works(old)
                with pytest.raises(ConnectionRefusedError):
                    await connect(old_port)
                _, writer = await asyncio.open_connection("127.0.0.2", proxy.port(TWO))
                writer.close()

        run(scenario)

    def test_an_address_may_be_given_to_another_group(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            async with servers(a, b) as (at_a, at_b):
                both = {"a": at_a, "b": at_b}
                async with serving(tmp_path / "c", {"backends": both, "listen": {ONE: "a"}}) as proxy:
                    port = proxy.port()
                    assert await logs_in(port, b"app", PASSWORD)

                    told = changed(await proxy.reload({"backends": both, "listen": {ONE: "b"}}))

                    assert told == [f"listen {ONE} changed"]
                    assert proxy.port() == port
                    assert await logs_in(port, b"app", PASSWORD)
                    assert (a.logins, b.logins) == (1, 1)

        run(scenario)

    def test_an_address_that_cannot_be_opened_changes_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            with taken_port() as taken:
                async with servers(a, b) as (at_a, at_b):
                    begin = {"backends": {"a": at_a}, "users": {"app": PASSWORD.decode()}, "control": FREE}
                    async with serving(tmp_path / "c", begin) as proxy:
                        old = await client(proxy.port())
                        address = f"127.0.0.1:{taken.getsockname()[1]}"

                        rejected = await proxy.reload(
                            {"backends": {"b": at_b}, "listen": {TWO: "b", address: "b"}, "timeouts": {"drain": "1ms"}}
                        )

                        assert rejected["event"] == "ConfigRejected"
                        (error,) = rejected["errors"]
                        assert error.startswith(f"listen: {address} cannot be opened: ")
                        assert set(map(str, proxy.engine.listeners)) == {ONE}
                        assert proxy.of("ListenerClosed") == []
                        assert list(proxy.engine.config.backends) == ["a"]
                        assert await works(old)
                        assert await logs_in(proxy.port(), b"app", PASSWORD)
                        assert b.logins == 0

        run(scenario)

    def test_the_command_lines_address_stays_whatever_the_file_says(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            begin: dict[str, Any] = {"listen": "127.0.0.3:0"}
            async with servers(a) as (at_a,):
                begin["backends"] = {"db": at_a}
                async with serving(tmp_path / "c", begin, adjust=lambda read: with_listen(read, ONE)) as proxy:
                    port = proxy.port(ONE)

                    applied = await proxy.reload({**begin, "listen": TWO, "timeouts": {"connect": "1s"}})

                    assert changed(applied) == ["timeouts.connect changed"]
                    assert proxy.port(ONE) == port

        run(scenario)


async def asks(address: str, path: str) -> str:
    """The first line of what the control address answers."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n")[0].decode()


def free_address() -> str:
    with taken_port() as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


class TestControl:
    def test_the_address_moves_goes_and_comes(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,):
                config: dict[str, Any] = {"backends": {"db": at_a}}
                first, second = free_address(), free_address()
                async with serving(tmp_path / "c", {**config, "control": first}) as proxy:
                    assert await asks(first, "/healthz") == "HTTP/1.1 200 OK"

                    assert changed(await proxy.reload({**config, "control": second})) == ["control changed"]
                    assert await asks(second, "/healthz") == "HTTP/1.1 200 OK"
                    with pytest.raises(ConnectionRefusedError):
                        await asks(first, "/healthz")

                    await proxy.reload(config)
                    with pytest.raises(ConnectionRefusedError):
                        await asks(second, "/healthz")

                    await proxy.reload({**config, "control": first})
                    assert await asks(first, "/metrics") == "HTTP/1.1 200 OK"
                with pytest.raises(ConnectionRefusedError):
                    await asks(first, "/healthz")

        run(scenario)

    def test_an_address_that_cannot_be_opened_changes_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a, b = FakeBackend(), FakeBackend()
            with taken_port() as taken:
                async with servers(a, b) as (at_a, at_b):
                    first = free_address()
                    async with serving(tmp_path / "c", {"backends": {"a": at_a}, "control": first}) as proxy:
                        address = f"127.0.0.1:{taken.getsockname()[1]}"

                        rejected = await proxy.reload({"backends": {"b": at_b}, "control": address})

                        assert rejected["errors"] == [f"control: {address} cannot be opened: Address already in use"]
                        assert list(proxy.engine.config.backends) == ["a"]
                        assert await asks(first, "/healthz") == "HTTP/1.1 200 OK"

        run(scenario)

    def test_an_opened_address_is_closed_again_when_the_rest_cannot_be_put_in_force(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            with taken_port() as taken:
                async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"a": at_a}}) as proxy:
                    control, listen = free_address(), f"127.0.0.1:{taken.getsockname()[1]}"

                    await proxy.reload({"backends": {"a": at_a}, "control": control, "listen": listen})

                    with pytest.raises(ConnectionRefusedError):
                        await asks(control, "/healthz")

        run(scenario)

    def test_ready_means_that_the_primary_of_each_listener_answered(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,):
                address, nowhere = free_address(), free_address()
                config = {"backends": {"a": at_a, "b": nowhere}, "control": address}
                async with serving(tmp_path / "c", {**config, "listen": {ONE: "a"}}) as proxy:
                    await proxy.until(lambda: bool(proxy.of("BackendUp")) and bool(proxy.of("BackendDown")))
                    assert await asks(address, "/readyz") == "HTTP/1.1 200 OK"

                    await proxy.reload({**config, "listen": {ONE: "a", TWO: "b"}})
                    assert await asks(address, "/readyz") == "HTTP/1.1 503 Service Unavailable"
                    assert proxy.engine.readiness().reasons == (f"b: b at {nowhere} is down Connection refused",)

        run(scenario)


class TestBrokenFile:
    def test_it_changes_nothing_and_every_problem_is_reported(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                old = await client(proxy.port())
                before = proxy.engine.config

                rejected = await proxy.reload({"backends": {"db": "x:y"}, "lissten": 1})

                assert rejected["event"] == "ConfigRejected"
                assert rejected["source"] == str(tmp_path / "c")
                assert [error.split(": ", 1)[1] for error in rejected["errors"]] == [
                    "backends.db: 'y' is not a port (0 to 65535)",
                    "lissten: unknown key; did you mean 'listen'?",
                ]
                assert proxy.engine.config is before
                assert await works(old)
                assert await logs_in(proxy.port(), b"app", PASSWORD)
                assert changed(await proxy.reload({"backends": {"db": at_a}})) == []

        run(scenario)

    def test_a_removed_file_changes_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend()
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                proxy.file.unlink()

                rejected = await proxy.reread()

                assert rejected["errors"] == [f"{proxy.file}: there is no such file; `dbmux init` writes a first one"]
                assert await logs_in(proxy.port(), b"app", PASSWORD)

        run(scenario)


def test_a_saved_file_is_applied_without_being_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        a = FakeBackend()
        async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
            write(proxy.file, {"backends": {"db": at_a}, "limits": {"clients": 7}})

            await proxy.until(lambda: proxy.engine.config.limits.clients == 7)
            proxy.file.write_text("{")
            await proxy.until(lambda: bool(proxy.of("ConfigRejected")))

            assert [event["changes"] for event in proxy.of("ConfigApplied")] == [["limits.clients changed"]]

    run(scenario)


def test_the_last_of_many_changes_is_in_force(tmp_path: Path) -> None:
    async def scenario() -> None:
        a = FakeBackend()
        async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
            for clients in range(1, 20):
                write(proxy.file, {"backends": {"db": at_a}, "limits": {"clients": clients}})
                proxy.wishes.reloading.set()
                await asyncio.sleep(0)

            await proxy.until(lambda: proxy.engine.config.limits.clients == 19)

    run(scenario)


class TestEnd:
    """What a process does when it is told to stop."""

    def test_it_waits_for_sessions_and_takes_no_new_ones(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend(answer=in_transactions)
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                port = proxy.port()
                busy = await client(port)
                await busy.ask(Command.QUERY, b"BEGIN")

                proxy.wishes.stopping.set()
                await proxy.until(lambda: bool(proxy.of("DrainStarted")))

                assert proxy.engine.readiness().reasons[0] == "draining"
                with pytest.raises(ConnectionRefusedError):
                    await connect(port)
                assert isinstance((await busy.ask(Command.QUERY, b"COMMIT"))[0], Ok)
                assert (await farewell(busy))[0] == 1053

        run(scenario)

    def test_a_reload_that_comes_too_late_opens_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            a = FakeBackend(answer=in_transactions)
            async with servers(a) as (at_a,), serving(tmp_path / "c", {"backends": {"db": at_a}}) as proxy:
                busy = await client(proxy.port())
                await busy.ask(Command.QUERY, b"BEGIN")
                proxy.wishes.stopping.set()
                await proxy.until(lambda: bool(proxy.of("DrainStarted")))

                write(proxy.file, {"backends": {"db": at_a}, "listen": TWO})
                proxy.wishes.reloading.set()
                for _ in range(50):
                    await asyncio.sleep(0)

                assert proxy.engine.listeners == {}
                assert proxy.of("ConfigApplied") == []

        run(scenario)
