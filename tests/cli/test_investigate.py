"""`dbmux plan`, `explain` and `compare`, asked of a process that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.command import Process, serving
from tests.cli.conftest import Serve, run_here
from tests.control.test_investigate import READ, TREE, Shop
from tests.fakes import PASSWORD, FakeBackend


@pytest.fixture
def process(tmp_path: Path, serve: Serve) -> Iterator[Process]:
    """DbMux in front of two servers with other rows."""
    sides = {
        "one": serve(FakeBackend(answer=Shop((b"1", b"tea")))),
        "two": serve(FakeBackend(answer=Shop((b"1", b"salt")))),
    }
    config = {
        "listen": "127.0.0.1:0",
        "tls": "off",
        "backends": sides,
        "groups": {"main": {"primary": "one"}},
        "users": {"app": PASSWORD.decode()},
    }
    (tmp_path / "appconfig.json").write_text(json.dumps(config))
    with serving(tmp_path, DBMUX_RUNTIME_DIR=str(tmp_path / "run")) as running:
        # The last line, when also those who ask are heard.
        running.line_with("and so go past DbMux.")
        yield running


def asked(tmp_path: Path, *words: str) -> Result:
    return run_here(*words, DBMUX_RUNTIME_DIR=str(tmp_path / "run"))


def test_they_ask_the_process_that_runs(tmp_path: Path, process: Process) -> None:
    plan = asked(tmp_path, "plan", "DELETE FROM shop.items")
    explained = asked(tmp_path, "explain", READ, "--user", "app")
    differs = asked(tmp_path, "compare", READ, "one", "two", "--user", "app")
    equal = asked(tmp_path, "compare", READ, "one", "one", "--user", "app", "--json")
    refused = asked(tmp_path, "explain", "DELETE FROM shop.items", "--user", "app")

    assert "delete shop.items: writes" in plan.output
    assert TREE.decode() in explained.output
    assert (differs.exit_code, differs.output.splitlines()[0]) == (1, "DIFFERENT, compared in any order")
    assert (equal.exit_code, json.loads(equal.output)["equal"]) == (0, True)
    assert refused.exit_code == 2
    assert "only reads are run from here; this is a write" in refused.output
