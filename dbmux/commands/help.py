"""`dbmux help`: the documentation, which travels with the package."""

from __future__ import annotations

import click

from dbmux.resources import folder


@click.command()
@click.argument("topic", required=False)
def command(topic: str | None) -> None:
    """Print a page of the documentation, or the list of pages."""
    pages = {page.stem: page for page in sorted(folder("docs").glob("*.md"))}
    if topic is None:
        click.echo("Pages: " + ", ".join(pages) + "\nRead one with: dbmux help PAGE")
        return
    if topic not in pages:
        raise click.UsageError(f"there is no page {topic!r}; there are {', '.join(pages)}")
    click.echo_via_pager(pages[topic].read_text(encoding="utf-8"))
