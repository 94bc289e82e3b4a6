"""What a new configuration changes, in sentences."""

from __future__ import annotations

import pytest

from dbmux.config.diff import changes
from dbmux.config.load import loads
from dbmux.config.model import Config

OLD = '"backends": {"a": "10.0.0.1", "b": "10.0.0.2"}, "default": "a"'


def read(text: str) -> Config:
    return loads(f"{{{text}}}", "app.json", {})


@pytest.mark.parametrize(
    ("new", "sentences"),
    [
        (OLD, ()),
        (f'{OLD}, "$schema": "./other.json"', ()),
        (f'{OLD}, "listen": "127.0.0.1:3307"', ()),
        (f'{OLD}, "listen": "127.0.0.1:1"', ("listen 127.0.0.1:3307 removed", "listen 127.0.0.1:1 added")),
        (f'{OLD}, "listen": {{"127.0.0.1:3307": "b"}}', ("listen 127.0.0.1:3307 changed",)),
        ('"backends": {"a": "10.0.0.1", "b": "10.0.0.2"}, "default": "b"',
         ("listen 127.0.0.1:3307 changed", "default changed")),
        ('"backends": {"c": "10.0.0.3", "b": "10.0.0.9", "a": "10.0.0.1"}, "default": "a"',
         ("backend c added", "backend b changed")),
        ('"backends": {"a": {"address": "10.0.0.1", "tls": "required"}}, "default": "a"',
         ("backend b removed", "backend a changed")),
        (f'{OLD}, "groups": {{"main": "b"}}', ("group main added",)),
        (f'{OLD}, "users": {{"app": "p"}}', ("user app added",)),
        (f'{OLD}, "admins": {{"ops": "p"}}', ("admin ops added",)),
        (f'{OLD}, "control": "127.0.0.1:1"', ("control changed",)),
        (f'{OLD}, "login": "learn"', ("login changed",)),
        (f'{OLD}, "service": {{"user": "dbmux", "password": "p"}}', ("service changed",)),
        (f'{OLD}, "tls": "off"', ("tls.mode changed",)),
        (f'{OLD}, "timeouts": {{"drain": "1s", "query": "5s"}}', ("timeouts.drain changed", "timeouts.query changed")),
        (f'{OLD}, "limits": {{"clients": 5}}', ("limits.clients changed",)),
        (f'{OLD}, "proxy_protocol": {{"accept_from": ["::1"]}}', ("proxy_protocol.accept_from changed",)),
    ],
)  # fmt: skip
def test_each_change_is_one_sentence(new: str, sentences: tuple[str, ...]) -> None:
    assert changes(read(OLD), read(new)) == sentences


def test_a_changed_password_is_told_but_not_shown() -> None:
    old = read(f'{OLD}, "users": {{"app": "topsecret", "other": "p"}}, "service": {{"user": "s", "password": "one"}}')
    new = read(f'{OLD}, "users": {{"app": "topsecret2", "other": "p"}}, "service": {{"user": "s", "password": "two"}}')

    assert changes(old, new) == ("user app changed", "service.password changed")


def test_removals_stand_in_the_order_of_the_file() -> None:
    names = [f"u{n}" for n in range(20)]
    users = ", ".join(f'"{name}": "p"' for name in names)

    assert changes(read(f'{OLD}, "users": {{{users}}}'), read(OLD)) == tuple(f"user {name} removed" for name in names)
