"""How a stream may arrive: in pieces of any size."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


@st.composite
def chunks(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The stream cut at any places."""
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=12))
    places = sorted({0, len(stream), *cuts})
    return [stream[start:end] for start, end in pairwise(places)]
