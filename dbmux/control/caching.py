"""What the query cache holds, does and did: the figures and the list behind `dbmux cache`.

A running engine's cache comes in; plain values go out, as JSON has them. Of a statement only its digest is shown, in
which every literal is hidden.
"""

from __future__ import annotations

from heapq import nlargest
from itertools import islice
from typing import Any

from dbmux.cache.advisor import Advice
from dbmux.cache.cache import Cache, Source, text_of
from dbmux.cache.eviction import Entry
from dbmux.cache.tables import Table
from dbmux.cache.tally import Tally
from dbmux.lexer import digest

# So many of a kind are told, those that matter most.
MOST_TOLD = 200
MOST_ADVICE = 20
# So many results are looked at to find those that are used most: a walk through a million would be a pause.
MOST_LOOKED_AT = 10_000
LONGEST_TEXT = 400


def statistics(cache: Cache) -> dict[str, Any]:
    """All figures; seconds and bytes."""
    now, store = cache.clock(), cache.store
    tallies = nlargest(MOST_TOLD, cache.all_tallies(), key=lambda tally: tally.hits + tally.misses)
    return {
        "memory": {"bytes": store.bytes, "limit": store.capacity, "results": len(store)},
        "groups": [_source(source) for source in cache.sources],
        "statements": [_tally(tally) for tally in tallies],
        "tables": [
            {"table": _name(table), "results": table.entries, "bytes": table.bytes}
            for table in nlargest(MOST_TOLD, cache.filled_tables(), key=lambda table: table.bytes)
        ],
        "bypasses": [{"reason": why, "count": count} for why, count in cache.bypasses.most_common(MOST_TOLD)],
        "gone": {str(reason): count for reason, count in store.gone.items()},
        "cleared": [
            {"cause": cause, "count": count, "seconds": round(now - cache.cleared_at[cause], 3)}
            for cause, count in cache.cleared.most_common(MOST_TOLD)
        ],
        "advice": [_advice(advice) for advice in cache.advisor.advice(now, MOST_ADVICE)],
    }


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "statement": None if b"/*" in advice.digest else _text(advice.digest),
        "tables": advice.tables,
        "cached": advice.is_cached,
        "ttl": advice.ttl_s,
        "share": round(advice.share, 3),
        "asked_per_minute": round(advice.asked, 3),
        "saved_seconds_per_minute": round(advice.saved_s, 6),
        "written_per_minute": round(advice.written, 3),
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "group": source.name,
        "dictionary": source.dictionary is not None,
        "why": "" if source.dictionary is not None else source.why,
        "binlog": source.is_followed,
        "delay_seconds": source.delay_s(),
        "broken": source.broken,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "tables": tally.name,
        "by": tally.by,
        "ttl": tally.ttl_s,
        "hits": tally.hits,
        "stale": tally.stale,
        "coalesced": tally.coalesced,
        "misses": tally.misses,
        "stored": tally.stored,
        "refused": dict(tally.refusals),
        "saved_seconds": round(tally.saved_s, 6),
        "spent_seconds": round(tally.spent_s, 6),
    }


def _name(table: Table) -> str:
    return f"{table.schema}.{table.name}" if table.name else "other tables"


def entries(cache: Cache) -> list[dict[str, Any]]:
    """The results that are used most, among the first that are met."""
    now, store = cache.clock(), cache.store
    good = (entry for entry in islice(store, MOST_LOOKED_AT) if store.is_good(entry))
    return [_entry(entry, now) for entry in nlargest(MOST_TOLD, good, key=lambda entry: entry.uses)]


def _entry(entry: Entry, now: float) -> dict[str, Any]:
    left = entry.expires - now
    return {
        "tables": entry.tally.name,
        "by": entry.tally.by,
        "statement": shown(text_of(entry.key)),
        "bytes": entry.size,
        "rows": entry.rows,
        "uses": entry.uses,
        "age": round(max(entry.tally.ttl_s - left, 0.0), 3),
        "left": round(left, 3),
        "cost_seconds": round(entry.cost_s, 6),
    }


def shown(text: bytes) -> str | None:
    """A statement without its literals; None where it depends on the session or the server which these are."""
    # By sql_mode a backslash hides a quote or does not; code in a comment is run by some servers.
    if b"\\" in text or b"/*" in text:
        return None
    # With ANSI_QUOTES, what is taken for a string here is a name: it is hidden too.
    return _text(digest(text, 0, 0))


def _text(shown: bytes) -> str:
    return shown[:LONGEST_TEXT].decode("utf-8", "replace")


def flush(cache: Cache, table: str | None) -> dict[str, Any]:
    """Use nothing any more of what was stored, or of a table; raises ValueError for what is no table's name."""
    if table is None:
        return {"table": None, "results": cache.flush()}
    schema, dot, name = table.partition(".")
    if not (schema and dot and name):
        raise ValueError("write the table as schema.table")
    return {"table": table, "results": cache.flush(schema, name)}
