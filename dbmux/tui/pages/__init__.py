"""The nine pages, one a module."""
