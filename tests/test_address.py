"""Addresses are read as people write them, and what is none is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.address import Address, TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    "text, address",
    [
        ("127.0.0.1:3307", TcpAddress("127.0.0.1", 3307)),
        ("127.0.0.1", TcpAddress("127.0.0.1", 3306)),
        ("db1", TcpAddress("db1", 3306)),
        ("db-1.example.org:0", TcpAddress("db-1.example.org", 0)),
        ("my_service:3306", TcpAddress("my_service", 3306)),
        ("bücher.example:65535", TcpAddress("bücher.example", 65535)),
        ("::1", TcpAddress("::1", 3306)),
        ("[::1]", TcpAddress("::1", 3306)),
        ("[::1]:3307", TcpAddress("::1", 3307)),
        ("[fe80::1%eth0]:3307", TcpAddress("fe80::1%eth0", 3307)),
        ("/run/mysqld/mysqld.sock", UnixAddress("/run/mysqld/mysqld.sock")),
    ],
)
def test_what_people_write_is_understood(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "[]:3306",
        "[::1",
        "::1]:3306",
        "[::1]3306",
        "[db1]:3306",
        "127.0.0.1:3306:3307",
        "mysql://db1:3306/shop",
        "user@db1",
        "db1 :3306",
        " db1",
        "db1/shop",
        "mysqld.sock\n",
    ],
)
def test_what_is_no_address_is_named_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (host|IPv6 address); write host:port"):
        parse_address(text)


@pytest.mark.parametrize("text", ["", ":3306"])
def test_what_has_no_host_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no host; write host:port"):
        parse_address(text)


@pytest.mark.parametrize("port", ["", "65536", "-1", "3306x", "three", "³³⁰⁶", "9" * 5000])
def test_what_is_no_port_is_named(port: str) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        parse_address(f"db1:{port}")


@given(st.text())
def test_any_text_is_an_address_that_reads_the_same_when_written_or_an_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return

    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text, is_local",
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("/run/mysqld.sock", True),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("db1", False),
    ],
)
def test_an_address_tells_whether_its_traffic_stays_on_this_machine(text: str, is_local: bool) -> None:
    assert parse_address(text).is_local is is_local
