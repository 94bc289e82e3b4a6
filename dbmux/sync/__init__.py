"""Rows of one server on another."""
