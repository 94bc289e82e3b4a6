"""Where server programs come from: PATH, or the distribution's own packages, unpacked without root.

A wish like `mariadb:11` or `mysql` comes in; `Software`, how to run what was found, goes out. Packages are fetched by
apt from the mirror that this machine uses already and checked against the distribution's keyring; nothing outside the
cache folder is written. Raises `NoServer` with one line that says what to install.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dbmux.errors import DbMuxError

Say = Callable[[str], None]

FETCH_TIMEOUT_S = 300


class NoServer(DbMuxError):
    """No server program can be had; the message says what to install."""


class Kind(StrEnum):
    """Whose server it is."""

    MARIADB = "mariadb"
    MYSQL = "mysql"


@dataclass(frozen=True, slots=True)
class Wish:
    """A server that somebody wants: its kind and the beginning of its version, perhaps empty."""

    kind: Kind
    version: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.version}" if self.version else str(self.kind)

    def is_met_by(self, version: str) -> bool:
        """Whether a version begins as wished, number by number."""
        wanted = self.version.split(".") if self.version else []
        return version.split(".")[: len(wanted)] == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A server program: how it and its client are started; `root` None means that it finds its own files."""

    kind: Kind
    version: str
    server: tuple[str, ...]
    client: tuple[str, ...]
    root: Path | None

    @property
    def share(self) -> Path:
        """The folder of messages, character sets and system tables."""
        base = (self.root or Path("/")) / "usr" / "share"
        return base / "mysql" if self.kind is Kind.MYSQL or not (base / "mariadb").is_dir() else base / "mariadb"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a distribution has a server: suite and packages; `extra` ones come without what they depend on."""

    suite: str
    packages: tuple[str, ...]
    extra: tuple[str, ...] = ()


# The suites whose servers are not those of the machine's own release; "" is that release.
_DEBIAN: dict[tuple[Kind, str], Source] = {
    (Kind.MARIADB, "10.11"): Source("bookworm", ("mariadb-server-core", "mariadb-client-core"), ("mariadb-server",)),
    (Kind.MARIADB, "11"): Source("trixie", ("mariadb-server-core", "mariadb-client-core"), ("mariadb-server",)),
    (Kind.MARIADB, ""): Source("", ("mariadb-server-core", "mariadb-client-core"), ("mariadb-server",)),
    (Kind.MYSQL, "9"): Source("sid", ("mysql-server-core", "mysql-client-core")),
    (Kind.MYSQL, ""): Source("sid", ("mysql-server-core", "mysql-client-core")),
}
_UBUNTU: dict[tuple[Kind, str], tuple[Source, ...]] = {
    (Kind.MARIADB, ""): (Source("", ("mariadb-server-core", "mariadb-client-core"), ("mariadb-server",)),),
    (Kind.MYSQL, ""): tuple(
        Source("", (f"mysql-server-core{suffix}", f"mysql-client-core{suffix}")) for suffix in ("-8.4", "-8.0", "")
    ),
}


def parse_wish(text: str) -> Wish:
    """Read `mariadb`, `mariadb:10.11`, `mysql:9`; raises ValueError."""
    name, _, version = text.partition(":")
    if name not in tuple(Kind) or (version and not re.fullmatch(r"\d+(\.\d+)*", version)):
        raise ValueError(f"{text!r} is not a server; write mariadb, mysql, mariadb:10.11 or mysql:9")
    return Wish(Kind(name), version)


def find(wish: Wish, cache: Path, say: Say) -> Software:
    """Have the wished server: from PATH, from the cache, or by fetching it."""
    if (installed := _on_path(wish)) is not None:
        return installed
    name = str(wish).replace(":", "-")
    folder = cache / name
    with _only_one(cache / f"{name}.lock"):
        if not folder.is_dir():
            say(f"fetching {wish} from this machine's package mirror (unpacked, not installed)")
            _fetch(wish, folder)
    return _unpacked(wish, folder)


def _on_path(wish: Wish) -> Software | None:
    for program in ("mariadbd", "mysqld"):
        path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if path is None:
            continue
        kind, version = _ask_version((path,))
        client = shutil.which("mariadb" if kind is Kind.MARIADB else "mysql")
        if kind is wish.kind and wish.is_met_by(version) and client is not None:
            return Software(kind=kind, version=version, server=(path,), client=(client,), root=None)
    return None


def _unpacked(wish: Wish, folder: Path) -> Software:
    libraries = next(folder.glob("usr/lib/*-linux-gnu*"), folder / "usr/lib")
    loaders = [
        *libraries.glob("ld-linux*.so*"),
        *folder.glob("usr/lib64/ld-linux*.so*"),
        *folder.glob("lib*/ld-linux*.so*"),
    ]
    if not loaders:
        raise NoServer(f"{folder} is incomplete; remove it and try again")
    run = (str(loaders[0]), "--library-path", str(libraries))
    names = ("mariadbd", "mariadb") if wish.kind is Kind.MARIADB else ("mysqld", "mysql")
    server = (*run, str(folder / "usr/sbin" / names[0]))
    client = (*run, str(folder / "usr/bin" / names[1]))
    return Software(kind=wish.kind, version=_ask_version(server)[1], server=server, client=client, root=folder)


def _ask_version(server: tuple[str, ...]) -> tuple[Kind, str]:
    told = subprocess.run([*server, "--no-defaults", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Ver (\d+(?:\.\d+)*)", told)
    kind = Kind.MARIADB if "MariaDB" in told else Kind.MYSQL
    return kind, found[1] if found else ""


def _fetch(wish: Wish, folder: Path) -> None:
    release = _release()
    distribution = release.get("ID", "")
    if shutil.which("apt-get") is None or distribution not in ("debian", "ubuntu"):
        raise NoServer(
            f"no {wish} server is on PATH; install it with your system's packages (or Homebrew), and try again"
        )
    problems = []
    for source in _sources(wish, distribution):
        try:
            _Apt(folder, source, release).fetch()
            return
        except subprocess.SubprocessError as error:
            problems.append(_last_line(error))
    detail = f" ({problems[0]})" if problems else ""
    raise NoServer(
        f"{wish} cannot be fetched on this {distribution}{detail}; install a server that is {wish}, and try again"
    )


def _sources(wish: Wish, distribution: str) -> tuple[Source, ...]:
    if distribution == "debian":
        found = _DEBIAN.get((wish.kind, wish.version))
        return (found,) if found else ()
    return _UBUNTU[wish.kind, ""]


class _Apt:
    """apt with all its folders below one of ours, as if on an empty machine."""

    def __init__(self, folder: Path, source: Source, release: dict[str, str]) -> None:
        self._folder = folder
        self._source = source
        self._release = release
        self._work = folder.with_name(f"{folder.name}.apt")

    def fetch(self) -> None:
        """Fetch and unpack; an interrupted fetch leaves nothing that looks whole."""
        fresh = self._folder.with_name(f"{self._folder.name}.new")
        for old in (self._work, fresh):
            shutil.rmtree(old, ignore_errors=True)
        try:
            self._configure()
            self._run("apt-get", "-qq", "update", "--error-on=any")
            self._run("apt-get", "-qq", "-y", "-d", "--no-install-recommends", "install", *self._source.packages)
            archives = self._work / "cache" / "archives"
            for package in self._source.extra:
                self._run("apt-get", "-qq", "download", package, cwd=archives)
            fresh.mkdir(parents=True)
            for archive in sorted(archives.glob("*.deb")):
                self._run("dpkg", "-x", str(archive), str(fresh))
            fresh.rename(self._folder)
        finally:
            for old in (self._work, fresh):
                shutil.rmtree(old, ignore_errors=True)

    def _configure(self) -> None:
        work = self._work
        for part in ("lists/partial", "cache/archives/partial", "state", "parts", "preferences"):
            (work / part).mkdir(parents=True)
        keyring = f"/usr/share/keyrings/{self._release['ID']}-archive-keyring.gpg"
        own = self._release.get("VERSION_CODENAME", "")
        suite, mirror = self._source.suite or own, _mirror(own)
        components = "main" if self._release["ID"] == "debian" else "main universe"
        suites = [suite] if self._release["ID"] == "debian" else [suite, f"{suite}-updates", f"{suite}-security"]
        lines = [f"deb [signed-by={keyring}] {mirror} {name} {components}\n" for name in suites]
        (work / "sources.list").write_text("".join(lines))
        architecture = self._run("dpkg", "--print-architecture").strip()
        # perl is wanted by maintenance scripts only, which are never run.
        (work / "status").write_text(
            f"Package: perl\nStatus: install ok installed\nArchitecture: {architecture}\nMulti-Arch: allowed\n"
            "Version: 99\nMaintainer: none\nDescription: stand-in\n\n"
        )
        settings = {
            "Dir::Etc::sourcelist": work / "sources.list",
            "Dir::Etc::sourceparts": work / "parts",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": work / "preferences",
            "Dir::State": work / "state",
            "Dir::State::Lists": work / "lists",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "APT::Sandbox::User": "",
            "APT::Architecture": architecture,
        }
        (work / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        environment = os.environ | {"APT_CONFIG": str(self._work / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=FETCH_TIMEOUT_S
        )
        return done.stdout


def _mirror(codename: str) -> str:
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        address, _, release = line.partition(" ")
        if release == codename:
            return address
    raise NoServer("this machine's apt knows no mirror of its own release; run `apt-get update` as root once")


def _release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _last_line(error: subprocess.SubprocessError) -> str:
    told = getattr(error, "stderr", None) or str(error)
    return (str(told).strip().splitlines() or ["no reason given"])[-1]


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
