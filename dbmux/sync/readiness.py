"""Whether a server's log can be replayed elsewhere, and what may be lost though it can.

A source comes in; findings go out, each with the SQL that settles it. (Manual pages "Binary Logging Options and
Variables" of both servers.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.backend.binlog.source import Source

DAY_S = 86_400
_VARIABLES = (
    b"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_format', 'binlog_row_metadata', 'binlog_row_image',"
    b" 'sync_binlog', 'expire_logs_days', 'binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge',"
    b" 'innodb_flush_log_at_trx_commit')"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and the SQL that settles it there; where `is_fatal`, nothing can be replayed as it is."""

    what: str
    remedy: str
    is_fatal: bool = False

    def __str__(self) -> str:
        return f"{self.what}; run there: {self.remedy}"


async def settings_of(source: Source) -> dict[str, str]:
    """The variables that matter here, as the server has them; raises Broken."""
    rows = await source.ask(_VARIABLES)
    return {(name or b"").decode().lower(): (value or b"").decode() for name, value in rows}


def findings(name: str, settings: Mapping[str, str]) -> list[Finding]:
    """What is to be said of a source with these variables."""
    found = []
    if (form := settings.get("binlog_format", "ROW").upper()) != "ROW":
        found.append(
            Finding(
                f"{name} logs in format {form}, in which changes are statements, which give other rows elsewhere",
                "SET GLOBAL binlog_format = ROW (sessions that are open keep the old one)",
                is_fatal=True,
            )
        )
    if settings.get("binlog_row_metadata", "").upper() != "FULL":
        remedy = "SET GLOBAL binlog_row_metadata = FULL"
        found.append(Finding(f"{name} does not log the names of columns", remedy, is_fatal=True))
    if (image := settings.get("binlog_row_image", "FULL").upper()) == "MINIMAL":
        what = f"{name} logs rows in part (binlog_row_image is {image}): new rows would get other defaults elsewhere"
        found.append(Finding(what, "SET GLOBAL binlog_row_image = FULL", is_fatal=True))
    if settings.get("sync_binlog") != "1":
        what = (
            f"{name} may lose the end of its log when its machine fails (sync_binlog is {settings.get('sync_binlog')})"
        )
        found.append(Finding(what, "SET GLOBAL sync_binlog = 1"))
    kept = retention_s(settings)
    if 0 < kept < DAY_S:
        what = f"{name} keeps its log for {kept / 3600:g} hours: a target that is away for longer is lost"
        found.append(Finding(what, f"SET GLOBAL binlog_expire_logs_seconds = {7 * DAY_S}"))
    return found


def retention_s(settings: Mapping[str, str]) -> float:
    """For how many seconds the server keeps its log; 0 where it never deletes it by age."""
    if settings.get("binlog_expire_logs_auto_purge", "ON").upper() == "OFF":
        return 0.0
    return float(settings.get("binlog_expire_logs_seconds", 0)) or float(settings.get("expire_logs_days", 0)) * DAY_S
