"""One more item in a configuration file that people wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config.insert import CannotInsert, inserted
from dbmux.config.jsonc import parse

PATH = ("mirrors", "upgrade", "expected")
WRITTEN = """{
  // Two servers.
  "backends": { "old": "127.0.0.1:1", "new": "127.0.0.1:2" }, // old, new
  "mirrors": {
    "upgrade": {
      "from": "old",
      "to": "new" // for now
    },
  },
}
"""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_what_was_written_stays_with_its_comments() -> None:
    once = inserted(WRITTEN, PATH, {"kinds": ["value"]})
    twice = inserted(once, PATH, {"kinds": ["order"]})

    assert (
        twice
        == """{
  // Two servers.
  "backends": { "old": "127.0.0.1:1", "new": "127.0.0.1:2" }, // old, new
  "mirrors": {
    "upgrade": {
      "from": "old",
      "to": "new", // for now
      "expected": [
        {
          "kinds": [
            "value"
          ]
        },
        {
          "kinds": [
            "order"
          ]
        }
      ]
    },
  },
}
"""
    )


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('{"mirrors": {"upgrade": {"expected": [1, 2]}}}', '{"mirrors": {"upgrade": {"expected": [1, 2, 3]}}}'),
        ('{"mirrors": {"upgrade": {"expected": [1,]}}}', '{"mirrors": {"upgrade": {"expected": [1, 3,]}}}'),
        (
            '{"mirrors": {"upgrade": {"expected": [ /* none */ ]}}}',
            '{"mirrors": {"upgrade": {"expected": [\n  3\n/* none */ ]}}}',
        ),
        ('{"mirrors": {"upgrade": {"a": 1}}}', '{"mirrors": {"upgrade": {"a": 1, "expected": [ 3 ]}}}'),
        ('{\n\t"mirrors": {"upgrade": {\n\t\t"a": 1 }}}', None),
        ('{\n"mirrors": {"upgrade": {\n"a": 1, // last\n}}}', None),
        ('{\r\n"mirrors": {"upgrade": {\r\n"a": 1 // last\r\n}}}', None),
        ("{}", None),
    ],
)
def test_all_ways_of_writing(text: str, changed: str | None) -> None:
    told = inserted(text, PATH, 3)

    assert changed is None or told == changed
    value = parse(told).value
    assert isinstance(value, dict)
    assert json.loads(json.dumps(value))["mirrors"]["upgrade"]["expected"][-1] == 3
    assert all(comment in told for comment in ("// last", "/* none */") if comment in text)


@pytest.mark.parametrize("text", ["", "[1]", '{"mirrors": 1}', '{"mirrors": {"upgrade": {"expected": {}}}}', '{"a": '])
def test_where_no_list_can_be_it_says_so(text: str) -> None:
    with pytest.raises(CannotInsert):
        inserted(text, PATH, 1)


@given(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4),
    st.lists(VALUES, max_size=3),
    VALUES,
    st.sampled_from([None, 1, 4, "\t"]),
)
def test_nothing_else_changes(whole: dict[str, Any], items: list[Any], item: Any, indent: int | str | None) -> None:
    whole["mirrors"] = {"upgrade": {"expected": items}}

    told = parse(inserted(json.dumps(whole, indent=indent), PATH, item)).value

    whole["mirrors"]["upgrade"]["expected"] = [*items, item]
    assert told == whole
