"""Programs that stand in for servers, clients and apt: shell scripts in a folder that is all of PATH.

Nothing is fetched, nothing listens. What they were told stands in files beside them.
"""

from __future__ import annotations

from pathlib import Path

from dbmux.playground.packages import Machine

# The server "listens" by saying so, and ends by SIGTERM as `sleep` does.
SERVER = """
for word in "$@"; do case $word in
  --version) echo "{name}  Ver {version} for Linux on x86_64 ({vendor})"; exit 0;;
  --datadir=*) data=${{word#*=}};;
  --initialize-insecure) mkdir -p "$data"; exit 0;;
  --bootstrap) cat > "$data/bootstrap.sql"; exit 0;;
esac; done
echo "$@" >> "$HERE/{name}.starts"
echo "{name}: ready for connections"
exec sleep 1000
"""

FAILING_SERVER = """
for word in "$@"; do case $word in
  --version) echo "mysqld  Ver 9.1.0 for Linux on x86_64 (MySQL)"; exit 0;;
  --datadir=*) data=${word#*=};;
  --initialize-insecure) mkdir -p "$data"; exit 0;;
esac; done
for number in 1 2 3; do echo "line $number"; done
echo "[ERROR] the disk is on fire"
exit 1
"""

# Keeps what it is given to run; a line that has FAIL in it fails.
CLIENT = """
cat > "$HERE/{name}.input"
cat "$HERE/{name}.input" >> "$HERE/{name}.ran"
echo "$@" >> "$HERE/{name}.arguments"
grep -n FAIL "$HERE/{name}.input" | while IFS=: read number rest; do
  echo "ERROR 1064 (42000) at line $number: no such statement" >&2
done
! grep -q FAIL "$HERE/{name}.input"
"""

APT_GET = """
for word in "$@"; do case $word in
  indextargets) echo "http://mirror.test/{distribution} {codename} {codename}"; exit 0;;
  update) {update};;
  install|download) command=$word;;
  mysql-server-core-8.4) echo "E: Unable to locate package $word" >&2; exit 100;;
  *-core*|mariadb-server) packages="$packages $word";;
esac; done
echo "$command$packages" >> "$HERE/apt-get.log"
work=$(dirname "$APT_CONFIG")
cat "$work/sources.list" > "$HERE/sources.list"
for package in $packages; do touch "$work/cache/archives/$package.deb"; done
"""

# Unpacking any package gives a server, libraries, and a loader among the latter.
DPKG = """
[ "$1" = --print-architecture ] && echo amd64 && exit 0
libraries="$3/{libraries}/x86_64-linux-gnu"
mkdir -p "$libraries" "$3/usr/lib/x86_64-linux-gnu" "$3/usr/sbin"
printf '#!/bin/sh\\nshift 2\\nexec "$@"\\n' > "$libraries/ld-linux-x86-64.so.2"
printf '#!/bin/sh\\necho "mysqld  Ver {version} for Linux (MySQL)"\\n' > "$3/usr/sbin/mysqld"
chmod +x "$libraries/ld-linux-x86-64.so.2" "$3/usr/sbin/mysqld"
"""


def program(folder: Path, name: str, script: str) -> Path:
    """Put a program there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\nHERE={folder}\nPATH=/usr/bin:/bin\n{script}")
    path.chmod(0o755)
    return path


def mysql(folder: Path, version: str = "9.1.0") -> Path:
    """An Oracle server and its client."""
    program(folder, "mysqld", SERVER.format(name="mysqld", version=version, vendor="MySQL Community Server - GPL"))
    program(folder, "mysql", CLIENT.format(name="mysql"))
    return folder


def mariadb(folder: Path, version: str = "11.8.2") -> Path:
    """A MariaDB server in `bin` below a folder, its client, and the files beside it that make its system tables."""
    bin_folder, share = folder / "bin", folder / "share" / "mariadb"
    vendor = "mariadb.org binary distribution"
    program(bin_folder, "mariadbd", SERVER.format(name="mariadbd", version=f"{version}-MariaDB", vendor=vendor))
    program(bin_folder, "mariadb", CLIENT.format(name="mariadb"))
    (share / "charsets").mkdir(parents=True)
    for name in ("system_tables", "performance_tables", "system_tables_data", "sys_schema"):
        (share / f"mariadb_{name}.sql").write_text(f"-- {name}\n")
    for name in ("fill_help_tables", "maria_add_gis_sp_bootstrap"):
        (share / f"{name}.sql").write_text(f"-- {name}\n")
    return bin_folder


def apt(
    folder: Path, distribution: str, codename: str, version: str, *, update: str = ":", libraries: str = "usr/lib"
) -> Path:
    """A machine whose apt has a mirror of a distribution, with servers of this version."""
    program(folder, "apt-get", APT_GET.format(distribution=distribution, codename=codename, update=update))
    program(folder, "dpkg", DPKG.format(version=version, libraries=libraries))
    return folder


def machine(folder: Path, system: str = "Linux", **release: str) -> Machine:
    """A machine that has the programs of this folder and no others."""
    return Machine(system=system, release=release, path=str(folder))
