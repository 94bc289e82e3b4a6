"""The packets of the login are read as they were written, and whatever else comes is a protocol error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.capabilities import NEEDED, OFFERED, Capability
from dbmux.wire.handshake import (
    SCRAMBLED,
    AuthSwitch,
    ChangeUser,
    Greeting,
    LoginRequest,
    TlsRequest,
    parse_auth_switch,
    parse_change_user,
    parse_greeting,
    parse_login,
)

ALL = OFFERED | Capability.SSL
names = st.binary(max_size=30).filter(lambda name: b"\0" not in name)

greetings = st.builds(
    Greeting,
    server_version=names,
    connection_id=st.integers(0, (1 << 32) - 1),
    scramble=st.binary(min_size=20, max_size=20),
    capabilities=st.integers(0, (1 << 38) - 1).map(
        # The upper word is MariaDB's; a server that sets LONG_PASSWORD does not use it.
        lambda flags: (flags | NEEDED) & (0xFFFFFFFF if flags & Capability.LONG_PASSWORD else ~0)
    ),
    charset=st.integers(0, 255),
    status=st.integers(0, 0xFFFF),
    plugin=names,
)


@st.composite
def login_requests(draw: st.DrawFn) -> LoginRequest:
    flags = draw(st.integers(0, (1 << 38) - 1)) & OFFERED | NEEDED
    if flags & Capability.LONG_PASSWORD:
        flags &= 0xFFFFFFFF
    has = flags.__and__
    return LoginRequest(
        capabilities=flags,
        max_packet=draw(st.integers(0, (1 << 32) - 1)),
        charset=draw(st.integers(0, 255)),
        user=draw(names),
        answer=draw(st.binary(max_size=255)),
        schema=draw(names) if has(Capability.CONNECT_WITH_DB) else b"",
        plugin=draw(names) if has(Capability.PLUGIN_AUTH) else b"",
        attributes=draw(st.binary(max_size=300)) if has(Capability.CONNECT_ATTRS) else b"",
    )


@given(greetings)
def test_a_greeting_is_read_as_it_was_written(greeting: Greeting) -> None:
    assert parse_greeting(greeting.build()) == greeting


@given(login_requests())
def test_a_login_is_read_as_it_was_written(request: LoginRequest) -> None:
    assert parse_login(request.build(), ALL) == request


@given(names.filter(lambda name: name not in SCRAMBLED), st.binary(max_size=40))
def test_an_auth_switch_is_read_as_it_was_written(plugin: bytes, scramble: bytes) -> None:
    switch = AuthSwitch(plugin=plugin, scramble=scramble)
    assert parse_auth_switch(switch.build()) == switch


@pytest.mark.parametrize("plugin", sorted(SCRAMBLED))
def test_an_auth_switch_without_its_scramble_is_refused(plugin: bytes) -> None:
    with pytest.raises(ProtocolError, match="a scramble of 3 bytes"):
        parse_auth_switch(AuthSwitch(plugin=plugin, scramble=b"abc").build())


@given(
    st.builds(
        ChangeUser,
        user=names,
        answer=st.binary(max_size=255),
        schema=names,
        charset=st.integers(0, 0xFFFF),
        plugin=names,
        attributes=st.binary(max_size=300),
    )
)
def test_a_change_of_user_is_read_as_it_was_written(change: ChangeUser) -> None:
    assert parse_change_user(change.build(ALL), ALL) == change


def test_a_tls_request_is_told_from_a_login() -> None:
    request = TlsRequest(capabilities=int(ALL) & 0xFFFFFFFF | 1, max_packet=1, charset=45)
    assert parse_login(request.build(), int(ALL)) == request


def test_a_login_whose_last_string_lacks_its_zero_is_read() -> None:
    request = LoginRequest(
        capabilities=NEEDED | Capability.CONNECT_WITH_DB, max_packet=1, charset=8, user=b"a", answer=b"", schema=b"shop"
    )
    read = parse_login(request.build()[:-2], ALL)
    assert isinstance(read, LoginRequest)
    assert read.schema == b"shop"


@pytest.mark.parametrize("flag", [Capability.COMPRESS, Capability.ZSTD, Capability.OPTIONAL_METADATA])
def test_a_capability_that_changes_the_framing_is_refused_by_name(flag: Capability) -> None:
    request = LoginRequest(
        capabilities=NEEDED | flag | Capability.LONG_PASSWORD, max_packet=1, charset=8, user=b"a", answer=b""
    )
    with pytest.raises(ProtocolError, match=str(flag.name)) as caught:
        parse_login(request.build(), OFFERED)
    assert caught.value.code is ErrorCode.HANDSHAKE


def test_what_was_not_offered_is_not_agreed() -> None:
    request = LoginRequest(
        capabilities=NEEDED | Capability.LOCAL_FILES | Capability.LONG_PASSWORD,
        max_packet=1,
        charset=8,
        user=b"a",
        answer=b"",
    )
    read = parse_login(request.build(), NEEDED)
    assert not read.capabilities & Capability.LOCAL_FILES


def test_a_server_without_plugins_is_too_old_and_the_error_says_what_it_lacks() -> None:
    greeting = Greeting(
        server_version=b"5.1.0",
        connection_id=1,
        scramble=b"x" * 20,
        capabilities=NEEDED & ~Capability.PLUGIN_AUTH,
        charset=8,
        status=2,
        plugin=b"",
    )
    with pytest.raises(ProtocolError, match="PLUGIN_AUTH"):
        parse_greeting(greeting.build())


def test_a_login_from_before_4_1_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"before MySQL 4\.1"):
        parse_auth_switch(b"\xfe")


@given(st.binary(max_size=120))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    readers: list[Any] = [
        parse_greeting,
        lambda bytes_: parse_login(bytes_, ALL),
        parse_auth_switch,
        lambda bytes_: parse_change_user(bytes_, ALL),
    ]
    for read in readers:
        try:
            read(data)
        except ProtocolError:
            continue
