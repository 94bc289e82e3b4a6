"""Settings that make statements fail or answer in another way: the sql_mode and those beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server

_B, _C, _K = Severity.BLOCKS, Severity.CHANGES, Severity.KNOW

# What a mode does where it is on.
_MODES = {
    "ONLY_FULL_GROUP_BY": (_B, "SELECT of columns that GROUP BY does not determine is refused (error 1055)"),
    "STRICT_TRANS_TABLES": (_B, "values that do not fit are refused, not cut"),
    "STRICT_ALL_TABLES": (_B, "values that do not fit are refused, not cut"),
    "TRADITIONAL": (_B, "values that do not fit are refused, not cut"),
    "NO_ZERO_DATE": (_B, "0000-00-00 is refused"),
    "NO_ZERO_IN_DATE": (_B, "dates with a month or day of zero are refused"),
    "ERROR_FOR_DIVISION_BY_ZERO": (_B, "writes that divide by zero are refused"),
    "ANSI_QUOTES": (_C, 'text in " is a name, not a string'),
    "ANSI": (_C, 'text in " is a name, and || joins strings'),
    "PIPES_AS_CONCAT": (_C, "|| joins strings, and is not OR"),
    "NO_BACKSLASH_ESCAPES": (_C, "a backslash in a string is a backslash"),
    "IGNORE_SPACE": (_C, "names of functions are reserved"),
    "NO_UNSIGNED_SUBTRACTION": (_C, "a difference of unsigned numbers can be negative"),
    "HIGH_NOT_PRECEDENCE": (_C, "NOT binds as ! does"),
    "REAL_AS_FLOAT": (_C, "REAL is FLOAT"),
    "PAD_CHAR_TO_FULL_LENGTH": (_C, "CHAR comes with its spaces"),
    "NO_AUTO_VALUE_ON_ZERO": (_C, "0 in an AUTO_INCREMENT column is 0"),
    "NO_AUTO_CREATE_USER": (_K, "GRANT makes no accounts"),
    "NO_ENGINE_SUBSTITUTION": (_K, "an engine that is missing is an error, not InnoDB"),
    "NO_DIR_IN_CREATE": (_K, "DATA DIRECTORY is ignored"),
    "TIME_ROUND_FRACTIONAL": (_C, "fractions of seconds are rounded, not cut"),
    "EMPTY_STRING_IS_NULL": (_C, "'' is NULL"),
    "SIMULTANEOUS_ASSIGNMENT": (_C, "UPDATE assigns all columns at once"),
    "ORACLE": (_B, "routines are in another language"),
}
# The others: how grave, and why.
_SETTINGS = {
    "lower_case_table_names": (_B, "names of tables are found in another way, and it can never be changed after the "
                               "installation"),
    "explicit_defaults_for_timestamp": (_C, "where it is OFF, the first TIMESTAMP of a table gets a default and ON "
                                        "UPDATE"),
    "character_set_server": (_C, "schemas made without a character set get another one"),
    "collation_server": (_C, "schemas made without a collation get another one"),
    "transaction_isolation": (_C, "transactions see other rows, and lock others"),
    "time_zone": (_C, "NOW() and TIMESTAMP are told in another zone"),
    "group_concat_max_len": (_C, "GROUP_CONCAT() is cut elsewhere"),
    "div_precision_increment": (_C, "quotients have other digits"),
    "default_week_format": (_C, "WEEK() counts in another way"),
    "lc_time_names": (_C, "names of days and months are in another language"),
    "autocommit": (_C, "statements are committed at once, or not"),
    "auto_increment_increment": (_C, "identifiers are given with other gaps"),
    "auto_increment_offset": (_C, "identifiers begin elsewhere"),
    "sql_auto_is_null": (_C, "WHERE id IS NULL finds the last inserted row where it is ON"),
    "old_mode": (_C, "older behaviour is asked for"),
    "innodb_strict_mode": (_C, "options of a table that do not fit are errors or warnings"),
    "foreign_key_checks": (_C, "foreign keys are checked, or not"),
    "sql_require_primary_key": (_B, "tables without a primary key are refused where it is ON"),
    "innodb_ft_min_token_size": (_C, "full-text search finds words of other lengths"),
    "ft_min_word_len": (_C, "full-text search in MyISAM tables finds words of other lengths"),
    "event_scheduler": (_C, "events run, or do not"),
    "local_infile": (_B, "LOAD DATA LOCAL is refused where it is OFF"),
    "secure_file_priv": (_K, "LOAD DATA and INTO OUTFILE work in other folders"),
    "log_bin_trust_function_creators": (_K, "functions that are not declared DETERMINISTIC are refused where it is OFF "
                                        "and there is a binary log"),
    "innodb_autoinc_lock_mode": (_K, "identifiers of one INSERT … SELECT can have gaps, in another order"),
    "innodb_page_size": (_K, "rows and indexes have other limits"),
    "default_storage_engine": (_C, "tables made without an engine get another one"),
    "max_allowed_packet": (_K, "the longest statement, row and value are others"),
    "max_connections": (_K, "so many clients at once"),
    "wait_timeout": (_K, "idle connections end earlier or later"),
    "innodb_lock_wait_timeout": (_K, "waiting for a row ends earlier or later"),
    "innodb_rollback_on_timeout": (_C, "a wait that is given up rolls the whole transaction back where it is ON"),
    "max_execution_time": (_K, "long SELECTs are ended"),
    "require_secure_transport": (_B, "clients without TLS are refused where it is ON"),
    "skip_name_resolve": (_K, "accounts with host names are not found where it is ON"),
    "tls_version": (_K, "older clients cannot agree on TLS"),
}  # fmt: skip
# Of these more is as good.
_WHEN_LESS = frozenset(("max_allowed_packet", "max_connections"))
# These say what they do only where B has them on.
_WHEN_ON = frozenset(("sql_require_primary_key", "require_secure_transport", "skip_name_resolve"))
_WHEN_OFF = frozenset(("local_infile",))
_ON = frozenset(("1", "ON", "YES"))
_SWITCH = frozenset(("ON", "OFF"))
_TURNED = {"1": "ON", "0": "OFF", "YES": "ON", "NO": "OFF"}


def find(a: Server, b: Server, unknown_modes: frozenset[str]) -> Iterator[Finding]:
    """`unknown_modes` are those that A uses and B refuses."""
    yield from _modes(a, b, unknown_modes)
    for name, (severity, why) in _SETTINGS.items():
        if name not in a.variables or name not in b.variables:
            continue
        ours, theirs = _alike(a.variables[name], b.variables[name])
        if ours == theirs:
            continue
        if (name in _WHEN_ON and theirs not in _ON) or (name in _WHEN_OFF and theirs in _ON):
            continue
        if name in _WHEN_LESS and int(theirs) >= int(ours):
            continue
        yield Finding(
            subject=Subject.SETTINGS,
            severity=severity,
            what=f"{name} is {theirs or 'empty'}, not {ours or 'empty'}",
            why=why,
            do=_advice(name, ours),
        )


def _modes(a: Server, b: Server, unknown: frozenset[str]) -> Iterator[Finding]:
    for mode in sorted((a.modes ^ b.modes) - unknown):
        severity, why = _MODES.get(mode, (_K, "it changes how statements are read or run"))
        if mode in b.modes:
            yield Finding(
                subject=Subject.SETTINGS,
                severity=_C if severity is _B and mode != "ONLY_FULL_GROUP_BY" else severity,
                what=f"sql_mode has {mode}",
                why=f"{b.name} has it, {a.name} not: {why}",
                do=f"SET GLOBAL sql_mode without {mode} on {b.name} for the beginning, or have clients set theirs",
            )
        else:
            yield Finding(
                subject=Subject.SETTINGS,
                severity=_K if severity is _K else _C,
                what=f"sql_mode lacks {mode}",
                why=f"{a.name} has it, {b.name} not; where it is on, {why}",
                do=f"SET GLOBAL sql_mode with {mode} on {b.name}",
            )
    users: dict[str, list[str]] = defaultdict(list)
    for program in a.programs:
        for mode in set(program.sql_mode.upper().split(",")) & unknown:
            users[mode].append(str(program))
    for mode in sorted(unknown):
        yield Finding(
            subject=Subject.SETTINGS,
            severity=_B if users[mode] else _K,
            what=f"the SQL mode {mode} is not there",
            where=tuple(users[mode]),
            why=f"{b.family} refuses it (error 1231): clients that set it stop, and dumps that do",
            do=f"make the definitions again on {a.name} without it, or take it out of the dump and of clients",
        )


def _alike(ours: str, theirs: str) -> tuple[str, str]:
    # Some servers say 1 where others say ON; 1 beside 2 is a number.
    turned = _TURNED.get(ours.upper(), ours.upper()), _TURNED.get(theirs.upper(), theirs.upper())
    return turned if _SWITCH.issuperset(turned) else (ours, theirs)


def _advice(name: str, ours: str) -> str:
    if name == "lower_case_table_names":
        return "initialise the second server anew with the value of the first"
    if name == "innodb_page_size":
        return "initialise the second server anew, if a limit is met"
    if name == "time_zone" and ours == "SYSTEM":
        return "set time_zone on both servers to the same zone"
    return f"set {name}={ours} on the second server, or see that nobody minds"
