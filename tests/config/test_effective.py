"""What is in force, and where each value comes from."""

from __future__ import annotations

from dbmux.config.effective import HIDDEN, Setting, settings
from dbmux.config.history import VERSIONS_KEPT, History
from dbmux.config.load import for_backend, loads

TEXT = """{
  "backends": {"db1": "127.0.0.1:3306", "db2": {"address": "127.0.0.1:3308", "weight": 2}},
  "groups": {"main": {"primary": "db1", "replicas": ["db2"]}},
  "users": {"app": "secret"},
  // Results
  "service": {"user": "dbmux", "password": "secret2"},
  "cache": {"tables": {"shop.products": "30s"}}
}"""


def effective(text: str = TEXT) -> dict[str, Setting]:
    return {setting.path: setting for setting in settings(loads(text, "app.json", {}), text)}


def test_a_value_stands_where_the_file_says_it() -> None:
    found = effective()

    assert found["backends.db2.weight"] == Setting("backends.db2.weight", "2", 2, 78, is_default=False)
    assert found["cache.tables.shop.products.ttl"].line == 7
    assert found["groups.main.replicas"].value == "db2"


def test_a_short_form_is_the_place_of_its_value() -> None:
    assert (effective()["backends.db1.address"].value, effective()["backends.db1.address"].line) == (
        "127.0.0.1:3306",
        2,
    )


def test_defaults_have_no_place() -> None:
    assert effective()["timeouts.connect"] == Setting("timeouts.connect", "5s", 0, 0, is_default=True)
    assert effective()["listen"].value == "127.0.0.1:3307"


def test_what_is_written_has_its_place_though_it_is_what_holds_without() -> None:
    found = effective('{"backends": {"db1": "127.0.0.1:3306"},\n  "listen": "127.0.0.1:3307", "login": "relay"}')

    assert (found["listen"].line, found["login"].line) == (2, 2)
    # It does not stand there itself: its server is written in the short form.
    assert found["backends.db1.weight"].line == 0


def test_what_is_given_on_the_command_line_is_no_default() -> None:
    found = {setting.path: setting for setting in settings(for_backend("127.0.0.1:3306"), None)}

    assert (found["backends.db.address"].is_default, found["backends.db.weight"].is_default) == (False, True)


def test_durations_and_sizes_have_their_units() -> None:
    found = effective(TEXT.replace('"replicas": ["db2"]', '"replicas": ["db2"], "max_lag": "2s"'))

    assert found["groups.main.max_lag"].value == "2s"
    assert found["cache.tables.shop.products.ttl"].value == "30s"
    assert found["cache.memory"].value == "64MB"
    assert found["limits.inspect_max"].value == "1MB"
    assert found["limits.clients"].value == "10000"


def test_secrets_are_hidden() -> None:
    assert effective()["users.app.password"].value == HIDDEN
    assert not any("secret" in setting.value for setting in effective().values())


def test_a_text_that_cannot_be_read_gives_no_places() -> None:
    config = loads(TEXT, "app.json", {})

    assert {setting.line for text in (None, "{") for setting in settings(config, text)} == {0}


def test_versions_are_counted_and_the_oldest_are_forgotten() -> None:
    config = loads(TEXT, "app.json", {})
    history = History(config, "app.json", 1.0, TEXT)

    for number in range(VERSIONS_KEPT):
        history.applied(config, "app.json", 2.0, (f"change {number}",), None)

    assert history.now.number == VERSIONS_KEPT + 1
    assert (history.find(1), len(list(history))) == (None, VERSIONS_KEPT)
    assert history.find(2) is not None


def test_problems_stand_until_something_is_applied() -> None:
    config = loads(TEXT, "app.json", {})
    history = History(config, "app.json", 1.0, TEXT)

    history.rejected(("app.json:1:2: x: wrong",))
    before = history.problems
    history.applied(config, "app.json", 2.0, (), None)

    assert (before, history.problems) == (("app.json:1:2: x: wrong",), ())
