"""What may stand in appconfig.json: short forms, long forms, defaults, secrets."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from pydantic import ValidationError

from dbmux.address import TcpAddress, UnixAddress
from dbmux.config.load import loads
from dbmux.config.model import BackendConfig, BackendTls, ClientTlsMode, Config, LoginMode, SendProxy, User


def read(text: str) -> Config:
    return loads(text, "app.json", {})


def test_three_lines_are_enough() -> None:
    config = read('{\n  "backends": { "db": "10.0.0.1" }\n}')

    assert config == Config(backends={"db": BackendConfig(address=TcpAddress("10.0.0.1", 3306))})
    assert [(one.address, config.group_of(one)) for one in config.listen] == [(TcpAddress("127.0.0.1", 3307), "db")]
    assert (config.control, config.users, config.login, config.service) == (None, {}, LoginMode.RELAY, None)
    assert (config.timeouts.connect, config.timeouts.login, config.timeouts.drain) == (5, 10, 30)
    assert (config.timeouts.query, config.timeouts.idle) == (None, None)
    assert config.limits.inspect_max == 1 << 20
    assert config.tls.mode is ClientTlsMode.OPTIONAL
    assert config.backends["db"].tls == BackendTls(mode=None)
    assert config.backends["db"].send_proxy is SendProxy.OFF


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ('"backends": {"db": "10.0.0.1"}', '"backends": {"db": {"address": "10.0.0.1:3306"}}'),
        ('"backends": {"db": {"address": "x", "tls": "verify_ca"}}',
         '"backends": {"db": {"address": "x", "tls": {"mode": "verify_ca"}}}'),
        ('"backends": {"db": "x"}, "groups": {"g": "db"}',
         '"backends": {"db": "x"}, "groups": {"g": {"primary": "db"}}'),
        ('"backends": {"db": "x"}, "users": {"u": "p"}', '"backends": {"db": "x"}, "users": {"u": {"password": "p"}}'),
        ('"backends": {"db": "x"}, "tls": "required"', '"backends": {"db": "x"}, "tls": {"mode": "required"}'),
        ('"backends": {"db": "x"}, "timeouts": {"drain": "1m"}', '"backends": {"db": "x"}, "timeouts": {"drain": 60}'),
        ('"backends": {"db": "x"}, "control": "127.0.0.1"', '"backends": {"db": "x"}, "control": "127.0.0.1:3380"'),
        ('"backends": {"db": "x"}, "listen": "0.0.0.0"', '"backends": {"db": "x"}, "listen": "0.0.0.0:3307"'),
        ('"backends": {"db": "x"}, "$schema": "./s.json"', '"backends": {"db": "x"}, "$schema": null'),
    ],
)  # fmt: skip
def test_a_string_stands_for_an_objects_main_value(short: str, long: str) -> None:
    assert read(f"{{{short}}}").model_dump() == read(f"{{{long}}}").model_dump()


def test_addresses_are_tcp_or_unix_sockets() -> None:
    config = read(
        '{"listen": {"[::1]:3307": "a", "/run/dbmux.sock": "b"}, "backends": {"a": "[::1]", "b": "/my.sock"}}'
    )

    assert [one.address for one in config.listen] == [TcpAddress("::1", 3307), UnixAddress("/run/dbmux.sock")]
    assert config.backends["a"].address == TcpAddress("::1", 3306)
    assert config.backends["b"].address == UnixAddress("/my.sock")


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ('"backends": {"a": "x"}', ["a"]),
        ('"backends": {"a": "x"}, "groups": {"g": "a"}', ["g"]),
        ('"backends": {"a": "x", "b": "y"}, "default": "b"', ["b"]),
        ('"backends": {"a": "x", "b": "y"}, "groups": {"g": "a"}', ["g"]),
        ('"backends": {"a": "x", "b": "y"}, "groups": {"g": "a", "h": "b"}, "default": "a"', ["a"]),
        ('"backends": {"a": "x", "b": "y"}, "listen": {"h:1": "a", "h:2": "b"}', ["a", "b"]),
    ],
)
def test_every_listen_address_serves_one_group(text: str, groups: list[str]) -> None:
    config = read(f"{{{text}}}")

    assert [config.group_of(one) for one in config.listen] == groups


def test_a_password_may_stand_in_a_file_wherever_one_may_stand(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(" kept as it is, but for the line's end \n")
    (tmp_path / "two").write_text("zwei\r\n")

    config = read(
        f'{{"backends": {{"db": "x"}}, "service": {{"user": "dbmux", "password_file": "{tmp_path}/one"}},'
        f' "users": {{"u": {{"password_file": "{tmp_path}/one", "backend_password_file": "{tmp_path}/two"}}}} }}'
    )

    assert config.users["u"].password == " kept as it is, but for the line's end "
    assert config.users["u"].backend_password == "zwei"
    assert config.service is not None
    assert config.service.password == " kept as it is, but for the line's end "


def test_no_password_shows_in_a_repr() -> None:
    config = read(
        '{"backends": {"db": "x"}, "service": {"user": "dbmux", "password": "topsecret"},'
        ' "users": {"u": {"password": "topsecret", "backend_user": "v", "backend_password": "topsecret"}}}'
    )

    assert "topsecret" not in repr(config) + str(config)
    assert "backend_user='v'" in repr(config)


def test_no_password_shows_in_pydantics_own_errors() -> None:
    with pytest.raises(ValidationError) as found:
        User.model_validate({"password": ["topsecret"], "other": "topsecret"})

    assert "topsecret" not in str(found.value)


def test_proxies_are_addresses_and_networks() -> None:
    config = read('{"backends": {"db": "x"}, "proxy_protocol": {"accept_from": ["10.0.0.0/8", "::1"]}}')

    assert config.proxy_protocol.accept_from == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))


def test_a_configuration_cannot_be_changed() -> None:
    config = read('{"backends": {"db": "x"}}')

    with pytest.raises(ValidationError, match="frozen"):
        config.login = LoginMode.LEARN
