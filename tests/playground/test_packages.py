"""A server comes from PATH, else from the distribution's packages, else one line says what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmux.playground.packages import Kind, NoServer, Wish, find, parse_wish, this_machine
from tests.playground import programs

DEBIAN = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
UBUNTU = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_CODENAME": "noble"}


class TestWish:
    @pytest.mark.parametrize(
        "text, wish",
        [
            ("mariadb", Wish(Kind.MARIADB, "")),
            ("mysql", Wish(Kind.MYSQL, "")),
            ("mariadb:10.11", Wish(Kind.MARIADB, "10.11")),
            ("mysql:9", Wish(Kind.MYSQL, "9")),
        ],
    )
    def test_what_people_write_is_understood_and_written_the_same(self, text: str, wish: Wish) -> None:
        assert parse_wish(text) == wish
        assert str(wish) == text

    @pytest.mark.parametrize(
        "text", ["", "postgres", "mysql:", "mysql:9.", "mysql:nine", "mysql:9:1", "MySQL", "../x", "mysql:²"]
    )
    def test_what_is_no_server_is_told_what_would_be_one(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a server; write mariadb, mysql, mariadb:10.11 or mysql:9"):
            parse_wish(text)

    @pytest.mark.parametrize(
        "wish, version, is_met",
        [
            ("mariadb", "10.11.6", True),
            ("mariadb:10.11", "10.11.6", True),
            ("mariadb:10.1", "10.11.6", False),
            ("mysql:9", "9.1.0", True),
            ("mysql:9.1.0.1", "9.1.0", False),
            ("mysql:8", "9.1.0", False),
        ],
    )
    def test_a_version_meets_a_wish_number_by_number(self, wish: str, version: str, is_met: bool) -> None:
        assert parse_wish(wish).is_met_by(version) is is_met


class TestFromPath:
    def test_a_server_with_its_client_is_taken_as_it_is(self, tmp_path: Path) -> None:
        folder = programs.mysql(tmp_path / "bin", "9.1.0")

        found = find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(folder))

        assert (str(found), found.series, found.root) == ("mysql 9.1.0", "9.1", None)
        assert (found.server, found.client) == ((f"{folder}/mysqld",), (f"{folder}/mysql",))

    def test_a_server_finds_its_files_beside_its_program(self, tmp_path: Path) -> None:
        folder = programs.mariadb(tmp_path / "opt" / "mariadb", "10.11.6")

        found = find(parse_wish("mariadb"), tmp_path / "cache", print, programs.machine(folder))

        assert found.share == tmp_path / "opt" / "mariadb" / "share" / "mariadb"

    @pytest.mark.parametrize("wish", ["mysql:8", "mariadb"], ids=["version", "kind"])
    def test_a_server_of_another_kind_or_version_is_not_taken(self, tmp_path: Path, wish: str) -> None:
        folder = programs.mysql(tmp_path / "bin", "9.1.0")

        with pytest.raises(NoServer, match=f"no {wish} server is on PATH"):
            find(parse_wish(wish), tmp_path / "cache", print, programs.machine(folder))

    def test_a_mysqld_that_is_mariadbs_is_taken_as_what_it_is(self, tmp_path: Path) -> None:
        folder = programs.mariadb(tmp_path, "10.11.6")
        (folder / "mariadbd").rename(folder / "mysqld")

        found = find(parse_wish("mariadb"), tmp_path / "cache", print, programs.machine(folder))

        assert found.kind is Kind.MARIADB

    def test_this_machine_is_looked_at_beyond_path(self) -> None:
        assert this_machine().path.endswith("/usr/sbin:/usr/local/sbin:/usr/libexec")


class TestAdvice:
    @pytest.mark.parametrize(
        "wish, system, release, advice",
        [
            ("mysql:9", "Darwin", {}, "install it (brew install mysql)"),
            ("mariadb", "Darwin", {}, "install it (brew install mariadb)"),
            ("mariadb", "Linux", {"ID": "fedora"}, "install it (dnf install mariadb-server)"),
            ("mysql", "Linux", {"ID": "rocky", "ID_LIKE": "rhel fedora"}, "install it (dnf install mysql-server)"),
            ("mariadb:11", "Linux", {"ID": "arch"}, "install it (pacman -S mariadb)"),
            ("mysql", "Linux", {"ID": "arch"}, "install it with your system's packages"),
            ("mysql", "Linux", {"ID": "mint", "ID_LIKE": "ubuntu debian"}, "install it (apt install mysql-server)"),
            ("mysql", "Linux", {}, "install it with your system's packages"),
        ],
    )  # fmt: skip
    def test_where_nothing_can_be_fetched_one_line_says_what_to_install(
        self, tmp_path: Path, wish: str, system: str, release: dict[str, str], advice: str
    ) -> None:
        with pytest.raises(NoServer) as raised:
            find(parse_wish(wish), tmp_path / "cache", print, programs.machine(tmp_path, system, **release))

        assert str(raised.value) == f"no {wish} server is on PATH; {advice}, and try again"

    def test_a_version_that_debian_does_not_have_is_told_those_that_it_has(self, tmp_path: Path) -> None:
        folder = programs.apt(tmp_path / "bin", "debian", "bookworm", "9.1.0")

        with pytest.raises(NoServer) as raised:
            find(parse_wish("mariadb:12"), tmp_path / "cache", print, programs.machine(folder, **DEBIAN))

        assert str(raised.value) == (
            "there is no mariadb:12 among Debian's packages, only mariadb, mariadb:10.11, mariadb:11, mysql, mysql:9; "
            "choose one of these, or put another server on PATH"
        )


class TestFromPackages:
    def test_debian_gives_a_server_from_the_suite_that_has_it(self, tmp_path: Path) -> None:
        folder = programs.apt(tmp_path / "bin", "debian", "bookworm", "9.1.0")
        said: list[str] = []

        found = find(parse_wish("mysql:9"), tmp_path / "cache", said.append, programs.machine(folder, **DEBIAN))

        root = tmp_path / "cache" / "mysql-9"
        assert (str(found), found.root) == ("mysql 9.1.0", root)
        assert found.server[-1] == str(root / "usr/sbin/mysqld")
        assert said == ["fetching mysql:9 from this machine's package mirror (unpacked, not installed)"]
        assert (folder / "sources.list").read_text() == (
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian sid main\n"
        )

    @pytest.mark.parametrize("libraries", ["lib", "usr/lib"], ids=["Debian 12", "Debian 13"])
    def test_a_server_runs_with_the_libraries_that_came_with_it(self, tmp_path: Path, libraries: str) -> None:
        folder = programs.apt(tmp_path / "bin", "debian", "bookworm", "9.1.0", libraries=libraries)

        found = find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(folder, **DEBIAN))

        root = tmp_path / "cache" / "mysql-9"
        assert found.server[0] == str(root / libraries / "x86_64-linux-gnu" / "ld-linux-x86-64.so.2")
        assert str(root / libraries / "x86_64-linux-gnu") in found.server[2].split(":")

    def test_the_loader_of_the_machine_itself_is_not_taken_for_the_servers(self, tmp_path: Path) -> None:
        folder = tmp_path / "cache" / "mysql-9" / "lib" / "x86_64-linux-gnu"
        folder.mkdir(parents=True)
        (folder / "ld-linux-x86-64.so.2").symlink_to("/bin/sh")

        with pytest.raises(NoServer, match="is incomplete"):
            find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(tmp_path, **DEBIAN))

    def test_what_was_fetched_is_kept(self, tmp_path: Path) -> None:
        folder = programs.apt(tmp_path / "bin", "debian", "bookworm", "9.1.0")
        machine = programs.machine(folder, **DEBIAN)
        first = find(parse_wish("mysql:9"), tmp_path / "cache", print, machine)
        (folder / "apt-get").unlink()

        assert find(parse_wish("mysql:9"), tmp_path / "cache", print, machine) == first
        assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["mysql-9", "mysql-9.lock"]

    def test_ubuntu_gives_what_its_release_has_and_says_so(self, tmp_path: Path) -> None:
        folder = programs.apt(tmp_path / "bin", "ubuntu", "noble", "8.0.41")
        said: list[str] = []

        found = find(parse_wish("mysql:9"), tmp_path / "cache", said.append, programs.machine(folder, **UBUNTU))

        assert str(found) == "mysql 8.0.41"
        assert said[1:] == ["this release has mysql 8.0.41: taken for mysql:9"]
        assert (folder / "apt-get.log").read_text().split("\n")[-2] == (
            "install mysql-server-core-8.0 mysql-client-core-8.0"
        )
        assert [line.split()[3] for line in (folder / "sources.list").read_text().splitlines()] == [
            "noble",
            "noble-updates",
            "noble-security",
        ]

    def test_a_mirror_that_cannot_be_reached_is_told_with_apts_reason(self, tmp_path: Path) -> None:
        update = 'echo "E: Failed to fetch http://mirror.test: no route" >&2; echo "E: Some failed" >&2; exit 100'
        folder = programs.apt(tmp_path / "bin", "debian", "bookworm", "9.1.0", update=update)

        with pytest.raises(NoServer) as raised:
            find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(folder, **DEBIAN))

        assert str(raised.value) == (
            "mysql:9 cannot be fetched (Failed to fetch http://mirror.test: no route); "
            "mend that, or install it with your system's packages, and try again"
        )
        assert [path.name for path in (tmp_path / "cache").iterdir()] == ["mysql-9.lock"]

    def test_an_apt_without_a_mirror_is_told_to_be_updated(self, tmp_path: Path) -> None:
        folder = programs.apt(tmp_path / "bin", "debian", "another", "9.1.0")

        with pytest.raises(NoServer, match="knows no mirror of its own release; run `apt-get update` as root once"):
            find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(folder, **DEBIAN))

    def test_a_folder_that_is_incomplete_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "cache" / "mysql-9").mkdir(parents=True)

        with pytest.raises(NoServer, match="mysql-9 is incomplete; remove it and try again"):
            find(parse_wish("mysql:9"), tmp_path / "cache", print, programs.machine(tmp_path, **DEBIAN))
