"""What an engine's process tells about itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.config.serving import run, serving


def test_a_mistake_that_nobody_caught_is_an_event_and_serving_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake() -> None:
        raise ZeroDivisionError("one too few")

    async def scenario() -> None:
        async with serving(tmp_path / "appconfig.json", {"backends": {"db": "127.0.0.1:1"}}) as served:
            asyncio.get_running_loop().call_soon(mistake)
            await served.until(lambda: bool(served.of("Warned")))

            assert "ZeroDivisionError('one too few')" in served.of("Warned")[0]["message"]
            assert (await served.feed.ask("status"))["clients"] == 0

    run(scenario)

    # With its traceback, for a person at stderr.
    assert "in mistake" in caplog.text


def test_an_address_that_could_not_be_looked_up_for_somebody_who_left_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path / "appconfig.json", {"backends": {"db": "127.0.0.1:1"}}) as served:
            loop = asyncio.get_running_loop()
            left: asyncio.Future[None] = loop.create_future()
            loop.call_exception_handler({"message": "never retrieved", "future": left, "exception": OSError("no")})

            assert served.of("Warned") == []

    run(scenario)
