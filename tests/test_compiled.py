"""What has types beside it is compiled, all of it or nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import dbmux
from dbmux.kernel import COMPILED

PACKAGE = Path(dbmux.__file__).parent
TYPED = sorted(".".join(types.relative_to(PACKAGE.parent).with_suffix("").parts) for types in PACKAGE.rglob("*.pxd"))


@pytest.mark.parametrize("module", TYPED)
def test_a_module_with_types_is_compiled_where_the_kernel_is(module: str) -> None:
    spec = find_spec(module)

    assert spec is not None
    assert (Path(spec.origin or "").suffix == ".so") is COMPILED
