"""The documentation says what the code does: keys, errors, metrics, options, names, figures, links and examples."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import pytest

from dbmux import events
from dbmux.cli import COMMANDS, module_name
from dbmux.config.load import loads
from dbmux.config.model import Config, Section
from dbmux.control import tables, watched
from dbmux.door.table import Table
from dbmux.errors import ErrorCode
from dbmux.events import NOBODY, BackendUp, CloseReason, LoginFailed, SessionClosed
from dbmux.observe.metrics import Metrics
from dbmux.observe.prometheus import Now, render
from dbmux.query import PinReason
from dbmux.routes import ONLY
from dbmux.wire.commands import Command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted(ROOT.glob("recipes/*/README.md")),
    ROOT / "benchmarks" / "RESULTS.md",
]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def code_in(text: str) -> set[str]:
    """Everything that stands in single backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def examples() -> Iterator[tuple[str, str]]:
    """Every configuration of the documentation and the recipes, with a name for it."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 2}", found[1]
    for path in sorted(ROOT.glob("recipes/*/appconfig.json")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


EXAMPLES = dict(examples())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_configuration_that_is_shown_loads(name: str, tmp_path: Path) -> None:
    there = tmp_path / "file"
    there.write_text("secret")
    text = re.sub(r'"/(?:etc|run/secrets)/[^"]*"', json.dumps(str(there)), EXAMPLES[name])
    variables = re.findall(r"\$\{(\w+)", text)

    config = loads(text, name, {variable: str(number) for number, variable in enumerate(variables, start=20_000)})

    assert config.backends


def test_the_readme_login_and_configuration_show_configurations() -> None:
    shown = {name.partition(":")[0] for name in EXAMPLES}

    assert {"README.md", "docs/login.md", "docs/configuration.md"} <= shown


def test_every_error_stands_in_the_table_of_errors_once_and_no_other() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w{5}) \|", page("errors.md"), re.MULTILINE)

    assert sorted(rows) == sorted((str(code.number), code.sqlstate) for code in ErrorCode)


def rendered_metrics() -> str:
    """A page of metrics with every name on it."""
    figures = Metrics()
    figures.record(BackendUp(0, "db", "db:3306", "11.8"))
    figures.record(LoginFailed(0, 1, "app", 1045, "wrong"))
    figures.record(SessionClosed(0, 1, CloseReason.QUIT, ""))
    figures.query_finished("db", NOBODY, ONLY, Command.QUERY, 0.001, 1, 10, 1064)
    return render(figures, Now(backends=["db"])).decode()


def test_every_metric_stands_in_the_list_of_metrics_and_no_other() -> None:
    rendered = re.findall(r"^# TYPE (\w+) ", rendered_metrics(), re.MULTILINE)

    assert set(re.findall(r"^- `(dbmux_\w+)`", page("metrics.md"), re.MULTILINE)) == set(rendered)


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard that show something."""
    board = json.loads(page("grafana.json"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)", rendered_metrics(), re.MULTILINE))
    parts = {
        f"{name}_{part}" for name, kind in types.items() if kind == "histogram" for part in ("bucket", "sum", "count")
    }
    asked = {
        name for panel in panels() for target in panel["targets"] for name in re.findall(r"dbmux_\w+", target["expr"])
    }
    asked |= set(re.findall(r"dbmux_\w+", json.dumps(json.loads(page("grafana.json"))["templating"])))

    assert len(asked) > 30
    assert asked - {name for name, kind in types.items() if kind != "histogram"} - parts == set()


def test_the_dashboard_has_no_panel_twice_in_one_place_and_each_asks_the_chosen_source() -> None:
    board = json.loads(page("grafana.json"))
    places = [panel["gridPos"] for panel in board["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]

    assert board["schemaVersion"] >= 38
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${source}"}


def test_every_reason_for_a_pin_stands_in_the_table_of_pins_with_its_beginning_and_its_end() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| [^|]+ \|$", page("pinning.md"), re.MULTILINE)

    assert sorted(rows) == sorted(PinReason)


def test_every_event_stands_in_the_list_of_events_with_its_fields() -> None:
    described = dict(re.findall(r"`([A-Z]\w+)` \(([\w, ]+)\)", page("metrics.md")))

    fields = {event.__name__: ", ".join(event._fields[1:]) for event in get_args(events.Event)}

    assert described == fields


def test_the_tables_of_the_sql_door_are_described_with_their_columns() -> None:
    text = page("sql-door.md").partition("\n## The tables\n")[2]
    described = {}
    for part in text.split("\n### ")[1:]:
        name = part.partition("\n")[0]
        described[name] = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", part, re.MULTILINE)
    *others, recent = [one for part in (tables, watched) for one in vars(part).values() if isinstance(one, Table)]

    assert described == {
        one.name: [(column.name, str(column.type), column.what) for column in one.columns] for one in others
    }
    assert f"`{recent.name}` has the same columns" in text
    assert recent.columns == others[-1].columns


def keys(section: type[Section], before: str = "") -> Iterator[str]:
    """Every key of the configuration, with NAME where a name of the user's own stands."""
    for name, field in section.model_fields.items():
        key = before + (field.alias or name)
        yield key
        inside = f"{key}.NAME." if get_origin(field.annotation) is Mapping else f"{key}."
        # A list of sections is `listen`, which is written in another form.
        for part in () if get_origin(field.annotation) is tuple else (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                yield from keys(part, inside)


def test_every_key_of_the_configuration_is_described() -> None:
    described = set()
    for names in re.findall(r"^- ((?:`[$\w.]+`(?:, )?)+)", page("configuration.md"), re.MULTILINE):
        described |= code_in(names)

    assert set(keys(Config)) - described == set()


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.commands.values():
            yield from commands(part, f"{name} {part.name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described_with_its_options(name: str) -> None:
    command = importlib.import_module(f"dbmux.commands.{module_name(name)}").command
    text = page("command-line.md")
    section = text.partition(f"\n## dbmux {name}\n")[2].partition("\n## ")[0]

    wanted = set()
    for called, part in commands(command, f"dbmux {name}"):
        wanted |= {called} | {
            option
            for given in part.params
            if isinstance(given, click.Option) and not given.hidden
            for option in given.opts
        }

    # Where every configuration is found is told once, at the top.
    assert {one for one in wanted if one not in f"dbmux {name}\n{section}"} <= {"--config"}
    assert "--config" in text.partition("\n## ")[0]


def test_every_dependency_is_described_and_no_other() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = told["project"]
    wanted = [*told["build-system"]["requires"], *project["dependencies"]]
    wanted += [one for extra in project["optional-dependencies"].values() for one in extra]

    described = re.findall(r"^- `([\w-]+)`:", page("dependencies.md"), re.MULTILINE)

    assert sorted(described) == sorted({re.split(r"[<>=~!\[ ]", one)[0] for one in wanted})


def test_the_life_of_a_query_names_what_there_is() -> None:
    named = code_in(page("life-of-a-query.md"))
    files = {name for name in named if name.endswith(".py")}
    modules = [importlib.import_module("dbmux." + name.removesuffix(".py").replace("/", ".")) for name in files]

    functions = {name for name in named if re.fullmatch(r"[A-Z][a-z]\w*(\.\w+)*(\(\))?|\w+\(\)", name)}
    values = {name for name in named if name.startswith("dbmux.")}

    assert len(files) > 15
    assert len(functions) > 40
    assert [name for name in functions if not any(has(module, name.removesuffix("()")) for module in modules)] == []
    for value in values:
        module, _, name = value.rpartition(".")
        assert has(importlib.import_module(module), name)


def has(thing: object, path: str) -> bool:
    for step in path.split("."):
        if not hasattr(thing, step):
            return False
        thing = getattr(thing, step)
    return True


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)

    for target in targets:
        name, _, anchor = target.partition("#")
        linked = (path.parent / name) if name else path
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert linked == {str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md")}


def test_the_figures_of_the_readme_are_those_of_the_results() -> None:
    table = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it costs")[2].partition("\n[results]")[0]
    )
    figures = re.findall(r"(?<=\| )\d[\d,.]*|x\d\.\d\d", table)

    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")

    assert len(figures) > 15
    assert [figure for figure in figures if not re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d])", results)] == []
