"""Ports for tests with real servers: who has stopped a server finds its port free when it starts again."""

from __future__ import annotations

import subprocess
import sys

from tests.real.ports import PORTS_EACH, free_ports


def test_no_port_is_given_twice_and_what_is_given_in_another_process_is_of_another_range() -> None:
    line = (sys.executable, "-c", "from tests.real.ports import free_ports; print(*free_ports(20))")

    own = {*free_ports(10), *free_ports(10)}
    others = {int(port) for port in subprocess.run(line, capture_output=True, check=True).stdout.split()}

    assert len(own) == len(others) == 20
    assert min(abs(port - other) for port in own for other in others) > PORTS_EACH / 2
