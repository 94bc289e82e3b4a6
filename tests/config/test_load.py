"""Files and texts become configurations, or everything that is wrong with them at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.address import TcpAddress, UnixAddress
from dbmux.config import load
from dbmux.config.load import loads
from dbmux.config.model import Config
from dbmux.errors import ConfigError
from tests.wire.test_auth import NATIVE_HASH, SHA2_HASH

THERE = '"backends": {"db": "10.0.0.1"}'


def problems(text: str, environment: dict[str, str] | None = None) -> tuple[str, ...]:
    """What is said about a text."""
    with pytest.raises(ConfigError) as found:
        loads(text, "app.json", environment or {})
    return found.value.problems


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "1:1: the file ends where a value is expected"),
        ("{'backends': 1}", '1:2: a key in double quotes or "}" is expected here'),
        ("[]", "1:1: an object, in braces, is expected"),
        ("// nothing\n{}", '2:1: backends: no backend; write {"backends": {"db": "127.0.0.1:3306"}}'),
        ('{"backends": {}}', '1:2: backends: no backend; write {"backends": {"db": "127.0.0.1:3306"}}'),
        ('{"backends": []}', "1:2: backends: an object, in braces, is expected"),
        ('{"backends": {"db": 5}}', "1:15: backends.db: its address, or an object, is expected"),
        ('{"backends": {"db": {}}}', "1:15: backends.db.address: is missing"),
        ('{"backends": {"db": {"adress": "x"}}}', "1:22: backends.db.adress: unknown key; did you mean 'address'?"),
        ('{"backends": {"db": "db:99999"}}', "1:15: backends.db: '99999' is not a port (0 to 65535)"),
        ('{"backends": {"db": {"address": ":1"}}}', "1:22: backends.db.address: ':1' has no host; "
         "write host:port, [ipv6]:port or /path/of/a.sock"),
        ('{"backends": {"db": "db:0"}}', "1:15: backends.db: no server listens at port 0"),
        ('{"backends": {"db": "1:2:3"}}', "1:15: backends.db: '1:2:3' is no IPv6 address; "
         "write host:port or [ipv6]:port"),
        ('{"backends": {"db": "a b"}}', "1:15: backends.db: 'a b' is no host; "
         "write host:port, [ipv6]:port or /path/of/a.sock"),
        ('{"backends": {"db": "a..b"}}', "1:15: backends.db: 'a..b' is no host; "
         "write host:port, [ipv6]:port or /path/of/a.sock"),
        ('{"backends": {"db": "/a\\u0000b"}}', "1:15: backends.db: '/a\\x00b' has characters that no address has"),
        ('{"backends": {"db": "mysql://app:topsecret@db"}}', "1:15: backends.db: write only host:port, "
         "without a scheme, a user or a password"),
        ('{"backends": {"a\\nb": "db"}}', "1:15: backends.a\\nb: a name has letters that can be seen, at least one, "
         "and no line breaks"),
        ('{"backends": {"db": "127.0.0.1:3307"}}', "1:15: backends.db: 127.0.0.1:3307 is DbMux's own address; "
         "write the server's, or have DbMux listen elsewhere"),
        ('{"listen": "0.0.0.0:3306", "backends": {"db": {"address": "localhost"}}}', "1:48: backends.db.address: "
         "localhost:3306 is DbMux's own address; write the server's, or have DbMux listen elsewhere"),
        ('{"backends": {"a": "x", "b": "y"}}', "1:2: backends: several could serve (a, b); "
         'say which with "default", or map each listen address to one'),
        ('{"backends": {"a": "x"}, "groups": {"g": "a", "h": "a"}}', "1:26: groups: several could serve (g, h); "
         'say which with "default", or map each listen address to one'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_backends_is_told(text: str, sentence: str) -> None:
    assert problems(text) == (f"app.json:{sentence}",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('"lisen": "x"', "2:1: lisen: unknown key; did you mean 'listen'?"),
        ('"shards": {}', "2:1: shards: unknown key; "
         "there are $schema, listen, control, users, admins, login, service, backends, groups, rules and 10 more"),
        ('"log": {"queries": "a", "slow": {"file": "a"}}', "2:25: log.slow: 'a' is written by `log.queries` already; "
         "choose another file"),
        ('"mirrors": {"m": {"from": "bd", "to": "db"}}, "service": {"user": "u"}',
         "2:19: mirrors.m.from: no backend is called 'bd'; there are db"),
        ('"mirrors": {"m": {"from": "db", "to": "db"}}, "service": {"user": "u"}',
         "2:33: mirrors.m.to: 'db' is where the writes come from; a mirror needs a second server"),
        ('"listen": 5', "2:1: listen: an address, or an object from address to group, is expected"),
        ('"listen": ["x"]', "2:1: listen: an address, or an object from address to group, is expected"),
        ('"listen": {}', "2:1: listen: at least one is needed"),
        ('"listen": {"x:y": "db"}', "2:12: listen.x:y: 'y' is not a port (0 to 65535)"),
        ('"listen": {"x:1": null}', "2:12: listen.x:1: the group or backend that it serves is expected"),
        ('"listen": {"x:1": 5}', "2:12: listen.x:1: a string, in double quotes, is expected"),
        ('"listen": {"x:1": "dbs"}', "2:12: listen.x:1: no group or backend is called 'dbs'; did you mean 'db'?"),
        ('"listen": {"127.0.0.1:3307": "db", "127.0.0.1": "db"}', "2:36: listen.127.0.0.1: "
         "127.0.0.1:3307 is a listen address already; choose another"),
        ('"control": "127.0.0.1:3307"', "2:1: control: 127.0.0.1:3307 is a listen address already; choose another"),
        ('"control": 3380', '2:1: control: an address is a string like "127.0.0.1:3306" or "/run/mysqld/mysqld.sock"'),
        ('"users": []', "2:1: users: an object, in braces, is expected"),
        ('"users": {"a": null}', "2:11: users.a: its password, or an object, is expected"),
        ('"users": {"a": {}}', '2:11: users.a.password: is missing; write it or "password_file"'),
        ('"users": {"a": {"password": 1}}', "2:17: users.a.password: a string, in double quotes, is expected"),
        ('"users": {"a": {"password_hash": "x"}}', "2:17: users.a.password_hash: a hash as a server keeps it is "
         'expected: "*" and 40 digits, or "$A$005$", salt and digest, as it is or in hexadecimal (0x…)'),
        ('"users": {"a": {"password": "x", "password_hash": "*%s"}}' % ("0" * 40),
         '2:11: users.a: either "password" or "password_hash" is expected'),
        ('"users": {"a": {"password": null}}', '2:11: users.a: either "password" or "password_hash" is expected'),
        ('"users": {"a": {"pasword": "x"}}', "2:17: users.a.pasword: unknown key; did you mean 'password'?"),
        ('"admins": {"a": {}}', '2:12: admins.a.password: is missing; write it or "password_file"'),
        ('"admins": {"a": ""}', "2:12: admins.a: a password is needed here; "
         "an empty one would let in everybody"),
        ('"admins": {"a": {"password_hash": "x"}}', "2:18: admins.a.password_hash: unknown key; "
         "did you mean 'password'?"),
        ('"users": {"a": "x"}, "admins": {"a": "x"}', "2:33: admins.a: a user has this name already; "
         "an admin logs in to DbMux itself, so choose another"),
        ('"users": {"a": {"password_file": "/no/such"}}', "2:17: users.a.password_file: "
         "/no/such cannot be read: No such file or directory"),
        ('"users": {"a": {"password_file": "/dev/zero"}}', "2:17: users.a.password_file: "
         "/dev/zero is too long for a password"),
        ('"users": {"a": {"password_file": 5}}', "2:17: users.a.password_file: "
         "the path of a file is expected, as a string"),
        ('"users": {"a": {"password": "x", "password_file": "/dev/null"}}', "2:34: users.a.password_file: "
         "a password stands beside it already; keep one of the two"),
        ('"login": "lern"', "2:1: login: must be 'relay' or 'learn'"),
        ('"service": "dbmux"', "2:1: service: an object, in braces, is expected"),
        ('"service": {"usr": "dbmux"}', "2:13: service.usr: unknown key; did you mean 'user'?"),
        ('"groups": {"db": "db"}', "2:12: groups.db: a backend has this name already; choose another"),
        ('"login": "learn", "groups": {"g": {"primary": "db", "replicas": ["db"]}}',
         "2:66: groups.g.replicas.0: 'db' is in this group already; name each server once"),
        ('"login": "learn", "groups": {"g": {"primary": "db", "replicas": ["nope"]}}',
         "2:66: groups.g.replicas.0: no backend is called 'nope'; there are db"),
        ('"groups": {"g": {"primary": "db", "roles": "auto"}}',
         "2:35: groups.g.roles: needs the `service` account, which asks the servers whether they are read-only"),
        ('"login": "learn", "rules": {"r": {"route": "db.secondary"}}',
         "2:35: rules.r.route: no route is called 'db.secondary'; there are db"),
        ('"rules": {"r": {"route": "db.primary"}}',
         "2:17: rules.r.route: a relayed login is good for one server only; write \"login\": \"learn\", or name the "
         "`users`"),
        ('"groups": {"main.x": {"primary": "d"}}', "2:23: groups.main.x.primary: no backend is called 'd'; "
         "did you mean 'db'?"),
        ('"default": "other"', "2:1: default: no group or backend is called 'other'; there are db"),
        ('"login": "learn", "cache": {"tables": {"shop.*": "5s"}}', "2:29: cache.tables: "
         "needs the `service` account, which reads what tables, triggers and views there are"),
        ('"login": "learn", "rules": {"r": {"cache": "5s"}}', "2:35: rules.r.cache: "
         "needs the `service` account, which reads what tables, triggers and views there are"),
        ('"service": {"user": "d"}, "cache": {"tables": {"shop.*": "5s"}}', "2:37: cache.tables: "
         "sessions with a relayed login keep a connection of their own and are not answered from memory; "
         'write "login": "learn", or name the `users`'),
        ('"cache": {"tables": {"products": false}}', "2:22: cache.tables.products: "
         'a table is written as "shop.products", all of a schema as "shop.*", with a * at the end only'),
        ('"cache": {"tables": {"sh*.products": false}}', "2:22: cache.tables.sh*.products: "
         'a table is written as "shop.products", all of a schema as "shop.*", with a * at the end only'),
        ('"users": {"a": "p"}, "service": {"user": "d"}, "cache": {"tables": {"a.b": {"ttl": "5s", "soft_ttl": "5s"}}}',
         "2:90: cache.tables.a.b.soft_ttl: has no effect unless it is shorter than ttl"),
        ('"cache": {"tables": {"A.b": false, "a.B": false}}', "2:36: cache.tables.a.B: "
         "'A.b' is the same table: case makes no difference; remove one"),
        ('"tls": "requird"', "2:1: tls: must be 'off', 'optional' or 'required'"),
        ('"tls": 5', "2:1: tls: its mode, or an object, is expected"),
        ('"tls": {"certificate": "/no/such"}', "2:9: tls.certificate: "
         "/no/such cannot be read: No such file or directory"),
        ('"tls": {"key": "/dev/null"}', '2:9: tls.key: has no use without "certificate"'),
        ('"timeouts": {"connect": "5 weeks"}', "2:14: timeouts.connect: '5 weeks' has an unknown unit; "
         'write a duration like "30s", "500ms", "5m", "1h"'),
        ('"timeouts": {"login": 0}', "2:14: timeouts.login: must be more than 0"),
        ('"timeouts": {"drain": true}', '2:14: timeouts.drain: true is not a duration like "30s", "500ms", "5m", "1h"'),
        ('"limits": {"clients": "many"}', "2:12: limits.clients: 'many' is not a whole number"),
        ('"limits": {"clients": true}', "2:12: limits.clients: true is not a whole number"),
        ('"limits": {"inspect_max": "1TB"}', "2:12: limits.inspect_max: '1TB' has an unknown unit; "
         'write a size like "512kB", "64MB", "1GB"'),
        ('"proxy_protocol": {"accept_from": "10.0.0.1"}', "2:20: proxy_protocol.accept_from: a list is expected"),
        ('"proxy_protocol": {"accept_from": ["::1", "10.0.0.1/8"]}', "2:43: proxy_protocol.accept_from.1: "
         '10.0.0.1/8 has host bits set; write an address or a network like "10.0.0.0/8"'),
    ],
)  # fmt: skip
def test_what_is_wrong_elsewhere_is_told_with_its_place(text: str, sentence: str) -> None:
    assert problems(f"{{{THERE},\n{text}}}") == (f"app.json:{sentence}",)


@pytest.mark.parametrize("stored", [NATIVE_HASH, SHA2_HASH], ids=["native", "sha2"])
def test_a_hash_is_written_as_it_is_or_in_hexadecimal(stored: str) -> None:
    for written in (stored, f"0x{stored.encode().hex()}"):
        text = json.dumps({"backends": {"db": "x"}, "users": {"a": {"password_hash": written}}})

        assert loads(text, "app.json", {}).users["a"].password_hash == stored


def test_a_replica_has_one_primary() -> None:
    text = """{"backends": {"a": "a", "b": "b", "c": "c"}, "default": "g", "login": "learn",
"groups": {"g": {"primary": "a", "replicas": ["c"]}, "h": {"primary": "b", "replicas": ["c"]}}}"""

    assert problems(text) == ("app.json:2:89: groups.h.replicas.0: 'c' is the replica of another primary already",)


@pytest.mark.parametrize(
    ("tls", "sentence"),
    [
        ('"tls": "verify"', "2:1: backends.db.tls: "
         "must be 'off', 'preferred', 'required', 'verify_ca' or 'verify_identity'"),
        ('"tls": {"ca": "/dev/null"}', "2:9: backends.db.tls.ca: "
         'has no use without "mode": "verify_ca" or "verify_identity"'),
        ('"tls": {"mode": "required", "key": "/dev/null"}', '2:29: backends.db.tls.key: '
         'has no use without "certificate"'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_tls_towards_a_backend_is_told(tls: str, sentence: str) -> None:
    assert problems(f'{{"backends": {{"db": {{"address": "x",\n{tls}}}}}}}') == (f"app.json:{sentence}",)


def test_everything_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """{
      "listen": "127.0.0.1:nope",
      "default": "other",
      "backends": {
        "a": { "adress": "10.0.0.1", "weight": -1 },
        "b": "10.0.0.2:${B_PORT}"
      },
      "timeouts": { "connect": "soon", "qery": "1s" }
    }"""

    assert problems(text) == (
        "app.json:2:7: listen: 'nope' is not a port (0 to 65535)",
        "app.json:3:7: default: no group or backend is called 'other'; there are a, b",
        "app.json:5:16: backends.a.adress: unknown key; did you mean 'address'?",
        "app.json:5:38: backends.a.weight: must be at least 0",
        "app.json:6:9: backends.b: the environment has no B_PORT; set it, or write ${B_PORT:-default}",
        'app.json:8:21: timeouts.connect: \'soon\' is not a duration like "30s", "500ms", "5m", "1h"',
        "app.json:8:40: timeouts.qery: unknown key; did you mean 'query'?",
    )


POLICY = 'a duration like "30s", an object with "ttl", or false is expected'


@pytest.mark.parametrize(
    "policy, sentence",
    [
        ("0", f": {POLICY}"),
        ("true", f": {POLICY}"),
        ('"0s"', ": must be more than 0"),
        ('{"soft_ttl": "5s"}', ".ttl: is missing"),
        ('{"ttl": "5s", "tll": "5s"}', ".tll: unknown key; did you mean 'ttl'?"),
        ('{"ttl": "5s", "consistency": "none"}', ".consistency: must be 'invalidate' or 'ttl'"),
    ],
)
def test_what_is_wrong_with_how_long_results_are_stored_is_told_in_one_sentence(policy: str, sentence: str) -> None:
    users = '"users": {"a": "p"}, "service": {"user": "d"}'

    (told,) = problems(f'{{{THERE}, {users}, "cache": {{"tables": {{"a.b": {policy}}}}}}}')
    (of_rule,) = problems(f'{{{THERE}, {users}, "rules": {{"r": {{"cache": {policy}}}}}}}')

    assert told.endswith(f": cache.tables.a.b{sentence}")
    assert of_rule.endswith(f": rules.r.cache{sentence}")


@pytest.mark.parametrize(
    "users",
    [
        '{"app": {"pasword": "topsecret"}}',
        '{"app": {"password": "topsecret", "pasword_file": "topsecret"}}',
        '{"app": {"password": ["topsecret"]}}',
        '{"app": ["topsecret"]}',
        '["topsecret"]',
        '{"app": "topsecret", "other": 5}',
        '{"app": "topsecret${NOPE}"}',
        '{"app": "${"}, "service": {"password": "topsecret"}',
        '{"app": "topsecret" x',
    ],
)
def test_no_error_tells_a_password(users: str) -> None:
    with pytest.raises(ConfigError) as found:
        loads(f'{{{THERE}, "users": {users}}}', "app.json", {})

    shown: BaseException | None = found.value
    while shown is not None:
        assert "topsecret" not in str(shown) + repr(shown)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


@given(st.text(alphabet='{}[]":,0 \\${}é') | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_gives_a_configuration_or_problems(text: str) -> None:
    try:
        loads(text, "app.json", {})
    except ConfigError as error:
        assert all(problem.startswith("app.json:") and "\n" not in problem for problem in error.problems)


KEYS = st.sampled_from([*Config.model_fields, "address", "mode", "primary", "password", "password_file", "x.y", ""])
TREES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "10.0.0.1", "1s", "${A}", "/dev/null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, TREES))
def test_values_of_any_shape_give_a_configuration_or_problems(tree: dict[str, object]) -> None:
    try:
        loads(json.dumps(tree), "app.json", {"A": "a"})
    except ConfigError as error:
        assert error.problems


class TestFile:
    """Reading it, and finding it."""

    def test_a_byte_order_mark_is_read_over(self, tmp_path: Path) -> None:
        path = tmp_path / "app.json"
        path.write_bytes(b"\xef\xbb\xbf" + f"{{{THERE}}}".encode())

        assert load.load(path, {}).backends["db"].address == TcpAddress("10.0.0.1", 3306)

    def test_a_missing_file_is_told_with_the_way_to_a_first_one(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nothing.json: there is no such file; `dbmux init` writes a first one$"):
            load.load(tmp_path / "nothing.json", {})

    def test_a_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
            load.load(tmp_path, {})

    def test_what_is_not_text_is_told_with_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "app.json"
        path.write_bytes(b'{\n"a": "\xff\xfe"}')

        with pytest.raises(ConfigError, match=r"app.json:2: is not UTF-8 text$"):
            load.load(path, {})

    def test_no_more_is_read_than_a_configuration_can_have(self) -> None:
        with pytest.raises(ConfigError, match=r"^/dev/zero: is larger than 16 MB$"):
            load.load(Path("/dev/zero"), {})

    def test_what_the_system_refuses_is_told_in_its_words(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(ConfigError, match=r"file/app.json: cannot be read: Not a directory$"):
            load.load(tmp_path / "file" / "app.json", {})

    def test_the_option_wins_over_the_environment(self, tmp_path: Path) -> None:
        named = {"DBMUX_CONFIG": str(tmp_path / "named.json")}

        assert load.find(tmp_path / "given.json", named) == tmp_path / "given.json"
        assert load.find(None, named) == tmp_path / "named.json"


class TestCommandLine:
    """What options make of it."""

    def test_one_backend_is_a_whole_configuration(self) -> None:
        made = load.for_backend("10.0.0.1:3316")

        assert made.backends["db"].address == TcpAddress("10.0.0.1", 3316)
        assert [(str(one.address), made.group_of(one)) for one in made.listen] == [("127.0.0.1:3307", "db")]

    def test_a_backend_that_is_no_address_is_told(self) -> None:
        with pytest.raises(ConfigError, match=r"^--backend: 'x' is not a port"):
            load.for_backend("db:x")

    def test_another_listen_address_replaces_the_files(self) -> None:
        made = load.with_listen(loads(f"{{{THERE}}}", "app.json", {}), "/run/dbmux.sock")

        assert [(one.address, made.group_of(one)) for one in made.listen] == [(UnixAddress("/run/dbmux.sock"), "db")]

    def test_another_listen_address_has_the_default_port(self) -> None:
        assert load.with_listen(load.for_backend("db"), "::1").listen[0].address == TcpAddress("::1", 3307)

    def test_one_address_cannot_replace_several(self) -> None:
        two = '{"backends": {"a": "x", "b": "y"}, "listen": {"127.0.0.1:1": "a", "127.0.0.1:2": "b"}}'

        with pytest.raises(ConfigError, match="--listen cannot replace a map of several addresses"):
            load.with_listen(loads(two, "app.json", {}), "127.0.0.1:3")

    def test_dbmux_is_not_put_in_front_of_itself(self) -> None:
        with pytest.raises(ConfigError, match="is DbMux's own address"):
            load.check_addresses(load.with_listen(load.for_backend("127.0.0.1:3306"), "0.0.0.0:3306"))
