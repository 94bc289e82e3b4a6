"""Which configurations were in force, one after the other, so that a change can be looked at and taken back.

Configurations come in as they are applied, versions go out. Bounded: the oldest are forgotten, but for their numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from dbmux.config.model import Config

VERSIONS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration that was in force from `at` on; `text` is the file as it was then, None where there is none.

    `again` is the number of the version that was put in force again by this one; 0 for what the file said.
    """

    number: int
    at: float
    file: str
    config: Config
    changes: tuple[str, ...]
    text: str | None
    again: int = 0

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        return f"version {self.again} of {self.file}" if self.again else self.file

    def place(self, line: int, column: int) -> str:
        """A place in its text: who looks there in the file of now may find something else."""
        return f"{self.file}:{line}:{column}" + (f" in version {self.again}" if self.again else "")


class History:
    """All versions; the newest is in force. `problems` are those of a file that was rejected since."""

    def __init__(self, first: Config, file: str, at: float, text: str | None) -> None:
        self._versions: deque[Version] = deque(maxlen=VERSIONS_KEPT)
        self._versions.append(Version(1, at, file, first, (), text))
        self.problems: tuple[str, ...] = ()

    @property
    def now(self) -> Version:
        """The one in force."""
        return self._versions[-1]

    def __iter__(self) -> Iterator[Version]:
        return iter(self._versions)

    def find(self, number: int) -> Version | None:
        """A version that is still known."""
        return next((version for version in self._versions if version.number == number), None)

    def applied(self, config: Config, file: str, at: float, changes: tuple[str, ...], text: str | None) -> Version:
        """What a file says now is in force."""
        return self._add(Version(self.now.number + 1, at, file, config, changes, text))

    def rolled_back(self, to: Version, at: float, changes: tuple[str, ...]) -> Version:
        """An earlier one is in force again."""
        again = to.again or to.number
        return self._add(Version(self.now.number + 1, at, to.file, to.config, changes, to.text, again))

    def _add(self, version: Version) -> Version:
        self._versions.append(version)
        self.problems = ()
        return version

    def rejected(self, problems: tuple[str, ...]) -> None:
        """What was to be the next one has errors."""
        self.problems = problems
