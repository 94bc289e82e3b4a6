"""Single values of the configuration: how each is written, and what it is when read.

Plain values come in, as they stand in the file; addresses, seconds, bytes, networks, secrets go out. Raises ValueError
with a sentence that says what would be right and never holds a password.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from dbmux.address import Address, TcpAddress, UnixAddress, parse_address
from dbmux.config.units import count, seconds, size
from dbmux.text import why

BACKEND_PORT = 3306
DEFAULT_PORT = 3307
CONTROL_PORT = 3380
# No password is longer: what is, is another file.
MAX_SECRET = 4096
# Of mysql_native_password, and of caching_sha2_password, whose salt may hold unprintable letters: it is often written
# in hexadecimal.
_HASH = re.compile(r"\*[0-9A-Fa-f]{40}|\$A\$[0-9A-Fa-f]{3}\$[\x01-\x7f]{20}[./0-9A-Za-z]{43}")
_HEXADECIMAL = re.compile(r"0x(?:[0-9A-Fa-f]{2})+")


def read_address(text: str, default_port: int) -> Address:
    """An address that a configuration or the command line gives; raises ValueError with what is wrong."""
    if not text.startswith("/") and ("://" in text or "@" in text):
        # Not repeated in the message: a password may stand in it.
        raise ValueError("write only host:port, without a scheme, a user or a password")
    address = parse_address(text, default_port)
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that no address has")
    if isinstance(address, TcpAddress):
        try:
            address.host.encode("idna")
        except UnicodeError:
            raise ValueError(f"{address.host!r} is no host; write host:port, [ipv6]:port or /path/of/a.sock") from None
    return address


def _address(value: object, default_port: int) -> Address:
    if isinstance(value, TcpAddress | UnixAddress):
        return value
    if not isinstance(value, str):
        raise ValueError('an address is a string like "127.0.0.1:3306" or "/run/mysqld/mysqld.sock"')
    return read_address(value, default_port)


def _backend_address(value: object) -> Address:
    address = _address(value, BACKEND_PORT)
    if isinstance(address, TcpAddress) and address.port == 0:
        raise ValueError("no server listens at port 0")
    return address


def _network(value: object) -> Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError('an address or a network like "10.0.0.0/8" is expected, as a string')
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f'{error}; write an address or a network like "10.0.0.0/8"') from None


def _name(value: str) -> str:
    if not value.isprintable() or not value.strip():
        raise ValueError("a name has letters that can be seen, at least one, and no line breaks")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return value


def _readable(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {_reason(error)}") from None
    return path


@dataclass(frozen=True, slots=True)
class SecretFile:
    """What stood as `password_file`, and what stood beside it as `password`."""

    path: object
    beside: object


class UnreadableSecret(ValueError):
    """A `password_file` cannot be used; the place is that key's, not `password`'s."""


def _secret(value: object) -> object:
    if not isinstance(value, SecretFile):
        return value
    if value.beside is not None:
        raise UnreadableSecret("a password stands beside it already; keep one of the two")
    if not isinstance(value.path, str):
        raise UnreadableSecret("the path of a file is expected, as a string")
    try:
        with Path(value.path).open(encoding="utf-8") as file:
            secret = file.read(MAX_SECRET + 1)
        if len(secret) > MAX_SECRET:
            raise UnreadableSecret(f"{value.path} is too long for a password")
        return secret.rstrip("\r\n")
    except UnreadableSecret:
        raise
    except (OSError, ValueError) as error:
        raise UnreadableSecret(f"{value.path} cannot be read: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    match error:
        case UnicodeDecodeError():
            return "it is not UTF-8 text"
        case OSError():
            return why(error)
        case _:
            return str(error)


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("a password is needed here; an empty one would let in everybody")
    return value


def _hash(value: str) -> str:
    if _HEXADECIMAL.fullmatch(value) is not None:
        value = bytes.fromhex(value[2:]).decode("latin-1")
    if _HASH.fullmatch(value) is None:
        what = '"*" and 40 digits, or "$A$005$", salt and digest, as it is or in hexadecimal (0x…)'
        raise ValueError(f"a hash as a server keeps it is expected: {what}")
    return value


_ADDRESS_SCHEMA = WithJsonSchema({"type": "string", "examples": ["127.0.0.1:3306", "/run/mysqld/mysqld.sock"]})
BackendAddress = Annotated[Address, BeforeValidator(_backend_address), _ADDRESS_SCHEMA]
ListenAddress = Annotated[Address, BeforeValidator(lambda value: _address(value, DEFAULT_PORT)), _ADDRESS_SCHEMA]
ControlAddress = Annotated[Address, BeforeValidator(lambda value: _address(value, CONTROL_PORT)), _ADDRESS_SCHEMA]
Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    Field(gt=0),
    WithJsonSchema({"type": ["string", "number"], "exclusiveMinimum": 0, "examples": ["30s", "500ms", "5m"]}),
]
Bytes = Annotated[
    int,
    BeforeValidator(size),
    Field(gt=0),
    WithJsonSchema({"type": ["string", "integer"], "exclusiveMinimum": 0, "examples": ["1MB", "512kB"]}),
]
Positive = Annotated[int, Field(gt=0), BeforeValidator(count)]
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(count)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ConfigNetwork = Annotated[
    Network, BeforeValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", "::1"]})
]
Name = Annotated[str, AfterValidator(_name)]
Pattern = Annotated[str, AfterValidator(_pattern)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
Secret = Annotated[str, BeforeValidator(_secret)]
AdminSecret = Annotated[Secret, AfterValidator(_not_empty)]
PasswordHash = Annotated[str, BeforeValidator(_secret), AfterValidator(_hash)]
