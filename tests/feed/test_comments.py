"""Where a statement comes from, as its comments say."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.comments import LONGEST_TRACE, LOOKED_AT, MOST_TAGS, NOWHERE, Origin, origin
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def told(text: str | bytes, flags: int = 0) -> tuple[str, str, str]:
    found = origin(text, flags)
    return found.app, found.trace, found.site


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"SELECT 1 /*action='index',application='web',controller='orders',traceparent='{TRACEPARENT}'*/",
            ("web", TRACE, "orders#index"),
            id="sqlcommenter",
        ),
        pytest.param(
            "SELECT 1 /*app_name='polls',controller='detail',framework='django%3A5.0',route='polls/%5B0-9%5D'*/",
            ("polls", "", "detail"),
            id="django",
        ),
        pytest.param(
            "SELECT 1 /*route='%%5Eusers/%%24',framework='django%%3A4.2'*/", ("", "", "^users/$"), id="django doubled"
        ),
        pytest.param(
            "SELECT 1 /*file='%2Fapp%2FHttp%2FOrders.php',line='12',controller='Orders',action='index'*/",
            ("", "", "/app/Http/Orders.php:12"),
            id="laravel with the file",
        ),
        pytest.param("SELECT 1 /*job='SendInvoice',framework='laravel-11.0'*/", ("", "", "SendInvoice"), id="a job"),
        pytest.param(
            "SELECT 1 /*application:Shop,controller:orders,action:index,line:/app/models/x.rb:12:in 'a, b'*/",
            ("Shop", "", "/app/models/x.rb:12:in 'a, b'"),
            id="marginalia",
        ),
        pytest.param(
            "/*application:Shop,namespaced_controller:admin/orders,controller:orders,action:show*/ SELECT 1",
            ("Shop", "", "admin/orders#show"),
            id="query tags ahead",
        ),
        pytest.param(
            "SELECT 1 /*request_id:7d0c,source_location:app/x.rb:3*/", ("", "7d0c", "app/x.rb:3"), id="a request"
        ),
        pytest.param(
            f"SELECT 1 /*dddbs='db',ddps='web',traceparent='{TRACEPARENT}'*/", ("web", TRACE, ""), id="a service"
        ),
        pytest.param(f"SELECT 1 /* traceparent={TRACEPARENT} */", ("", TRACE, ""), id="a plain trace"),
        pytest.param(f"-- traceparent: {TRACEPARENT}\nSELECT 1", ("", TRACE, ""), id="a trace in a line"),
        pytest.param(f"/* see {TRACE}; traceparent: {TRACEPARENT} */ SELECT 1", ("", TRACE, ""), id="a trace in prose"),
        pytest.param("-- name: GetOrder :one\nSELECT 1", ("", "", "GetOrder"), id="a named statement"),
        pytest.param("SELECT 1 /* app=web, action=index */", ("web", "", "index"), id="without quotes"),
        pytest.param("SELECT 1 /* app=\"my shop\" action='x' */", ("my shop", "", "x"), id="double quotes"),
        pytest.param("SELECT /*app='web'*/ 1 /*action='x'*/", ("web", "", "x"), id="two comments"),
        pytest.param("SELECT 1 /*app='first'*/ /*app='second'*/", ("first", "", ""), id="the first one counts"),
        pytest.param("/*! SELECT */ 1 /*app='web'*/", ("web", "", ""), id="behind a comment that runs"),
    ],
)
def test_what_comments_say(text: str, expected: tuple[str, str, str]) -> None:
    assert told(text) == expected
    assert told(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT '/*app=\\'web\\'*/'",
        "SELECT '/*app:web*/' FROM t",
        'SELECT "-- app:web"',
        "SELECT `/*app:web*/`",
        "SELECT 'it''s /*app:web*/'",
        "SELECT 1 /* the slow one: see the wiki */",
        "SELECT 1 -- 'app:web",
        "/* dbmux: route='main.replica', action='x' */ SELECT 1",
        "/*dbmux:route=main.replica,app=x*/ SELECT 1",
        "SELECT 1 /*+ NO_INDEX(app='web') */",
        "SELECT 1 /*!99999 app='web' */",
        "SELECT 1 /*app='web'",
        "SELECT 1 /*app='web",
        "SELECT 1 /* -- app='web'",
        "SELECT 1 --app='web'",
        "SELECT 1 /**/",
    ],
)
def test_nothing_is_said(text: str) -> None:
    assert origin(text) == NOWHERE


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param(f"00-{'0' * 32}-00f067aa0ba902b7-01", id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="no span"),
        pytest.param(f"ff-{TRACE}-00f067aa0ba902b7-01", id="no version"),
        pytest.param(TRACE, id="too short"),
    ],
)
def test_a_traceparent_that_is_none_names_no_trace(traceparent: str) -> None:
    assert origin(f"SELECT 1 /*traceparent='{traceparent}'*/").trace == ""


def test_all_that_was_said_is_kept_as_tags() -> None:
    found = origin(r"SELECT 1 /*app='it\'s%20web',db_driver='x%3A1'*/")

    assert found == Origin("it's web", "", "", (("app", "it's web"), ("db_driver", "x:1")))


def test_the_sql_mode_says_where_a_literal_ends() -> None:
    in_literal, in_name = r"SELECT '\' /*app:web*/ '", 'SELECT "a\\" /*app:web*/ "b'

    assert [told(in_literal, flags)[0] for flags in (0, NO_BACKSLASH_ESCAPES)] == ["", "web"]
    assert [told(in_name, flags)[0] for flags in (0, ANSI_QUOTES)] == ["", "web"]


def test_what_is_kept_is_bounded() -> None:
    many = ",".join(f"k{number}='x'" for number in range(100))

    assert len(origin(f"SELECT 1 /*{many}*/").tags) == MOST_TAGS
    assert len(origin(f"SELECT 1 /*request_id:{'x' * 1000}*/").trace) == LONGEST_TRACE
    assert origin(b"SELECT 1 " + b" " * LOOKED_AT + b"/*app='web'*/") == NOWHERE


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), st.text(min_size=1, max_size=20), min_size=1, max_size=10))
def test_sqlcommenter_is_read_as_it_was_written(tags: dict[str, str]) -> None:
    tags = {key: value.encode("utf-8", "replace").decode() for key, value in tags.items()}
    written = ",".join(f"{key}='{quote(value, safe='')}'" for key, value in sorted(tags.items()))

    assert dict(origin(f"SELECT 1 /*{written}*/").tags) == tags


@given(st.binary(max_size=200) | st.text(alphabet="/*-#'\"`\\,:= \napp", max_size=200))
def test_any_text_gives_an_answer(text: bytes | str) -> None:
    assert len(origin(text).tags) <= MOST_TAGS


@given(st.text(max_size=50).filter(lambda text: not text.endswith("\\")))
def test_nothing_within_a_literal_is_believed(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace("'", "''")

    assert origin(f"SELECT '{literal} /*app=web*/ -- app:web'") == NOWHERE
