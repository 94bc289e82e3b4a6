"""The `dbmux` command: finds the subcommand that was asked for, and loads nothing else.

Words come in, an exit code goes out: 0 fine, 1 findings, 2 usage or configuration, or a refusal, 3 an
address cannot be bound, or no DbMux answers, 130 Ctrl-C.
"""

from __future__ import annotations

import importlib
import keyword
import sys
from typing import IO, Any

import click
from click.shell_completion import CompletionItem

from dbmux.errors import DbMuxError

INTERRUPTED = 130
COMMANDS = {
    "serve": "Run the proxy, headless.",
    "tui": "Run the proxy, and see what happens in it.",
    "run": "Run a program through the proxy, and report on its statements.",
    "attach": "See what happens in a proxy that runs.",
    "web": "See it in a browser.",
    "check": "Check the configuration, and with --connect the servers.",
    "status": "Show how a running proxy is.",
    "tail": "Print statements as they run.",
    "top": "Show which kinds of statements take the time.",
    "why": "Show why a statement went where it went.",
    "plan": "Show what a proxy would do with a statement.",
    "explain": "Show how a server goes about a statement.",
    "compare": "Run a read on two servers, and show what differs.",
    "verify": "Compare the rows of two servers, and repair them.",
    "upgrade": "See what stands in the way of a server taking another's place.",
    "clients": "Show who is connected, and what it holds.",
    "mirror": "See how mirrors stand, begin and pause them, and what differs.",
    "routes": "Show which server takes what.",
    "cache": "Show what the query cache does, or empty it.",
    "drain": "Take a server, or all of DbMux, out of service.",
    "resume": "Put a drained server back into service.",
    "kill": "Stop what runs for a client, or end its connection.",
    "reload": "Have the configuration read again.",
    "config": "Show what is in force, or put an earlier version in force.",
    "init": "Write a first appconfig.json and its schema.",
    "demo": "Start a server and the proxy, and show traffic.",
    "playground": "Run local MySQL and MariaDB servers.",
    "schema": "Print the JSON Schema of appconfig.json.",
    "import": "Make an appconfig.json from another proxy's configuration.",
    "grants": "Print the SQL that gives DbMux the rights it needs.",
    "help": "Read the documentation.",
    "completion": "Print a completion script for your shell.",
}


class _Problems(click.ClickException):
    """What is wrong, one problem a line, as it is."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=True)


class _Lazy(click.Group):
    """A group whose commands are imported when they are used; its help and completion need none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"dbmux.commands.{module_name(cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DbMuxError as error:
            raise _Problems(str(error)) from error
        except KeyboardInterrupt:
            # As a shell tells it; click would say it with the code for findings.
            sys.exit(INTERRUPTED)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        begun = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return begun + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def module_name(command: str) -> str:
    """The module of a command, which cannot be called like a keyword."""
    return f"{command}_" if keyword.iskeyword(command) else command


def _print_version(context: click.Context, _: click.Parameter, wanted: object) -> None:
    if not wanted:
        return
    from dbmux.kernel import COMPILED
    from dbmux.version import VERSION

    click.echo(f"dbmux {VERSION} ({'compiled' if COMPILED else 'pure Python'} kernel)")
    context.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def group() -> None:
    """A reverse proxy and multiplexer for MySQL and MariaDB."""


def main() -> None:
    """The entry point of the installed command."""
    group(prog_name="dbmux")


if __name__ == "__main__":
    main()
