"""Coming from ProxySQL: its configuration read, and carried over as far as it goes."""
