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
from tests.fuzz.damage import EDITS, damaged, examples

EXAMPLES = examples(500)

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
