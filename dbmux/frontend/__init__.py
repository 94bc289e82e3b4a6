"""Clients: listeners, logins and sessions."""
