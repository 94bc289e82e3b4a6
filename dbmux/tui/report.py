"""What broke the interface, in a file: for whoever mends it, and for its owner's eyes only."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from dbmux.text import why
from dbmux.version import VERSION


def reported(error: BaseException, folder: Path | None) -> str:
    """Write a report into the folder; a sentence that says where it is, or what there is instead."""
    if folder is None:
        return f"It was {error!r}."
    file = folder / "reports" / f"interface-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    told = f"DbMux {VERSION}\n\n{''.join(traceback.format_exception(error))}"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            opened.write(told)
    except OSError as failure:
        return f"It was {error!r}; a report could not be written: {why(failure)}."
    return f"The report is {file}."
