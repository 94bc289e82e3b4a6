"""Bringing the data of one server to another, and proving that both have the same."""
