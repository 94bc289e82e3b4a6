"""The units and the container of the documentation fit together, and fit what DbMux does."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dbmux.commands.serve import command

PAGE = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


UNITS = {re.findall(r"^# .*/(\S+)", block)[0]: block for block in blocks("ini")}
SYSTEMD, CONTAINER = (json.loads(block) for block in blocks("json"))
(CONTAINERFILE,) = blocks("dockerfile")
(COMPOSE,) = blocks("yaml")


def unit(name: str) -> configparser.ConfigParser:
    # A key that is given twice, or a line that is none, is an error.
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # as configparser's manual says it is set
    parser.read_string(UNITS[name])
    return parser


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_socket_unit_opens_what_the_configuration_listens_on() -> None:
    assert unit("dbmux.socket")["Socket"]["ListenStream"] == SYSTEMD["listen"]


def test_the_service_waits_for_its_socket_and_for_ready_and_stops_after_the_drain() -> None:
    service = unit("dbmux.service")

    assert service["Unit"]["Requires"] == "dbmux.socket"
    assert service["Service"]["Type"] == "notify"
    assert int(service["Service"]["TimeoutStopSec"]) > seconds(SYSTEMD["timeouts"]["drain"])


def test_the_service_may_write_where_dbmux_keeps_its_state_and_use_the_sockets_it_needs() -> None:
    service = unit("dbmux.service")["Service"]

    assert service["Environment"] == "XDG_STATE_HOME=/var/lib"
    assert service["StateDirectory"] == "dbmux"
    assert set(service["RestrictAddressFamilies"].split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}


@pytest.mark.parametrize(
    "line",
    [unit("dbmux.service")["Service"]["ExecStart"].split(), json.loads(CONTAINERFILE.rpartition("\nCMD ")[2])],
    ids=["service", "container"],
)
def test_the_command_has_options_that_there_are(line: list[str]) -> None:
    known = {option for parameter in command.params for option in parameter.opts}

    assert line[:2] == ["/opt/dbmux/bin/dbmux", "serve"]
    assert {word for word in line if word.startswith("--")} <= known


def test_the_container_is_nobodys_root_and_is_asked_where_it_answers() -> None:
    assert re.search(r"^USER [1-9]\d*$", CONTAINERFILE, re.MULTILINE)
    assert f"http://{CONTAINER['control']}/healthz" in CONTAINERFILE
    assert CONTAINER["listen"].endswith(":3307")
    assert "EXPOSE 3307\n" in CONTAINERFILE


def test_the_compose_file_gives_the_container_its_configuration_password_and_time_to_drain() -> None:
    (user,) = CONTAINER["users"].values()

    assert "/appconfig.json:/etc/dbmux/appconfig.json:ro" in COMPOSE
    assert user == "${APP_PASSWORD}"
    assert COMPOSE.count("${APP_PASSWORD:?}") == 2
    assert int(re.findall(r"stop_grace_period: (\d+)s", COMPOSE)[0]) > 30


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name, text in UNITS.items():
        # What is to be started need not be installed.
        (tmp_path / name).write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.MULTILINE))

    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in UNITS)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
