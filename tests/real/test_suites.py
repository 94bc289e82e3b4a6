"""The test suites of other projects pass through DbMux exactly as they pass at the server itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.real.conftest import SIMPLE_ACCOUNT, SIMPLE_PASSWORD, Server

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
# It hopes that two threads meet at the right moment, and fails now and then at the server itself.
RACY = "test_connection.py::test_result_concurrent_use_raises"


@pytest.fixture
def account(server: Server) -> str:
    """An account whose password needs no quoting in files and addresses."""
    server.node.run(
        f"CREATE USER IF NOT EXISTS {SIMPLE_ACCOUNT} IDENTIFIED BY '{SIMPLE_PASSWORD}'; "
        f"GRANT ALL ON *.* TO {SIMPLE_ACCOUNT}; CREATE DATABASE IF NOT EXISTS test_schema; SET GLOBAL local_infile = 1"
    )
    return SIMPLE_ACCOUNT


def outcomes(folder: Path, *arguments: str, **environment: str) -> dict[str, str]:
    """Run pytest in a folder; what became of each test."""
    line = (sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider", "--tb=no", *arguments)
    done = subprocess.run(
        line, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=500
    )
    # Server versions stand in some names and addresses, never in what is compared.
    return {name: word for word, name in re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)}


def test_sqlalchemys_dialect_suite(server: Server, account: str, tmp_path: Path) -> None:
    if server.name == "mariadb:11":
        pytest.skip("one MariaDB is enough: the suite is about the dialect")
    (tmp_path / "conftest.py").write_text("from sqlalchemy.testing.plugin.pytestplugin import *\n")
    (tmp_path / "test_suite.py").write_text("from sqlalchemy.testing.suite import *\n")
    (tmp_path / "wants.py").write_text(
        "from sqlalchemy.testing.requirements import SuiteRequirements\nclass Wants(SuiteRequirements): pass\n"
    )
    (tmp_path / "setup.cfg").write_text("[sqla_testing]\nrequirement_cls=wants:Wants\nprofile_file=profiles.txt\n")

    told = []
    for port in (server.port, server.ports["users"]):
        address = f"mysql+pymysql://{account}:{SIMPLE_PASSWORD}@127.0.0.1:{port}/test?charset=utf8mb4"
        told.append(outcomes(tmp_path, "-p", "no:timeout", "--dburi", address, "--maxfail=10000", PYTHONPATH="."))

    direct, through = told
    assert list(direct.values()).count("PASSED") > 700
    assert through == direct


def test_mysqlclients_own_tests(server: Server, account: str, tmp_path: Path) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("MySQLdb")
    pinned = (ROOT / "requirements-mysqlclient.txt").read_text().split()[0]
    line = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:")
    fetched = subprocess.run([*line, pinned, "-d", str(tmp_path)], capture_output=True, text=True, check=False)
    archives = list(tmp_path.glob("*.tar.gz"))
    if not archives and not os.environ.get("CI"):
        pytest.skip(f"the source of mysqlclient cannot be fetched: {fetched.stderr[-200:]}")
    with tarfile.open(archives[0]) as archive:
        # Pythons of before the summer of 2023 have no filters yet.
        if hasattr(tarfile, "data_filter"):
            archive.extractall(tmp_path, filter="data")
        else:
            archive.extractall(tmp_path)
    tests = next(tmp_path.glob("mysqlclient-*/tests"))

    told = []
    for port in (server.port, server.ports["users"]):
        (tests / "default.cnf").write_text(
            f"[MySQLdb-tests]\nhost = 127.0.0.1\nport = {port}\nuser = {account}\npassword = {SIMPLE_PASSWORD}\n"
            "database = test\ndefault-character-set = utf8mb4\n"
        )
        told.append(outcomes(tests, TESTDB="default.cnf"))

    direct, through = told
    assert direct.pop(RACY)
    assert through.pop(RACY)
    assert list(direct.values()).count("PASSED") > 100
    assert through == direct
