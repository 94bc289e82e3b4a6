"""Commands that ask a running DbMux: which one is found, what they print, and with which code they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from dbmux.commands import routes, status
from dbmux.control.unused import ENOUGH
from tests.cli.command import LINE, SECONDS, environment, serving
from tests.cli.conftest import run_here
from tests.commands.running import engines, running, runtime
from tests.fakes import PASSWORD

MINE, OTHER = os.getpid(), os.getppid()
# Linux gives no process so high a number.
NOBODYS = (1 << 22) + 1


class TestFound:
    """Which engine is meant."""

    @pytest.mark.parametrize("command", ["status", "top", "tail", "why 1", "clients", "drain", "cache stats", "reload"])
    def test_without_an_engine_it_is_3_and_what_to_start(self, command: str, here: Path) -> None:
        result = run_here(*command.split())

        assert result.exit_code == 3
        assert result.output.startswith("Error: no DbMux of yours runs here: `dbmux tui` starts one")
        assert "looked for in " in result.output

    def test_the_only_one_is_meant_whatever_it_runs(self, here: Path) -> None:
        with engines(here, {MINE: "/elsewhere/app.json"}):
            result = run_here("clients")

        # It was asked, and this one can only be asked for its status.
        assert (result.exit_code, result.output) == (2, "'clients' cannot be asked; there are status\n")

    def test_of_several_the_one_of_the_configuration_here_is_meant(self, here: Path) -> None:
        (here / "appconfig.json").touch()
        with engines(here, {MINE: str(here / "appconfig.json"), OTHER: "/elsewhere/app.json"}):
            result = run_here("clients")

        assert (result.exit_code, result.output) == (2, "'clients' cannot be asked; there are status\n")

    @pytest.mark.parametrize("sources", [("/a.json", "/b.json"), ("the command line", "the command line")])
    def test_when_it_is_not_clear_they_are_listed(self, sources: tuple[str, str], here: Path) -> None:
        with engines(here, dict(zip((MINE, OTHER), sources, strict=True))):
            result = run_here("clients")

        assert result.exit_code == 2
        assert "several run; say which one, as in `--pid " in result.output
        for pid, source in zip((MINE, OTHER), sources, strict=True):
            assert f"{pid}  {source}  127.0.0.1:3307" in result.output

    def test_two_of_the_same_configuration_are_told_apart_by_their_number(self, here: Path) -> None:
        (here / "appconfig.json").touch()
        source = str(here / "appconfig.json")
        with engines(here, {MINE: source, OTHER: source}):
            both = run_here("clients", "--config", source)
            one = run_here("clients", "--pid", str(OTHER))
            none = run_here("clients", "--pid", str(NOBODYS))

        assert "several run" in both.output
        assert "cannot be asked" in one.output
        assert (none.exit_code, f"runs as process {NOBODYS};" in none.output) == (3, True)

    def test_a_configuration_that_is_named_is_never_taken_for_another(self, here: Path) -> None:
        (here / "mine.json").write_text('{"backends": {"db": "10.0.0.1"}}')
        with engines(here, {MINE: "/elsewhere/app.json"}):
            result = run_here("drain", "--config", "mine.json")

        assert (result.exit_code, result.output) == (3, "Error: no DbMux of yours runs mine.json\n")

    def test_a_socket_that_a_killed_process_left_is_no_engine(self, here: Path) -> None:
        runtime(here).mkdir(mode=0o700)
        (runtime(here) / f"{MINE}.sock").touch()

        assert run_here("status").exit_code == 3


class TestSilence:
    """An engine that says nothing, as one that was stopped."""

    @pytest.mark.parametrize("arguments", [("status",), ("status", "--pid", "{pid}"), ("top",)], ids=" ".join)
    def test_it_is_said_soon_and_the_answer_is_waited_for(self, arguments: tuple[str, ...], tmp_path: Path) -> None:
        more = {"DBMUX_RUNTIME_DIR": str(runtime(tmp_path))}
        with serving(tmp_path, "--backend", "127.0.0.1:1", "--listen", "127.0.0.1:0", **more) as engine:
            engine.line_with("and so go past DbMux.")
            pid = engine.process.pid
            engine.signal(signal.SIGSTOP)
            asking = subprocess.Popen(
                (*LINE, *(one.format(pid=pid) for one in arguments)),
                cwd=tmp_path,
                env=environment(tmp_path, **more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            with asking:
                assert asking.stderr is not None
                said = asking.stderr.readline()
                engine.signal(signal.SIGCONT)
                out, rest = asking.communicate(timeout=SECONDS)

        assert said == f"process {pid} does not answer yet: it is stopped, or very busy\n"
        assert (asking.returncode, rest) == (0, "")
        assert out


class TestOverHttp:
    """Where there is no socket, or another address is given, the HTTP address is asked."""

    @pytest.mark.parametrize("command", ["clients", "routes", "cache stats", "cache flush shop.t", "resume"])
    def test_the_address_of_the_configuration_is_asked(self, command: str, here: Path) -> None:
        control = str(here / "control.sock")
        with running(here, control=control):
            empty = str(here / "empty")
            found = run_here(*command.split(), DBMUX_RUNTIME_DIR=empty)
            given = run_here(*command.split(), "--control", control, DBMUX_RUNTIME_DIR=empty)

        assert (found.exit_code, given.exit_code) == (0, 0)
        assert found.output

    def test_what_only_the_socket_tells_is_not_asked_there(self, here: Path) -> None:
        with running(here, control=str(here / "control.sock")):
            result = run_here("status", DBMUX_RUNTIME_DIR=str(here / "empty"))

        assert result.exit_code == 3

    def test_a_refusal_is_2(self, here: Path) -> None:
        control = str(here / "control.sock")
        with running(here, control=control):
            result = run_here("drain", "nobody", "--control", control)

        assert result.exit_code == 2
        assert "nobody" in result.output


class TestAnswers:
    """What they print."""

    def test_status_tells_at_a_glance(self, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1", "SELECT 2") as engine:
            lines = engine.ask("status").output.splitlines()
            told = json.loads(engine.ask("status", "--json").output)

        assert lines[0].startswith("DbMux 0.1.0, process ")
        assert "server      db up" in lines
        assert "clients     1" in lines
        assert any(line.startswith("statements  2, 2 kept in ") for line in lines)
        assert (told["pid"], told["statements"], told["config"]["version"]) == (os.getpid(), 2, 1)

    def test_status_tells_why_a_replica_that_is_up_takes_no_reads(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            told = json.loads(engine.ask("status", "--json").output)
        (server,) = told["backends"]
        assert server["no_reads"] == {}

        told["backends"] = [server | {"no_reads": {"shop": "it is 6.7 s behind, max_lag is 2 s"}}]

        assert "server      db up; takes no reads of shop: it is 6.7 s behind, max_lag is 2 s" in status.lines(told)

    def test_routes_tell_why_a_replica_takes_no_reads(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            told = json.loads(engine.ask("routes", "--json").output)
        (group,) = told["groups"]
        (primary,) = group["servers"]
        assert primary["no_reads"] == ""
        replica = primary | {"name": "two", "role": "replica", "no_reads": "it is 6.7 s behind, max_lag is 2 s"}

        *_, empty, why = routes.lines(told | {"groups": [group | {"servers": [primary, replica]}]})

        assert (empty, why) == ("", "two takes no reads of db: it is 6.7 s behind, max_lag is 2 s")

    def test_status_tells_settings_that_have_done_nothing(self, tmp_path: Path) -> None:
        users = {"app": PASSWORD.decode(), "ap": "other"}
        with running(tmp_path, *["SELECT 1"] * ENOUGH, users=users) as engine:
            lines = engine.ask("status").output.splitlines()

        assert re.fullmatch(r"unused +users\.ap has never logged in \(.*/appconfig\.json:1:\d+\)", lines[-1])

    @pytest.mark.parametrize("window", ["10s", "1m", "5m", "all"])
    def test_top_tells_kinds_of_statements(self, window: str, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1 FROM t", "SELECT 2 FROM t", "SELECT 3 FROM u") as engine:
            head, *lines = engine.ask("top", "--window", window).output.splitlines()
            told = json.loads(engine.ask("top", "--window", window, "--json").output)

        names = head.split()
        assert names == ["share", "calls", "avg", "p50", "p95", "p99", "rows", "errors", "hit", "statement"]
        calls = {line.split(maxsplit=9)[9]: line.split()[1] for line in lines}
        assert calls == {"SELECT ? FROM t": "2", "SELECT ? FROM u": "1"}
        assert sorted(one["calls"] for one in told) == [1, 2]

    def test_top_of_nothing_says_so(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            assert engine.ask("top").output == "no statement ended in this time\n"

    def test_why_tells_the_steps_with_their_places(self, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1", "SELECT 'a\n\x1b[2J'") as engine:
            first, *steps = engine.ask("why", "1").output.splitlines()
            told = json.loads(engine.ask("why", "1", "--json").output)

        assert first.endswith(r"SELECT 'a \x1b[2J'")
        assert [step["about"] for step in told["steps"]] == ["cache", "route", "connection", "time"]
        assert re.search(r"route +to db: .*appconfig\.json:1:\d+\)", "\n".join(steps))
        assert told["row"]["seq"] == 1

    def test_a_statement_that_is_not_kept_is_2(self, tmp_path: Path) -> None:
        with running(tmp_path, "SELECT 1") as engine:
            result = engine.ask("why", "7")

        assert (result.exit_code, result.output) == (
            2,
            "statement 7 is not kept any more; there are 0 to 0\n",
        )

    def test_a_connection_is_ended(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            (one,) = json.loads(engine.ask("clients", "--json").output)
            nothing = engine.ask("kill", str(one["id"]))
            ended = engine.ask("kill", str(one["id"]), "--connection")
            left = json.loads(engine.ask("clients", "--json").output)
            gone = engine.ask("kill", str(one["id"]))

        assert nothing.exit_code == 2
        assert ended.output == f"the connection of {one['id']} is ended\n"
        assert left == []
        assert (gone.exit_code, "no session has the number" in gone.output) == (2, True)

    def test_reload_says_what_changes_or_what_is_wrong(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            file = engine.served.file
            before = json.loads(file.read_text())
            file.write_text(json.dumps({**before, "limits": {"clients": 7}}))
            changed = engine.ask("reload")
            file.write_text(json.dumps({**before, "limit": {}}))
            wrong = engine.ask("reload")
            rejected = engine.ask("status").output

        assert changed.exit_code == 0
        # The watch may have been first.
        assert changed.output in ("limits.clients changed\n", "nothing changes\n")
        assert wrong.exit_code == 2
        assert "limit: unknown key" in wrong.output
        assert re.search(r"rejected +.*limit: unknown key", rejected)

    def test_an_earlier_configuration_is_put_in_force_again(self, tmp_path: Path) -> None:
        with running(tmp_path, limits={"clients": 9}) as engine:
            nothing = engine.ask("config", "rollback", "1").output
            versions = engine.ask("config", "versions").output.splitlines()
            shown = engine.ask("config", "show").output
            missing = engine.ask("config", "rollback", "77")

        assert nothing == "nothing changes\n"
        assert [line.split()[0] for line in versions] == ["version", "2", "1"]
        assert re.search(r"limits\.clients +9 +1:\d+", shown)
        assert re.search(r"users\.app\.password +\(hidden\)", shown)
        assert (missing.exit_code, "version 77 is not kept" in missing.output) == (2, True)

    @pytest.mark.parametrize("command", ["clients", "routes", "cache stats", "cache list", "cache flush", "resume"])
    def test_those_that_were_there_need_no_address_any_more(self, command: str, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            shown = engine.ask(*command.split())
            told = engine.ask(*command.split(), "--json")

        assert (shown.exit_code, told.exit_code) == (0, 0)
        json.loads(told.output)

    def test_draining_ends_it(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            told = json.loads(engine.ask("drain", "--json").output)

            assert told == {"backend": None}
            assert engine.served.wishes.stopping.is_set()
