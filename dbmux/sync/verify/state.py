"""Where a comparison was broken off, in a file, so that it can go on from there.

What is compared and the results so far come in; they go out again for the same two servers. A file that cannot be read
is like none. It has keys and the beginnings of values in it, so only its owner can read it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dbmux.sync.verify.result import TableResult, loaded

FORMAT = 1


class State:
    """The file of one comparison, in a folder of such."""

    def __init__(self, folder: Path, first: str, second: str) -> None:
        name = hashlib.sha256(f"{first}\n{second}".encode()).hexdigest()[:16]
        self.path = folder / f"{name}.json"
        self._who = [first, second]

    def read(self) -> dict[str, TableResult]:
        """The results by table; nothing where there is no such file."""
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            if told["format"] != FORMAT or told["servers"] != self._who:
                return {}
            return {one["table"]: loaded(one) for one in told["tables"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write(self, results: list[TableResult]) -> None:
        """Replace the file at once; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {"format": FORMAT, "servers": self._who, "tables": [result.saved() for result in results]}
        fresh = self.path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(told), encoding="utf-8")
        fresh.replace(self.path)

    def forget(self) -> None:
        """It came to its end."""
        self.path.unlink(missing_ok=True)
