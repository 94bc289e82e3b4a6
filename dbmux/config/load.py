"""From a file or its text to a configuration, or to all that is wrong with it at once.

Text, a name for it and an environment come in; a `Config` goes out or `ConfigError` is raised, with one sentence per
problem: file, line, column, path, what is wrong, the nearest known key. Never shows a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import platformdirs
from pydantic import ValidationError

from dbmux.config import jsonc
from dbmux.config.consistency import clashes, inconsistencies
from dbmux.config.environment import substituted
from dbmux.config.model import BackendConfig, Config, Listen
from dbmux.config.problems import model_problems
from dbmux.config.values import BACKEND_PORT, DEFAULT_PORT, read_address
from dbmux.errors import ConfigError
from dbmux.text import visible, why

FILE_NAME = "appconfig.json"
ENVIRONMENT_NAME = "DBMUX_CONFIG"
MAX_BYTES = 16 * 1024 * 1024


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
    return loads(read(path), str(path), environment)


def read(path: Path) -> str:
    """The text of a file; raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError((f"{path}: is larger than {MAX_BYTES >> 20} MB",))
        # Some editors put a byte order mark in front.
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError((f"{path}: there is no such file; `dbmux init` writes a first one",)) from None
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {why(error)}",)) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path}:{line}: is not UTF-8 text",)) from None


def loads(text: str, name: str, environment: Mapping[str, str]) -> Config:
    """Read a text; `name` stands for the file in messages. Raises ConfigError."""
    try:
        written = jsonc.parse(text)
    except jsonc.Misread as error:
        raise ConfigError((f"{name}:{error.place.line}:{error.place.column}: {error}",)) from None
    document, unset = substituted(written, environment)
    config: Config | None = None
    problems: list[jsonc.Problem] = []
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        problems += model_problems(error, document)
    problems += ((document.written(path), what) for path, what in inconsistencies(document.value))
    if config is None or problems or unset:
        # What is wrong with a variable that has no value follows from that.
        without_value = {path for path, _ in unset}
        told = [*unset, *(problem for problem in problems if not _is_within(problem[0], without_value))]
        raise ConfigError(_sentences(name, document, told))
    return config


def located(path: Path, environment: Mapping[str, str], problems: Iterable[jsonc.Problem]) -> tuple[str, ...]:
    """Sentences about what was found wrong later, with a configuration that could be read from this file."""
    try:
        document, _ = substituted(jsonc.parse(read(path)), environment)
    except (jsonc.Misread, ConfigError):
        # Changed in the meantime, or a pipe: the paths must do.
        document = jsonc.Document(None)
    return _sentences(str(path), document, problems)


def for_backend(backend: str) -> Config:
    """The configuration of `dbmux serve --backend`: one server, nothing else. Raises ConfigError."""
    try:
        address = read_address(backend, BACKEND_PORT)
    except ValueError as error:
        raise ConfigError((f"--backend: {error}",)) from None
    return Config(backends={"db": BackendConfig(address=address)})


def with_listen(config: Config, listen: str) -> Config:
    """The same configuration with one other address to listen on; raises ConfigError."""
    try:
        address = read_address(listen, DEFAULT_PORT)
    except ValueError as error:
        raise ConfigError((f"--listen: {error}",)) from None
    if len({config.group_of(old) for old in config.listen}) > 1 and config.default is None:
        raise ConfigError(("--listen cannot replace a map of several addresses; change the file",))
    return config.model_copy(update={"listen": (Listen(address=address, group=config.group_of(config.listen[0])),)})


def check_addresses(config: Config) -> None:
    """That no address clashes with another, for what the command line put together; raises ConfigError."""
    opening = [listen.address for listen in config.listen] + ([config.control] if config.control is not None else [])
    backends = [backend.address for backend in config.backends.values()]
    if problems := tuple(what for _, what in clashes([((), one) for one in opening], [((), one) for one in backends])):
        raise ConfigError(problems)


def _is_within(path: jsonc.Path, around: set[jsonc.Path]) -> bool:
    return any(path[:length] in around for length in range(len(path) + 1))


def _sentences(name: str, document: jsonc.Document, problems: Iterable[jsonc.Problem]) -> tuple[str, ...]:
    told = []
    for path, what in sorted(problems, key=lambda problem: document.place(problem[0])):
        place = document.place(path)
        dotted = ".".join(str(step) for step in path)
        told.append(visible(f"{name}:{place.line}:{place.column}: {dotted + ': ' if dotted else ''}{what}"))
    return tuple(told)
