"""`${NAME}` and `${NAME:-default}`, wherever a string or a key stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config import jsonc
from dbmux.config.environment import literally, substituted
from dbmux.config.load import loads
from dbmux.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "environment", "meant"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A}", {"A": ""}, ""),
        ("a ${A} and ${B}", {"A": "x", "B": "y"}, "a x and y"),
        ("${A:-d}", {"A": "x"}, "x"),
        ("${A:-d}", {}, "d"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:-}", {}, ""),
        ("${A:-127.0.0.1:3306}", {}, "127.0.0.1:3306"),
        ("${A:-with space}", {}, "with space"),
        ("$A $$ {A}", {"A": "x"}, "$A $$ {A}"),
        ("${A}", {"A": "${B}", "B": "never looked at"}, "${B}"),
        ("$${A}", {"A": "x"}, "${A}"),
        ("$${${A}", {"A": "x"}, "${x"),
    ],
)
def test_variables_are_replaced_as_in_a_shell(written: str, environment: dict[str, str], meant: str) -> None:
    document, problems = substituted(jsonc.Document(written), environment)

    assert (document.value, problems) == (meant, [])


@given(st.text("${}A-:$"))
def test_a_text_written_literally_means_itself(text: str) -> None:
    document, problems = substituted(jsonc.Document(literally(text)), {"A": "x"})

    assert (document.value, problems) == (text, [])


def test_variables_stand_in_keys_lists_and_strings_but_nothing_else() -> None:
    written = jsonc.parse('{"${K}": ["${A}", 1, true, null, {"deep": "${A}"}]}')

    document, _ = substituted(written, {"K": "key", "A": "a"})

    assert document.value == {"key": ["a", 1, True, None, {"deep": "a"}]}


def test_places_follow_the_names_of_replaced_keys() -> None:
    written = jsonc.parse('{\n  "${K}": {\n    "inner": 1 } }')

    document, _ = substituted(written, {"K": "key"})

    assert document.place(("key",)) == (2, 3)
    assert document.place(("key", "inner")) == (3, 5)


@pytest.mark.parametrize(
    ("written", "environment", "problem"),
    [
        ("${A}", {}, "the environment has no A; set it, or write ${A:-default}"),
        ("${A", {"A": "x"}, 'write ${NAME} or ${NAME:-default}; "${" itself is written $${'),
        ("${1}", {}, 'write ${NAME} or ${NAME:-default}; "${" itself is written $${'),
        ("${A:x}", {"A": "x"}, 'write ${NAME} or ${NAME:-default}; "${" itself is written $${'),
        ("${A}", {"A": "\udcff"}, "A of the environment is not UTF-8 text"),
    ],
)  # fmt: skip
def test_a_variable_without_a_value_is_a_problem(written: str, environment: dict[str, str], problem: str) -> None:
    assert substituted(jsonc.Document(written), environment)[1] == [((), problem)]


def test_two_keys_must_not_become_one() -> None:
    written = jsonc.parse('{"a": 1, "${A}": 2}')

    assert substituted(written, {"A": "a"})[1] == [(("${A}",), "'a' is here for the second time")]


def test_numbers_and_durations_and_choices_come_from_the_environment() -> None:
    text = """{
      "backends": { "${NAME:-db}": { "address": "10.0.0.1:${PORT}", "max_connections": "${MOST:-50}" } },
      "limits": { "clients": "${CLIENTS}", "inspect_max": "${INSPECT:-2MB}" },
      "timeouts": { "connect": "${CONNECT}" },
      "tls": "${TLS:-off}"
    }"""

    config = loads(text, "app.json", {"PORT": "3316", "CLIENTS": "100", "CONNECT": "1.5", "NAME": "one"})

    assert str(config.backends["one"].address) == "10.0.0.1:3316"
    assert config.backends["one"].max_connections == 50
    assert (config.limits.clients, config.limits.inspect_max) == (100, 2 << 20)
    assert (config.timeouts.connect, config.tls.mode) == (1.5, "off")


def test_what_follows_from_a_missing_variable_is_not_told_as_well() -> None:
    with pytest.raises(ConfigError) as found:
        loads('{"backends": {"db": "${HOST}:${PORT}"}}', "app.json", {"HOST": "h"})

    assert found.value.problems == (
        "app.json:1:15: backends.db: the environment has no PORT; set it, or write ${PORT:-default}",
    )


def test_a_wrong_value_of_the_environment_is_told_like_one_of_the_file() -> None:
    with pytest.raises(ConfigError) as found:
        loads('{"backends": {"db": "x"}, "limits": {"clients": "${N}"}}', "app.json", {"N": "many"})

    assert found.value.problems == ("app.json:1:38: limits.clients: 'many' is not a whole number",)
