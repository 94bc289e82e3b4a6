"""The store as it was built, compiled where there is a compiler, and the same source interpreted."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import dbmux.cache.store as built

FOLDER = Path(built.__file__).parent
MODULES = ("tables", "eviction", "store")


def _form(*modules: ModuleType) -> SimpleNamespace:
    names: dict[str, object] = {}
    for module in modules:
        names |= vars(module)
    return SimpleNamespace(**names)


def _as_built() -> SimpleNamespace:
    return _form(*(importlib.import_module(f"dbmux.cache.{name}") for name in MODULES))


def _interpreted() -> SimpleNamespace:
    """From the sources, as where there is no Cython; each finds the others by their names as long as this takes."""
    before = {name: sys.modules.get(name) for name in (*(f"dbmux.cache.{name}" for name in MODULES), "cython")}
    # None stands for a module that is not there.
    sys.modules["cython"] = None  # type: ignore[assignment]
    try:
        return _form(*(_load(name) for name in MODULES))
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dbmux.cache.{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


AS_BUILT = _as_built()
INTERPRETED = _interpreted()
