"""Random damage to bytes: flips, cuts, insertions, a sudden end, texts that parsers stumble over."""

from __future__ import annotations

import os

from hypothesis import strategies as st

EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 40)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("end"), st.floats(0, 1), st.none()),
        st.tuples(
            st.just("text"),
            st.floats(0, 1),
            st.sampled_from([b"nan", b"1e999", b",", b"\n", b"#", b"-", b"_", b"\0"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, edits: list) -> bytes:
    for kind, where, what in edits:
        at = int(where * len(data))
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([what]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + what :]
        elif kind in ("insert", "text"):
            data = data[:at] + what + data[at:]
        elif kind == "end":
            data = data[:at]
    return data


def examples(usual: int, part: float = 1.0) -> int:
    """How many inputs a test tries: `usual`, or under `make fuzz` that part of FUZZ_EXAMPLES (ten thousand)."""
    if os.environ.get("HYPOTHESIS_PROFILE") != "fuzz":
        return usual
    return max(1, int(part * int(os.environ.get("FUZZ_EXAMPLES") or 10_000)))
