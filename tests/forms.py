"""Compiled modules as they were built, where there is a compiler, and the same sources interpreted."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType, SimpleNamespace


def as_built(package: str, *names: str) -> SimpleNamespace:
    """All that these modules of a package define, under one roof."""
    return _under_one_roof([importlib.import_module(f"{package}.{name}") for name in names])


def interpreted(package: str, *names: str) -> SimpleNamespace:
    """The same from the sources, as where there is no Cython; each finds the others, which must be named before it, by
    their names as long as this takes."""
    before = {name: sys.modules.get(name) for name in (*(f"{package}.{name}" for name in names), "cython")}
    # None stands for a module that is not there.
    sys.modules["cython"] = None  # type: ignore[assignment]
    try:
        return _under_one_roof([_load(package, name) for name in names])
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _under_one_roof(modules: list[ModuleType]) -> SimpleNamespace:
    names: dict[str, object] = {}
    for module in modules:
        names |= vars(module)
    return SimpleNamespace(**names)


def _load(package: str, name: str) -> ModuleType:
    folder = importlib.import_module(package).__path__[0]
    spec = importlib.util.spec_from_file_location(f"{package}.{name}", f"{folder}/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
