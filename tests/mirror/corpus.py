"""Tables of every type, and reads of many kinds, to be run on two servers side by side. No read writes."""

from __future__ import annotations

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")
_LINES = tuple(
    line for line in Path(__file__).with_name("reads.sql").read_text("utf-8").splitlines() if not line.startswith("--")
)
# Those that all servers answer alike, but for what is expected; and those that some answer differently.
ALIKE = tuple(line for line in _LINES if not line.startswith("! "))
DIFFERENT = tuple(line[2:] for line in _LINES if line.startswith("! "))
READS = ALIKE + DIFFERENT
