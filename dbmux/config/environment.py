"""`${NAME}` and `${NAME:-default}` in keys and strings, from the environment.

A document and an environment come in; the document with every variable replaced goes out, places included, and a
problem for each that has no value. A default holds, as in a shell, where the variable is unset or empty. What a
variable holds is not looked at again. Numbers are written the same way, in quotes: `"${PORT:-3306}"`. `$${` stands for
`${` itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbmux.config.jsonc import Document, Path, Place, Problem, Value

_LITERAL = "$${"
_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


def substituted(document: Document, environment: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """The document with its variables replaced, and what stood in the way."""
    substitution = _Substitution(document, environment)
    value = substitution.replace(document.value, (), ())
    return Document(value, substitution.places), substitution.problems


def literally(text: str) -> str:
    """How a configuration writes a text that has no variables, whatever it looks like."""
    return text.replace("${", _LITERAL)


class _Substitution:
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def replace(self, value: Value, written: Path, path: Path) -> Value:
        """`written` is where the value stands in the file, `path` the same with the variables of keys replaced."""
        self.places[path] = self._document.place(written)
        match value:
            case dict():
                return self._object(value, written, path)
            case list():
                return [self.replace(item, (*written, at), (*path, at)) for at, item in enumerate(value)]
            case str():
                return self._expand(value, path)
            case _:
                return value

    def _object(self, members: dict[str, Value], written: Path, path: Path) -> Value:
        replaced: dict[str, Value] = {}
        for key, item in members.items():
            self.places[(*path, key)] = self._document.place((*written, key))
            name = self._expand(key, (*path, key))
            if name in replaced:
                self.problems.append(((*path, key), f"{name!r} is here for the second time"))
            replaced[name] = self.replace(item, (*written, key), (*path, name))
        return replaced

    def _expand(self, text: str, path: Path) -> str:
        def look_up(match: re.Match[str]) -> str:
            if match[0] == _LITERAL:
                return "${"
            name, default = match[1], match[2]
            if name is None:
                self.problems.append((path, 'write ${NAME} or ${NAME:-default}; "${" itself is written $${'))
                return match[0]
            found = self._environment.get(name)
            if not found and default is not None:
                return str(default)
            if found is None:
                what = f"the environment has no {name}; set it, or write ${{{name}:-default}}"
                self.problems.append((path, what))
                return match[0]
            if not found.isascii() and any("\ud800" <= character <= "\udfff" for character in found):
                self.problems.append((path, f"{name} of the environment is not UTF-8 text"))
            return found

        return _VARIABLE.sub(look_up, text)
