"""`dbmux attach` in a browser: a web server for one person on this machine, and a process for each window.

A port and the command behind each window come in. It listens on loopback only, and lets nobody in who has not been
given the address with its secret: neither other users of this machine, nor pages of other sites, by whatever name they
reach it. Everything that a browser loads is served from here. Never holds more than a few windows, and never leaves a
process behind a window that is closed.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from html import escape
from string import Template
from types import TracebackType
from typing import Any

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server

HOST = "127.0.0.1"
MOST_WINDOWS = 8
# Nobody has a larger one, and each cell costs memory.
LARGEST = 1000
LONGEST_MESSAGE = 1 << 20
# What a process is left for ending by itself.
PATIENCE_S = 2.0
HEARTBEAT_S = 15.0

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>$title</title>
<link rel="stylesheet" href="/static/css/xterm.css">
<style>
body { background: #121212; color: #d0d0d0; font-family: monospace; }
#ended { display: none; position: absolute; inset: 0; z-index: 10; background: #121212; padding: 2em; }
body.-closed #ended { display: block; }
a { color: #5fafff; }
</style>
<script src="/static/js/textual.js"></script>
</head>
<body>
<div id="ended">This view has ended. <a href="/">Open it again</a></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="$socket" data-font-size="14"></div>
<script nonce="$nonce">
history.replaceState(null, "", "/");
// The script above says by a class that the terminal is there; keys are for it without a click.
new MutationObserver((changes, observer) => {
  document.querySelector("textarea")?.focus();
  observer.disconnect();
}).observe(document.body, {attributes: true, attributeFilter: ["class"]});
</script>
</body>
</html>
""")


class Web(Server):
    """Serves until the block is left; `url` opens it. Entering raises OSError where the port cannot be had."""

    def __init__(self, line: Sequence[str], port: int, title: str, patience_s: float = PATIENCE_S) -> None:
        super().__init__(" ".join(line), HOST, port, title)
        self._patience_s = patience_s
        self._line = tuple(line)
        self._token = secrets.token_urlsafe(32)
        # The cookie is another secret: cookies know no ports, so other servers of this machine may see it.
        self._pass = secrets.token_urlsafe(32)
        self._windows: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner

    @property
    def url(self) -> str:
        """What the one who may look opens."""
        return f"http://{self._name}/?token={self._token}"

    @property
    def _name(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def _cookie(self) -> str:
        return f"dbmux-{self.port}"

    async def __aenter__(self) -> Web:
        listening = socket.create_server((HOST, self.port))
        self.port = listening.getsockname()[1]
        self._runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=3 * self._patience_s)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _make_app(self) -> web.Application:
        @web.middleware
        async def guarded(request: web.Request, handler: Answer) -> web.StreamResponse:
            if wrong := self._wrong(request):
                return web.Response(status=403, text=f"{wrong}\n")
            return await handler(request)

        app = web.Application(middlewares=[guarded])
        app.add_routes(
            [
                web.get("/", self.handle_index),
                web.get("/ws", self.handle_websocket),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(_protect)
        app.on_shutdown.append(self.on_shutdown)
        return app

    async def on_shutdown(self, app: web.Application) -> None:
        """The server ends, and with it each window."""
        for window in list(self._windows):
            await window.close()

    # Who may.

    def _wrong(self, request: web.Request) -> str:
        # A name of another site that leads to this machine (DNS rebinding) is in the request as that name.
        if request.headers.getall("Host", []) != [self._name]:
            return f"this is http://{self._name} and goes by no other name"
        origins = request.headers.getall("Origin", [])
        is_socket = request.path == "/ws"
        if origins != [f"http://{self._name}"] and (origins or is_socket):
            return "pages of other sites may not look at this one"
        given = request.cookies.get(self._cookie, "")
        if _is_same(given, self._pass) or (request.path == "/" and self._has_token(request)):
            return ""
        return "open the address that `dbmux web` has printed"

    def _has_token(self, request: web.Request) -> bool:
        return _is_same(request.query.get("token", ""), self._token)

    # What there is.

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page. From now on a cookie says who looks; the address shows the secret no more."""
        nonce = secrets.token_urlsafe(16)
        page = PAGE.substitute(title=escape(self.title), nonce=nonce, socket=f"ws://{self._name}/ws")
        response = web.Response(text=page, content_type="text/html")
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data: blob:; connect-src ws://{self._name}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        response.set_cookie(self._cookie, self._pass, httponly=True, samesite="Strict")
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A window, from being opened to being closed."""
        if len(self._windows) >= MOST_WINDOWS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_WINDOWS} windows are the most; close one first\n")
        window = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LONGEST_MESSAGE)
        self._windows.add(window)
        try:
            await window.prepare(request)
            screen = Screen(
                self._line,
                self._patience_s,
                write_bytes=window.send_bytes,
                write_str=window.send_str,
                close=window.close,
                download_manager=self.download_manager,
            )
            try:
                await screen.start(_cells(request.query.get("width")), _cells(request.query.get("height")))
                # What is no message of our page ends its window.
                with suppress(ValueError, TypeError, LookupError, AttributeError, AssertionError):
                    await self._process_messages(window, screen)
            finally:
                await screen.stop()
        finally:
            self._windows.discard(window)
            await window.close()
        return window


class Screen(AppService):
    """The process behind a window."""

    def __init__(
        self,
        line: Sequence[str],
        patience_s: float,
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[Any]],
        download_manager: Any,
    ) -> None:
        super().__init__(
            " ".join(line),
            write_bytes=write_bytes,
            write_str=write_str,
            close=close,
            download_manager=download_manager,
        )
        self._line = tuple(line)
        self._patience_s = patience_s

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # In a session of its own: Ctrl-C is for the server, which ends it.
        self._process = await asyncio.create_subprocess_exec(
            *self._line,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def set_terminal_size(self, width: int, height: int) -> None:
        """The window has another size."""
        await super().set_terminal_size(_cells(width), _cells(height))

    async def run(self) -> None:
        """Hand on what is drawn, until the process ends or nobody looks; then nobody need look any more."""
        await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        """End the process: it is asked to, and made to when it does not."""
        process = self._process
        if process is None:
            return
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end(process), name="end of a window")
            await asyncio.wait((ending,), timeout=self._patience_s)
            if not ending.done():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    async def _end(self, process: Process) -> None:
        await super().stop()
        # Where nobody looked any more, it may still have something to say; only then it is gone.
        await process.communicate()


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    response.headers["Server"] = "DbMux"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _cells(told: Any) -> int:
    return min(max(int(told or 0), 1), LARGEST)
