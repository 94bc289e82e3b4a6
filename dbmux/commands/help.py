"""`dbmux help`: the documentation, which travels with the package."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from dbmux.resources import folder


def pages() -> dict[str, Path]:
    """The pages by name."""
    return {page.stem: page for page in sorted(folder("docs").glob("*.md"))}


def _begun(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in pages() if name.startswith(incomplete)]


@click.command()
@click.argument("topic", required=False, metavar="[PAGE]", shell_complete=_begun)
def command(topic: str | None) -> None:
    """Print a page of the documentation, or the list of pages."""
    known = pages()
    if topic is None:
        click.echo("Pages: " + ", ".join(known) + "\nRead one with: dbmux help PAGE")
        return
    if topic not in known:
        raise click.UsageError(f"there is no page {topic!r}; there are {', '.join(known)}")
    click.echo_via_pager(known[topic].read_text(encoding="utf-8"))
