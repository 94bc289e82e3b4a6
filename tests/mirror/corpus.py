"""Tables of every type, and reads of many kinds, to be run on two servers side by side. No read writes."""

from __future__ import annotations

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")
READS = tuple(
    line for line in Path(__file__).with_name("reads.sql").read_text("utf-8").splitlines() if not line.startswith("--")
)
