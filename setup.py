"""What is compiled: every module with types beside it, in a .pxd. Where there is no compiler it runs interpreted."""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            ".".join(types.with_suffix("").parts),
            [str(types.with_suffix(".py"))],
            extra_compile_args=["-O3", "-fno-plt", "-g0"],
            optional=True,
        )
        for types in sorted(Path("dbmux").rglob("*.pxd"))
    ],
    options={"build_ext": {"parallel": os.cpu_count()}},
)
