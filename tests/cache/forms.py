"""The store in both of its forms."""

from __future__ import annotations

from tests.forms import as_built, interpreted

_MODULES = ("tables", "eviction", "store")
AS_BUILT = as_built("dbmux.cache", *_MODULES)
INTERPRETED = interpreted("dbmux.cache", *_MODULES)
