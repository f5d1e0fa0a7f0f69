"""Random damage to sample files: what comes back is a finite array, or one sentence."""

from __future__ import annotations

import gzip
import io
import os
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.samples import read_samples

EXAMPLES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 500

VALUES = np.random.default_rng(0).normal(size=(6, 3))


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _idx(array: np.ndarray, code: int) -> bytes:
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


WHOLE = {
    ".npy": _npy(VALUES),
    ".npz": _npz(x=VALUES),
    ".csv": b"x,y,z\n" + "\n".join(",".join(map(repr, row)) for row in VALUES.tolist()).encode(),
    ".txt": "\n".join(" ".join(map(repr, row)) for row in VALUES.tolist()).encode(),
    ".idx": _idx(VALUES, 0x0E),
    ".idx.gz": gzip.compress(_idx(VALUES, 0x0E)),
}

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
    for kind, place, what in edits:
        at = int(place * len(data))
        if kind == "flip" and at < len(data):
            data = data[:at] + bytes([what]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + what :]
        elif kind in ("insert", "text"):
            data = data[:at] + what + data[at:]
        elif kind == "end":
            data = data[:at]
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read(folder, suffix: str, data: bytes) -> str:
    """ "array" or "sentence"; anything else fails."""
    file = folder / f"data{suffix}"
    file.write_bytes(data)
    before = sorted(os.listdir(folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            samples = read_samples(file)
    except InputError as error:
        text = str(error)
        assert str(file) in text and "\n" not in text and text.endswith(".")
        outcome = "sentence"
    else:
        assert samples.dtype == np.float64 and samples.ndim == 2 and len(samples) >= 1
        assert np.isfinite(samples).all()
        outcome = "array"
    assert sorted(os.listdir(folder)) == before
    return outcome


@pytest.mark.parametrize("suffix", WHOLE)
def test_whole_files_are_read(folder, suffix):
    assert read(folder, suffix, WHOLE[suffix]) == "array"


@pytest.mark.parametrize("suffix", WHOLE)
@settings(max_examples=EXAMPLES)
@given(edits=EDITS)
def test_damaged_files(folder, suffix, edits):
    read(folder, suffix, damaged(WHOLE[suffix], edits))


@pytest.mark.parametrize("suffix", WHOLE)
@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=200))
def test_any_bytes(folder, suffix, data):
    read(folder, suffix, data)


@settings(max_examples=EXAMPLES)
@given(text=st.text(alphabet='0123456789.eE+-, ;\t\n#naif_x"', max_size=80))
def test_any_text_of_numbers(folder, text):
    read(folder, ".csv", text.encode())


@settings(max_examples=EXAMPLES)
@given(
    dtype=st.sampled_from(
        ["f8", "f4", "f2", ">f8", "i1", "u2", "i8", "?", "c16", "U3", "S2", "M8[s]", "m8[s]", "V4"]
    ),
    shape=st.lists(st.integers(0, 4), max_size=4),
    fortran=st.booleans(),
    fill=st.integers(0, 3),
)
def test_arrays_of_any_type_and_shape(folder, dtype, shape, fortran, fill):
    array = np.full(shape, fill).astype("i8").astype(dtype) if dtype != "V4" else np.zeros(shape, dtype)
    data = _npy(np.asfortranarray(array) if fortran else array)
    outcome = read(folder, ".npy", data)
    if outcome == "array":
        assert np.dtype(dtype).kind in "fiub" and array.size > 0
