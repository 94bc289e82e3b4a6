"""Text from outside, made fit for one line of a log or a message.

Anything comes in; text without line breaks, control characters and other invisible ones goes out, so that no name that
a client chose can end a line, forge one or steer a terminal. Never changes what can be seen.
"""

from __future__ import annotations

import os


def visible(text: str) -> str:
    r"""The same text, with `\n`, `\x1b` and the like in place of what cannot be seen."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def why(error: OSError) -> str:
    """What the system says went wrong, without the wrapping that event loops and libraries put around it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
