"""Without a compiler, rows are read as they are with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dbmux.wire.binlog import readers, rows
from dbmux.wire.binlog.changes import changes
from dbmux.wire.binlog.events import RowsChanged
from tests.wire.binlog import test_changes as recorded

ROOT = Path(__file__).parents[3]
# Whoever runs this as a script has them interpreted.
COMPILED = ("dbmux.wire.binlog.readers", "dbmux.wire.binlog.rows")


def told() -> str:
    """All that the recorded logs tell."""
    return "\n".join(
        repr(list(changes(event, recorded.plans(server).of(event.table))))
        for server in recorded.SERVERS
        for event in recorded.told(server)
        if isinstance(event, RowsChanged)
    )


SCRIPT = f"""
import sys
from importlib.util import spec_from_file_location

class Interpreted:
    def find_spec(self, name, path=None, target=None):
        if name in {COMPILED}:
            return spec_from_file_location(name, "{ROOT}/" + name.replace(".", "/") + ".py")

sys.meta_path.insert(0, Interpreted())
from dbmux.wire.binlog import readers, rows
assert not readers.COMPILED and not rows.COMPILED
from tests.wire.binlog.test_interpreted import told
print(told())
"""


@pytest.mark.skipif(not (readers.COMPILED and rows.COMPILED), reason="there is one form only")
def test_rows_are_read_the_same_without_a_compiler() -> None:
    done = subprocess.run((sys.executable, "-c", SCRIPT), cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == told() + "\n"
