"""The interface in a browser: who may look, what is served, and that no process outlives its window."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pyte
import pytest

from dbmux.tui.web import MOST_WINDOWS, Web
from tests.cli.command import LINE, SECONDS, environment
from tests.commands.running import Running, running, runtime
from tests.tui.terminal import until

# Draws its number; what it does then is put behind it.
CHILD = """
import os, signal
def draw(data): os.write(1, b"D" + len(data).to_bytes(4, "big") + data)
os.write(1, b"__GANGLION__\\n")
draw(str(os.getpid()).encode())
"""
OBEYS = "while b'quit' not in os.read(0, 1024): pass"
ENDS = "os.read(0, 1024)"
STALLS = "signal.pause()"
FLOODS = "while True: draw(b'x' * 65536)"
KEY = ["stdin", "8"]


class Visitor:
    """A browser, which has or has not been given the address with its secret."""

    def __init__(self, server: Web, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.origin = f"http://127.0.0.1:{server.port}"

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """The status and the text of a page."""
        async with self.session.get(f"{self.origin}{path}", headers=headers) as response:
            return response.status, await response.text()

    async def enter(self) -> None:
        """Open the address that was printed; the cookie is kept."""
        async with self.session.get(self.server.url) as response:
            assert response.status == 200

    @asynccontextmanager
    async def window(self, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A window, as our page opens it unless other headers are given."""
        url = f"{self.origin}/ws?width=100&height=30"
        async with self.session.ws_connect(url, headers={"Origin": self.origin, **headers}) as window:
            yield window

    async def child(self, window: aiohttp.ClientWebSocketResponse) -> int:
        """The number of the process behind a window."""
        return int(await window.receive_bytes())


@asynccontextmanager
async def visiting(does: str = OBEYS) -> AsyncIterator[Visitor]:
    """A server at a port of the system's choice, and somebody who comes to it."""
    line = (sys.executable, "-I", "-S", "-c", CHILD + does)
    async with (
        Web(line, 0, "DbMux <1>", patience_s=0.2) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        yield Visitor(server, session)


async def gone(pid: int) -> None:
    """Wait until there is no such process."""

    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    async with asyncio.timeout(SECONDS):
        while not is_gone():  # noqa: ASYNC110 - a process that is no child of ours tells nobody of its end
            await asyncio.sleep(0.01)


class TestAdmission:
    """Who may."""

    @pytest.mark.parametrize("path", ["/", "/?token=", "/?token=guessed", "/ws", "/static/js/textual.js", "/nothing"])
    def test_without_the_secret_nothing_is_told(self, path: str) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                status, text = await visitor.get(path, Origin=visitor.origin)

                assert (status, text) == (403, "open the address that `dbmux web` has printed\n")

        asyncio.run(scenario())

    def test_the_secret_opens_the_page_and_a_cookie_the_rest(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                async with visitor.session.get(visitor.server.url) as response:
                    text, cookie = await response.text(), response.headers["Set-Cookie"]
                script = (await visitor.get("/static/js/textual.js"))[0]
                again = (await visitor.get("/"))[0]

                assert "<title>DbMux &lt;1&gt;</title>" in text
                assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
                assert visitor.server.url.partition("token=")[2] not in text + cookie
                assert (script, again) == (200, 200)

        asyncio.run(scenario())

    def test_the_secret_in_the_address_is_for_the_page_alone(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                secret = visitor.server.url.partition("?")[2]

                assert (await visitor.get(f"/static/js/textual.js?{secret}"))[0] == 403
                assert (await visitor.get(f"/ws?{secret}", Origin=visitor.origin))[0] == 403

        asyncio.run(scenario())

    @pytest.mark.parametrize("name", ["evil.example", "evil.example:{port}", "localhost:{port}", "127.0.0.1", ""])
    @pytest.mark.parametrize("path", ["/", "/ws"])
    def test_another_name_of_this_machine_is_refused(self, path: str, name: str) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()
                host = name.format(port=visitor.server.port)

                # The cookie comes along, as it would where a name was made to lead here.
                cookie = "; ".join(f"{one.key}={one.value}" for one in visitor.session.cookie_jar)
                status, text = await visitor.get(path, Host=host, Cookie=cookie, Origin=visitor.origin)

                assert (status, "goes by no other name" in text) == (403, True)

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "http://localhost:{port}", "https://127.0.0.1:{port}"]
    )
    @pytest.mark.parametrize("path", ["/", "/static/css/xterm.css", "/ws"])
    def test_pages_of_other_sites_are_refused_though_they_have_the_cookie(self, path: str, origin: str) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()

                status, text = await visitor.get(path, Origin=origin.format(port=visitor.server.port))

                assert (status, text) == (403, "pages of other sites may not look at this one\n")

        asyncio.run(scenario())

    @pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
    def test_no_window_is_opened_for_others(self, headers: dict[str, str]) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with visitor.window(**headers):
                        """Never reached."""

                assert refused.value.status == 403

        asyncio.run(scenario())

    def test_a_window_without_the_cookie_is_refused(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with visitor.window():
                        """Never reached."""

                assert refused.value.status == 403

        asyncio.run(scenario())

    def test_nothing_is_loaded_from_elsewhere(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                async with visitor.session.get(visitor.server.url) as response:
                    page, policy = await response.text(), response.headers["Content-Security-Policy"]

                assert re.findall(r"https?://[^\s\"']*", page) == []
                assert policy.startswith("default-src 'none'; ")
                assert re.findall(r"\w+://\S+", policy) == [f"ws://127.0.0.1:{visitor.server.port};"]

        asyncio.run(scenario())


class TestWindows:
    """A window and the process behind it."""

    @pytest.mark.parametrize("does", [OBEYS, STALLS, FLOODS], ids=["obeys", "stalls", "floods"])
    def test_a_closed_window_ends_its_process(self, does: str) -> None:
        async def scenario() -> None:
            async with visiting(does) as visitor:
                await visitor.enter()
                async with visitor.window() as window:
                    pid = await visitor.child(window)
                await gone(pid)

        asyncio.run(scenario())

    def test_a_process_that_ends_closes_its_window(self) -> None:
        async def scenario() -> None:
            async with visiting(ENDS) as visitor:
                await visitor.enter()
                async with visitor.window() as window:
                    await visitor.child(window)
                    await window.send_json(KEY)

                    assert (await window.receive()).type is aiohttp.WSMsgType.CLOSE

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        "message", ["{", "{}", "[]", '["stdin"]', '["stdin", "\\ud800"]', '["stdin", 3]', '["resize", {"width": "x"}]']
    )
    def test_what_is_no_message_of_ours_ends_its_window_and_no_other(self, message: str) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()
                async with visitor.window() as other, visitor.window() as window:
                    pid, stays = await visitor.child(window), await visitor.child(other)
                    await window.send_str(message)
                    await gone(pid)

                    os.kill(stays, 0)

        asyncio.run(scenario())

    def test_there_are_not_more_than_a_few(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()
                async with AsyncExitStack() as windows:
                    for _ in range(MOST_WINDOWS):
                        await windows.enter_async_context(visitor.window())
                    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                        await windows.enter_async_context(visitor.window())

                assert refused.value.status == 503

        asyncio.run(scenario())

    def test_the_end_of_the_server_ends_all_of_them(self) -> None:
        async def scenario() -> None:
            async with visiting() as visitor:
                await visitor.enter()
                window = await visitor.session.ws_connect(f"{visitor.origin}/ws", headers={"Origin": visitor.origin})
                pid = await visitor.child(window)
            await gone(pid)

        asyncio.run(scenario())


class TestCommand:
    """`dbmux web`, with the interface in a process of its own."""

    @contextmanager
    def web(self, engine: Running, *arguments: str) -> Iterator[str]:
        folder = engine.served.file.parent
        process = subprocess.Popen(
            (*LINE, "web", *arguments),
            cwd=folder,
            env=environment(folder, DBMUX_RUNTIME_DIR=str(runtime(folder)), PYTHONPATH=str(Path(__file__).parents[2])),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            assert process.stdout is not None
            said = process.stdout.readline()
            try:
                yield said
                process.send_signal(signal.SIGINT)
                assert process.wait(SECONDS) == 0
            finally:
                process.kill()

    def seen(self, said: str, first: str, keys: str, words: str) -> str:
        """What a window shows when there are the first words, these keys were pressed, and there are the others."""
        screen = pyte.Screen(100, 30)
        drawn = pyte.ByteStream(screen)
        (url,) = re.findall(r"http://\S+", said)
        origin = url.partition("/?")[0]

        async def shows(window: aiohttp.ClientWebSocketResponse, words: str) -> None:
            while words not in "\n".join(screen.display):
                drawn.feed(await window.receive_bytes())

        async def scenario() -> None:
            jar = aiohttp.CookieJar(unsafe=True)
            async with asyncio.timeout(SECONDS), aiohttp.ClientSession(cookie_jar=jar) as session:
                await session.get(url)
                headers = {"Origin": origin}
                async with session.ws_connect(f"{origin}/ws?width=100&height=30", headers=headers) as window:
                    await shows(window, first)
                    await window.send_json(["stdin", keys])
                    await shows(window, words)

        asyncio.run(scenario())
        return "\n".join(screen.display)

    @pytest.mark.parametrize("key", ["\x12", "w", "e", "x"], ids=["reload", "write a file", "edit", "explain"])
    def test_it_only_looks_unless_more_is_said(self, key: str, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 'hello'") as engine, self.web(engine) as said:
            screen = self.seen(said, "SELECT 'hello'", key, "this view only looks")

        assert "read-only" in screen
        assert "It only looks." in said

    def test_with_write_it_gives_orders(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine, self.web(engine, "--write") as said:
            screen = self.seen(said, "1 Live", "\x12", "the configuration was read again")

        assert "read-only" not in screen
        assert "It may give orders." in said

    def test_a_port_in_use_is_said_to_be_one(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine, socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = engine.ask("web", "--port", str(port))

        assert (done.exit_code, done.output) == (2, f"Error: --port {port} cannot be used: Address already in use\n")

    def test_without_an_engine_it_is_3(self, tmp_path: Path) -> None:
        done = subprocess.run(
            (*LINE, "web"),
            cwd=tmp_path,
            env=environment(tmp_path, DBMUX_RUNTIME_DIR=str(tmp_path / "run")),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

        assert (done.returncode, "no DbMux of yours runs here" in done.stderr) == (3, True)

    @pytest.mark.parametrize("end", ["stdin", "stdout"])
    def test_an_interface_whose_server_was_killed_ends(self, end: str, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1") as engine:
            folder = engine.served.file.parent
            process = subprocess.Popen(
                (*LINE, "attach", "--in-browser", "--theme", "dark"),
                cwd=folder,
                env=environment(folder, DBMUX_RUNTIME_DIR=str(runtime(folder))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            with process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"__GANGLION__\n"
                getattr(process, end).close()
                # It draws once a second at the least.
                until(lambda: process.poll() is not None)

                assert process.returncode == 0
