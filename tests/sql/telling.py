"""A query in words, so that a table of expectations can be read."""

from __future__ import annotations

from dbmux.query import (
    AlterSchema,
    AskLocks,
    ChangeSchema,
    Effect,
    Needs,
    Pin,
    Query,
    RenameTable,
    SetNames,
    SetOption,
    SetUserVariable,
    SetVariable,
    Unpin,
)


def tell(query: Query) -> str:
    """Kind and access, the effects, what is needed, and what is special; tables apart.

    `+` is a pin, `-` the end of one. The end of a pin that a variable's new value is preceded by is left out.
    """
    parts = [f"{query.kind} {query.access.value}"]
    for at, effect in enumerate(query.effects):
        behind = query.effects[at + 1 : at + 2]
        is_set_next = any(isinstance(other, SetVariable | SetUserVariable | SetNames) for other in behind)
        if not (isinstance(effect, Unpin) and is_set_next):
            parts.append(_effect(effect))
    parts += (f"needs {need.name.lower()}" for need in Needs if need in query.needs and need.name)
    if query.moves_insert_id:
        parts.append("moves insert id")
    if not query.is_digest_wide:
        parts.append("per text")
    return " | ".join(parts)


def _effect(effect: Effect) -> str:
    match effect:
        case Pin(reason, what):
            return f"+{reason} {what}".rstrip()
        case Unpin(reason, what):
            return f"-{reason} {what}".rstrip()
        case SetVariable(name, value):
            return f"{name} = {'DEFAULT' if value is None else value.decode()}"
        case SetUserVariable(name, value):
            return f"@{name} = {value.decode()!s}".replace("\n", "\\n")
        case SetOption(value):
            return f"option {value!r}"
        case SetNames(charset, collation, only_client):
            words = ["character set" if only_client else "names", charset or "DEFAULT"]
            return " ".join([*words, "collate", collation] if collation else words)
        case ChangeSchema(name):
            return f"use {name.decode()}"
        case AlterSchema(name):
            return f"alter {name.decode() or 'the schema'}"
        case RenameTable(old, new):
            return f"{old} becomes {new}"
        case AskLocks():
            return "ask locks"
