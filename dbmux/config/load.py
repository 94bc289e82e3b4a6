"""From a file or its text to a configuration, or to all that is wrong with it at once.

Text, a name for it and an environment come in; a `Config` goes out or `ConfigError` is raised, with one sentence per
problem: file, line, column, path, what is wrong, the nearest known key. Never shows a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ValidationError

from dbmux.address import parse_address
from dbmux.config import jsonc
from dbmux.config.model import Account, BackendConfig, Config, GroupConfig, Listen, Section, User
from dbmux.errors import ConfigError

FILE_NAME = "appconfig.json"
ENVIRONMENT_NAME = "DBMUX_CONFIG"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECRETS = ("password", "backend_password")


def find(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Where the configuration is: the given file, $DBMUX_CONFIG, ./appconfig.json, or the user's folder; or None."""
    if explicit is not None:
        return explicit
    if named := environment.get(ENVIRONMENT_NAME):
        return Path(named)
    for candidate in (Path(FILE_NAME), platformdirs.user_config_path("dbmux") / FILE_NAME):
        if candidate.exists():
            return candidate
    return None


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """Read a file; raises ConfigError, also when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError((f"{path}: cannot be read: {reason}; `dbmux init` writes a first one",)) from error
    return loads(text, str(path), environment)


def loads(text: str, name: str, environment: Mapping[str, str]) -> Config:
    """Read a text; `name` stands for the file in messages. Raises ConfigError."""
    try:
        document = jsonc.parse(text)
    except jsonc.Misread as error:
        raise ConfigError((f"{name}:{error.place.line}:{error.place.column}: {error}",)) from error
    problems: list[tuple[jsonc.Path, str]] = []
    value = _substitute(document.value, environment, (), problems)
    config: Config | None = None
    try:
        config = Config.model_validate(value)
    except ValidationError as error:
        unset = {path for path, _ in problems}
        problems += [found for found in _problems(error) if found[0] not in unset]
    if problems or config is None:
        raise ConfigError(tuple(_sentence(name, document, path, what) for path, what in problems))
    return config


def for_backend(backend: str) -> Config:
    """The configuration of `dbmux serve --backend`: one server, nothing else. Raises ConfigError."""
    try:
        address = parse_address(backend)
    except ValueError as error:
        raise ConfigError((f"--backend: {error}",)) from error
    return Config(backends={"db": BackendConfig(address=address)})


def with_listen(config: Config, listen: str) -> Config:
    """The same configuration with one other address to listen on; raises ConfigError."""
    try:
        address = parse_address(listen, 3307)
    except ValueError as error:
        raise ConfigError((f"--listen: {error}",)) from error
    if len({config.group_of(old) for old in config.listen}) > 1 and config.default is None:
        raise ConfigError(("--listen cannot replace a map of several addresses; change the file",))
    return config.model_copy(update={"listen": (Listen(address=address, group=config.group_of(config.listen[0])),)})


def _substitute(
    value: jsonc.Value,
    environment: Mapping[str, str],
    path: jsonc.Path,
    problems: list[tuple[jsonc.Path, str]],
) -> jsonc.Value:
    match value:
        case dict():
            return {
                _expand(key, environment, (*path, key), problems): _substitute(
                    item, environment, (*path, key), problems
                )
                for key, item in value.items()
            }
        case list():
            return [_substitute(item, environment, (*path, at), problems) for at, item in enumerate(value)]
        case str():
            return _expand(value, environment, path, problems)
        case _:
            return value


def _expand(text: str, environment: Mapping[str, str], path: jsonc.Path, problems: list[tuple[jsonc.Path, str]]) -> str:
    def look_up(match: re.Match[str]) -> str:
        found = environment.get(match[1], match[2])
        if found is None:
            problems.append((path, f"the environment has no {match[1]}; set it, or write ${{{match[1]}:-default}}"))
            return ""
        return found

    return _VARIABLE.sub(look_up, text)


def _problems(error: ValidationError) -> Iterator[tuple[jsonc.Path, str]]:
    for problem in error.errors(include_url=False, include_context=True):
        path = _written_path(problem["loc"])
        match problem["type"]:
            case "extra_forbidden":
                yield path, _unknown_key(path)
            case "missing":
                yield path, "is missing"
            case "too_short" if path == ("backends",):
                yield path, 'no backend; write {"backends": {"db": "127.0.0.1:3306"}}'
            case "value_error":
                for what in str(problem["ctx"]["error"]).splitlines():
                    yield _located(path, what)
            case _:
                yield path, problem["msg"].lower()


def _located(path: jsonc.Path, what: str) -> tuple[jsonc.Path, str]:
    # A check of the whole names the place itself: "groups.main.primary: no backend …".
    place, colon, rest = what.partition(": ")
    if path or not colon or " " in place:
        return path, what
    section, _, name = place.partition(".")
    steps: jsonc.Path = (section, name) if section == "listen" else tuple(place.split("."))
    return steps, rest


def _written_path(location: tuple[str | int, ...]) -> jsonc.Path:
    # The model's forms are not in the file: `listen` becomes a tuple of objects.
    if location[:1] == ("listen",):
        return ("listen",)
    return tuple(step for step in location if step not in ("[key]", "is-instance[TcpAddress]"))


def _unknown_key(path: jsonc.Path) -> str:
    near = difflib.get_close_matches(str(path[-1]), _known_keys(path[:-1]), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(_known_keys(path[:-1]))}"
    return f"unknown key{hint}"


_ITEMS: dict[str, type[Section]] = {"users": User, "backends": BackendConfig, "groups": GroupConfig, "service": Account}


def _known_keys(path: jsonc.Path) -> list[str]:
    model: type[BaseModel] = Config
    steps = list(path)
    while steps:
        step = str(steps.pop(0))
        if model is Config and step in _ITEMS:
            model = _ITEMS[step]
            if step != "service" and steps:
                steps.pop(0)
            continue
        field = model.model_fields.get(step)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    keys = [field.alias or name for name, field in model.model_fields.items()]
    return keys + [f"{key}_file" for key in keys if key in _SECRETS]


def _sentence(name: str, document: jsonc.Document, path: jsonc.Path, what: str) -> str:
    place = document.place(path)
    dotted = ".".join(str(step) for step in path)
    return f"{name}:{place.line}:{place.column}: {dotted + ': ' if dotted else ''}{what}"
