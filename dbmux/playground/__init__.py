"""Real MySQL and MariaDB servers on this machine, without root, for trying things out and for the tests."""
