"""JSON is written as MySQL would, with a compiler and without."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.sync.verify import normal
from dbmux.sync.verify.documents import AsMySQL, Meaning
from tests.sync.verify.test_documents import VALUES

# As MySQL 9 writes it.
WRITTEN = {
    b'{"b":1,"aa":2,"a":3,"\xc3\xa9":1,"zz":0,"":5,"b":7}': b'{"": 5, "a": 3, "b": 7, "aa": 2, "zz": 0, "\xc3\xa9": 1}',
    b' [ 1 , [ ] ,\n{ "a" :\ttrue} ,\rnull,false ] ': b'[1, [], {"a": true}, null, false]',
    b'{"b":{"d":1,"c":{}},"a":[{"f":1,"e":2}]}': b'{"a": [{"e": 2, "f": 1}], "b": {"c": {}, "d": 1}}',
    rb'"\u00e9\u20ac\/\u007f\u0001\u001F\b\f\n\r\t\"\\"':
    b'"\xc3\xa9\xe2\x82\xac/\x7f\\u0001\\u001f\\b\\f\\n\\r\\t\\"\\\\"',
    rb'"\ud83d\ude00\u00E9"': b'"\xf0\x9f\x98\x80\xc3\xa9"',
    b"[-0,-0.0,0e5,-0e-7]": b"[0, -0.0, 0.0, -0.0]",
    b"[1e15,1e14,1e16,1E5,1e22]": b"[1e15, 100000000000000.0, 1e16, 100000.0, 1e22]",
    b"[1e-14,1e-15,1e-16,0.00001234]": b"[0.00000000000001, 0.000000000000001, 1e-16, 0.00001234]",
    b"[123456789012345680.0,1234567890123456.7]": b"[1.2345678901234568e17, 1234567890123456.8]",
    b"[18446744073709551615,18446744073709551616]": b"[18446744073709551615, 1.8446744073709552e19]",
    b"[-9223372036854775808,-9223372036854775809]": b"[-9223372036854775808, -9.223372036854776e18]",
    b"[2.50,100.0,0.1234567890123456789]": b"[2.5, 100.0, 0.12345678901234568]",
    b"[5e-324,2.2250738585072011e-308]": b"[5e-324, 2.225073858507201e-308]",
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_a_text_becomes_what_mysql_writes_for_it(text: bytes) -> None:
    assert AsMySQL().of(text) == WRITTEN[text]


NO_JSON = (
    b"", b"[", b"[1", b"[1,", b"[1,]", b"[,1]", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,}', b"{1:2}", b'"', b'"a',
    b'"\\', b'"\\"', b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\t"', b"01", b"-", b"1.", b".5", b"+1", b"1e", b"1.5.5",
    b"-01.5", b"1 2", b"nul", b"True", b"NaN", b"Infinity", b"1e400", b"[]]", b"\0", b"[1]\0", b'"\0"',
    b"[" * 101 + b"]" * 101,
)  # fmt: skip


@pytest.mark.parametrize("text", NO_JSON, ids=repr)
def test_what_is_no_json_stays_as_it_is(text: bytes) -> None:
    assert AsMySQL().of(text) == Meaning().of(text) == text


def test_one_writer_writes_any_number_of_texts() -> None:
    writing = AsMySQL()

    assert writing.of(b'{"bb":[1],"a":2}') == b'{"a": 2, "bb": [1]}'
    assert writing.of(b'{"bb":[1],"a":') == b'{"bb":[1],"a":'
    assert writing.of(b"[]") == b"[]"


@given(value=VALUES, seed=st.integers(0, 100), escaped=st.booleans())
def test_members_in_any_order_are_written_alike(value: Any, seed: int, escaped: bool) -> None:
    one = json.dumps(value, ensure_ascii=escaped)
    other = json.dumps(_shuffled(value, Random(seed)), indent=1)

    for writing in (AsMySQL(), Meaning()):
        assert writing.of(one.encode()) == writing.of(other.encode())


@given(names=st.lists(st.text(max_size=3), min_size=20, max_size=80))
def test_many_members_are_written_shorter_names_first_and_of_one_name_the_last(names: list[str]) -> None:
    text = ",".join(f"{json.dumps(name)}:{place}" for place, name in enumerate(names))

    written = json.loads(AsMySQL().of(f"{{{text}}}".encode()))

    assert written == {name: place for place, name in enumerate(names)}
    # Control characters are longer in writing than they are.
    as_written = [json.dumps(name, ensure_ascii=False).encode("utf-8", "surrogatepass") for name in written]
    assert as_written == sorted(as_written, key=lambda name: (len(name), name))


def _shuffled(value: Any, random: Random) -> Any:
    match value:
        case dict():
            members = [(name, _shuffled(one, random)) for name, one in value.items()]
            random.shuffle(members)
            return dict(members)
        case list():
            return [_shuffled(one, random) for one in value]
        case _:
            return value


def _interpreted() -> ModuleType:
    spec = spec_from_file_location("interpreted", Path(normal.__file__).parent / "normal.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERPRETED = _interpreted()
TEXTS = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([*WRITTEN, *NO_JSON]),
    st.text(alphabet='[]{}",:\\u0e9d1-+.tfn \x00', max_size=30).map(str.encode),
)


@pytest.mark.skipif(not normal.COMPILED, reason="there is one form only")
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_the_same_is_written_without_a_compiler(texts: list[bytes]) -> None:
    one, other = (module.Writer(lambda number: b"<" + number + b">").write for module in (normal, INTERPRETED))

    assert [_outcome(one, text) for text in texts] == [_outcome(other, text) for text in texts]


def _outcome(write: Any, text: bytes) -> bytes | None:
    try:
        return bytes(write(text))
    except ValueError:
        return None
