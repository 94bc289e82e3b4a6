"""What a module that can be compiled says to Cython, where Cython is not installed: it then means nothing.

A type comes in and goes out as it is. Never imported where Cython is installed.
"""

from typing import TypeVar

Kind = TypeVar("Kind")


def no_gc(kind: Kind) -> Kind:
    """Compiled: a type that the garbage collector never looks at. Interpreted there is no such thing."""
    return kind


def cclass(kind: Kind) -> Kind:
    """Compiled: a type of C. The .pxd says so as well, but no_gc wants to hear it here."""
    return kind
