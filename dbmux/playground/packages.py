"""Where server programs come from: PATH, or the distribution's own packages, unpacked without root.

A wish like `mariadb:11` or `mysql` comes in; `Software`, how to run what was found, goes out. Packages are fetched by
apt from the mirror that this machine uses already and checked against the distribution's keyring; nothing outside the
cache folder is written. Raises `NoServer` with one line that says what to install.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.text import why

Say = Callable[[str], None]

# Some 100 MB, on a slow line.
FETCH_TIMEOUT_S = 1200

# Where distributions keep servers that are not meant to be started by hand.
_OUTSIDE_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")


class NoServer(DbMuxError):
    """No server program can be had; the message says what to install."""


class NoPlace(DbMuxError):
    """A folder of the user's, where servers and their data are kept, cannot be made or written."""


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

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"

    @property
    def series(self) -> str:
        """The first two numbers of the version: within a series a server takes the data of any other."""
        return ".".join(self.version.split(".")[:2])

    @property
    def share(self) -> Path:
        """The folder of messages, character sets and system tables."""
        usr = self.root / "usr" if self.root is not None else Path(self.server[0]).resolve().parent.parent
        own = usr / "share" / self.kind
        return own if (own / "charsets").is_dir() else usr / "share" / "mysql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine tells of itself: its system, its os-release (empty where it has none), and where programs are."""

    system: str
    release: Mapping[str, str]
    path: str

    @property
    def distribution(self) -> str:
        """Such as `debian`; nothing where it is unknown."""
        return self.release.get("ID", "")

    def program(self, name: str) -> str | None:
        """The path of a program."""
        return shutil.which(name, path=self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a distribution has a server.

    `suite` is empty for the machine's own release; `choices` are sets of packages, the first that there is counts;
    `extra` ones come without what they depend on.
    """

    suite: str
    choices: tuple[tuple[str, ...], ...]
    extra: tuple[str, ...] = ()


def _mariadb(suite: str) -> Source:
    return Source(suite=suite, choices=(("mariadb-server-core", "mariadb-client-core"),), extra=("mariadb-server",))


_DEBIAN_MYSQL = Source(suite="sid", choices=(("mysql-server-core", "mysql-client-core"),))
_UBUNTU_MYSQL = Source(
    suite="",
    choices=tuple((f"mysql-server-core{version}", f"mysql-client-core{version}") for version in ("-8.4", "-8.0", "")),
)

# By distribution; Ubuntu has one version of each in a release, whatever was wished.
_SOURCES: dict[str, dict[str, Source]] = {
    "debian": {
        "mariadb": _mariadb(""),
        "mariadb:10.11": _mariadb("bookworm"),
        "mariadb:11": _mariadb("trixie"),
        "mysql": _DEBIAN_MYSQL,
        "mysql:9": _DEBIAN_MYSQL,
    },
    "ubuntu": {"mariadb": _mariadb(""), "mysql": _UBUNTU_MYSQL},
}

# How people install a server where nothing can be fetched, by ID and ID_LIKE of os-release.
_ADVICE: dict[str, dict[Kind, str]] = {
    "Darwin": {Kind.MARIADB: "brew install mariadb", Kind.MYSQL: "brew install mysql"},
    "fedora": {Kind.MARIADB: "dnf install mariadb-server", Kind.MYSQL: "dnf install mysql-server"},
    "suse": {Kind.MARIADB: "zypper install mariadb"},
    "arch": {Kind.MARIADB: "pacman -S mariadb"},
    "ubuntu": {Kind.MARIADB: "apt install mariadb-server", Kind.MYSQL: "apt install mysql-server"},
    "debian": {Kind.MARIADB: "apt install mariadb-server"},
}


def parse_wish(text: str) -> Wish:
    """Read `mariadb`, `mariadb:10.11`, `mysql:9`; raises ValueError."""
    name, _, version = text.partition(":")
    if name not in tuple(Kind) or (":" in text and not re.fullmatch(r"[0-9]+(\.[0-9]+)*", version)):
        raise ValueError(f"{text!r} is not a server; write mariadb, mysql, mariadb:10.11 or mysql:9")
    return Wish(Kind(name), version)


def this_machine() -> Machine:
    """The machine that this runs on."""
    try:
        release: Mapping[str, str] = platform.freedesktop_os_release()
    except OSError:
        release = {}
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_OUTSIDE_PATH))
    return Machine(system=platform.system(), release=release, path=path)


def find(wish: Wish, cache: Path, say: Say, machine: Machine | None = None) -> Software:
    """Have the wished server: from PATH, from the cache, or by fetching it; `machine` None means this one."""
    machine = machine or this_machine()
    if (installed := _on_path(wish, machine)) is not None:
        return installed
    name = str(wish).replace(":", "-")
    folder = cache / name
    with only_one(cache / f"{name}.lock"):
        if not folder.is_dir():
            _fetch(wish, folder, say, machine)
        found = _unpacked(wish, folder)
    if not wish.is_met_by(found.version):
        say(f"this release has {found}: taken for {wish}")
    return found


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Wait until no other process, and no other thread, is inside with the same file; raises NoPlace."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        opened = lock.open("w")
    except OSError as error:
        raise NoPlace(
            f"nothing can be kept in {lock.parent} ({why(error)}); name folders that can be written, in XDG_DATA_HOME"
            " and XDG_CACHE_HOME"
        ) from error
    with opened as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _on_path(wish: Wish, machine: Machine) -> Software | None:
    for program in ("mariadbd", "mysqld"):
        path = machine.program(program)
        if path is None:
            continue
        kind, version = _ask_version((path,))
        client = machine.program(str(kind))
        if kind is wish.kind and wish.is_met_by(version) and client is not None:
            return Software(kind=kind, version=version, server=(path,), client=(client,), root=None)
    return None


def _unpacked(wish: Wish, folder: Path) -> Software:
    # Since Debian 13 all libraries are below usr; before that, those of the base system are not.
    libraries = [*folder.glob("usr/lib/*-linux-gnu*"), *folder.glob("lib/*-linux-gnu*")]
    # The packages' own loader: a link to the machine's would bring another libc.
    candidates = [path for found in libraries for path in found.glob("ld-linux*.so*")]
    loaders = [path for path in candidates if path.resolve().is_relative_to(folder.resolve())]
    if not loaders:
        raise NoServer(f"{folder} is incomplete; remove it and try again")
    run = (str(loaders[0]), "--library-path", ":".join(map(str, libraries)))
    names = ("mariadbd", "mariadb") if wish.kind is Kind.MARIADB else ("mysqld", "mysql")
    server = (*run, str(folder / "usr/sbin" / names[0]))
    client = (*run, str(folder / "usr/bin" / names[1]))
    return Software(kind=wish.kind, version=_ask_version(server)[1], server=server, client=client, root=folder)


def _ask_version(server: tuple[str, ...]) -> tuple[Kind, str]:
    told = subprocess.run([*server, "--no-defaults", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Ver (\d+(?:\.\d+)*)", told)
    kind = Kind.MARIADB if "MariaDB" in told else Kind.MYSQL
    return kind, found[1] if found else ""


def _fetch(wish: Wish, folder: Path, say: Say, machine: Machine) -> None:
    known = _SOURCES.get(machine.distribution)
    if known is None or machine.program("apt-get") is None:
        raise NoServer(f"no {wish} server is on PATH; {_advice(wish, machine)}, and try again")
    source = known.get(str(wish))
    if source is None and machine.distribution == "ubuntu":
        source = known[wish.kind]
    if source is None:
        raise NoServer(
            f"there is no {wish} among {machine.distribution.capitalize()}'s packages, only {', '.join(known)}; "
            "choose one of these, or put another server on PATH"
        )
    say(f"fetching {wish} from this machine's package mirror (unpacked, not installed)")
    try:
        _Apt(folder, source, machine).fetch()
    except subprocess.SubprocessError as error:
        raise NoServer(
            f"{wish} cannot be fetched ({_reason(error)}); mend that, or {_advice(wish, machine)}, and try again"
        ) from error


def _advice(wish: Wish, machine: Machine) -> str:
    release = machine.release
    for family in (machine.system, release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if command := _ADVICE.get(family, {}).get(wish.kind):
            return f"install it ({command})"
    return "install it with your system's packages"


class _Apt:
    """apt with all its folders below one of ours, as if on an empty machine."""

    def __init__(self, folder: Path, source: Source, machine: Machine) -> None:
        self._folder = folder
        self._source = source
        self._machine = machine
        self._work = folder.with_name(f"{folder.name}.apt")

    def fetch(self) -> None:
        """Fetch and unpack; an interrupted fetch leaves nothing that looks whole."""
        fresh = self._folder.with_name(f"{self._folder.name}.new")
        for old in (self._work, fresh):
            shutil.rmtree(old, ignore_errors=True)
        try:
            self._configure()
            self._run("apt-get", "-qq", "update", "--error-on=any")
            self._download()
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

    def _download(self) -> None:
        *others, last = self._source.choices
        for packages in others:
            with contextlib.suppress(subprocess.CalledProcessError):
                return self._install(packages)
        return self._install(last)

    def _install(self, packages: tuple[str, ...]) -> None:
        self._run("apt-get", "-qq", "-y", "-d", "--no-install-recommends", "install", *packages)

    def _configure(self) -> None:
        work, distribution = self._work, self._machine.distribution
        for part in ("lists/partial", "cache/archives/partial", "state", "parts", "preferences"):
            (work / part).mkdir(parents=True)
        keyring = f"/usr/share/keyrings/{distribution}-archive-keyring.gpg"
        own = self._machine.release.get("VERSION_CODENAME", "")
        suite, mirror = self._source.suite or own, self._mirror(own)
        components = "main" if distribution == "debian" else "main universe"
        suites = [suite] if distribution == "debian" else [suite, f"{suite}-updates", f"{suite}-security"]
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

    def _mirror(self, own: str) -> str:
        # Asked of the machine's own apt, not of ours.
        told = subprocess.run(
            ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(CODENAME)", "Created-By: Packages"),
            env=os.environ | {"PATH": self._machine.path},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for line in told.splitlines():
            address, _, names = line.partition(" ")
            if own in names.split():
                return address
        raise NoServer("this machine's apt knows no mirror of its own release; run `apt-get update` as root once")

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        environment = os.environ | {
            "APT_CONFIG": str(self._work / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
            "PATH": self._machine.path,
        }
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=FETCH_TIMEOUT_S
        )
        return done.stdout


def _reason(error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {FETCH_TIMEOUT_S // 60} minutes"
    # apt's first complaint names the cause, the last one only the consequence.
    lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
    return next((line.removeprefix("E: ") for line in lines if line.startswith("E: ")), lines[-1])
