"""The import contract as it is at run time: what each part loads, seen in processes of their own."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import dbmux

PACKAGE = Path(dbmux.__file__).parent
# Loads a module, or runs the command, and tells what is loaded then.
LOADING = """
import runpy, sys
sys.argv[:] = ["dbmux", *{arguments!r}]
try:
    runpy.run_module({module!r}, run_name={run_name!r})
except SystemExit:
    pass
finally:
    sys.stderr.write("\\n".join(sys.modules))
"""


@cache
def loaded(module: str, *arguments: str, run_name: str = "x") -> frozenset[str]:
    code = LOADING.format(module=module, arguments=arguments, run_name=run_name)
    done = subprocess.run((sys.executable, "-P", "-c", code), capture_output=True, text=True, check=True, timeout=20)
    return frozenset(done.stderr.splitlines())


def within(names: frozenset[str], *packages: str) -> set[str]:
    """Those of the names that are one of the packages, or in it."""
    return {name for name in names for package in packages if f"{name}.".startswith(f"{package}.")}


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("nonsense",)])
def test_the_help_loads_nothing_but_what_it_prints(arguments: tuple[str, ...]) -> None:
    names = loaded("dbmux.cli", *arguments, run_name="__main__")

    assert within(names, "dbmux") == {"dbmux", "dbmux.errors"}
    heavy = ("asyncio", "uvloop", "ssl", "socket", "pydantic", "cryptography", "prometheus_client", "watchfiles",
             "platformdirs", "importlib.metadata", "logging", "json", "concurrent")  # fmt: skip
    assert within(names, *heavy) == set()


def test_completing_a_commands_name_loads_no_command() -> None:
    code = (
        "import os, sys; os.environ.update(_DBMUX_COMPLETE='bash_complete', COMP_WORDS='dbmux se', COMP_CWORD='1')\n"
        "from dbmux.cli import main\n"
        "try: main()\n"
        "except SystemExit: sys.stderr.write(' '.join(sys.modules))"
    )

    done = subprocess.run((sys.executable, "-P", "-c", code), capture_output=True, text=True, check=True, timeout=20)

    assert done.stdout.split() == ["plain,serve"]
    assert within(frozenset(done.stderr.split()), "dbmux") == {"dbmux", "dbmux.cli", "dbmux.errors"}


@pytest.mark.parametrize("command", ["status", "tail", "top", "why", "clients", "kill", "reload", "config"])
def test_what_asks_a_running_engine_loads_none(command: str) -> None:
    names = loaded(f"dbmux.commands.{command}")

    assert (
        within(names, "pydantic", "textual", "rich", "uvloop", "dbmux.frontend", "dbmux.config", "dbmux.tui") == set()
    )


def test_serve_loads_no_interface_and_no_parser() -> None:
    names = loaded("dbmux.commands.serve")

    assert "dbmux.proxy" in names
    assert within(names, "textual", "rich", "sqlglot", "asyncmy", "aiohttp", "dbmux.playground") == set()
    # Certificates are made, and passwords encrypted, only where that is needed.
    assert within(names, "cryptography") == set()


def test_nobody_but_its_command_loads_what_hosts_an_engine() -> None:
    assert users_of("dbmux.commands.tui") == set()
    assert users_of("dbmux.tui.host") == {"commands/tui.py"}
    # Its help, and the process that the shell waits for, need no Textual.
    assert within(loaded("dbmux.commands.tui"), "textual") == set()


@pytest.mark.parametrize("command", ["grants", "schema", "init", "help"])
def test_what_needs_no_server_loads_none(command: str) -> None:
    assert within(loaded(f"dbmux.commands.{command}"), "dbmux.proxy", "dbmux.net", "dbmux.backend", "asyncio") == set()


def test_the_engine_knows_no_observer() -> None:
    assert within(loaded("dbmux.proxy"), "dbmux.observe", "prometheus_client", "logging.handlers") == set()


def test_the_configuration_knows_no_engine() -> None:
    names = loaded("dbmux.config.load")

    assert within(names, "dbmux.net", "dbmux.backend", "dbmux.frontend", "dbmux.wire", "asyncio", "uvloop") == set()


WIRE = sorted(
    ".".join(("dbmux", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in (PACKAGE / "wire").rglob("*.py")
    if path.stem != "__init__"
)


def test_the_protocol_does_no_io() -> None:
    code = f"import sys, {', '.join(WIRE)}\nsys.stderr.write(' '.join(sys.modules))"

    done = subprocess.run((sys.executable, "-P", "-c", code), capture_output=True, text=True, check=True, timeout=20)

    names = frozenset(done.stderr.split())
    assert set(WIRE) <= names
    assert within(names, "asyncio", "socket", "ssl", "select", "selectors", "logging") == set()
    assert within(names, "dbmux") <= {
        "dbmux", "dbmux.wire", "dbmux.wire.binlog", "dbmux.errors", "dbmux.kernel", *WIRE
    }  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Everything that a module imports anywhere in it, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return frozenset(found)


def users_of(*packages: str) -> set[str]:
    return {str(path.relative_to(PACKAGE)) for path in modules() if within(imports(path), *packages)}


def test_only_the_network_touches_sockets() -> None:
    # The playground's servers and its plain client are no part of the proxy.
    assert {name for name in users_of("socket", "select", "selectors") if not name.startswith("playground/")} <= {
        "net/dial.py",
        "net/inherited.py",
        "net/listener.py",
        "net/notify.py",
        # Notices that nobody reads a pipe any more.
        "commands/statements.py",
        # Takes a free port for a browser.
        "tui/web.py",
        # Waits for keys.
        "tui/terminal.py",
    }


def test_only_the_command_line_and_the_playground_start_processes() -> None:
    # The interface starts the user's editor.
    users = {name.partition("/")[0] for name in users_of("subprocess", "multiprocessing")}
    assert users <= {"commands", "playground", "tui"}


@pytest.mark.parametrize("package", ["textual", "textual_serve", "aiohttp", "rich", "sqlglot", "logging", "threading"])
def test_nobody_else_uses(package: str) -> None:
    places = {
        "threading": ("playground", "feed/notes", "feed/log/pen", "tui/"),
        "textual": ("tui/",),
        "textual_serve": ("tui/web.py",),
        "aiohttp": ("tui/web.py",),
        "rich": ("tui/", "commands/verify"),
    }
    allowed = places.get(package, ("-",))

    assert {name for name in users_of(package) if not name.startswith(allowed)} == set()


def test_a_module_says_what_it_is() -> None:
    silent = [path for path in modules() if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None]

    assert [str(path.relative_to(PACKAGE)) for path in silent if path.stat().st_size] == []
