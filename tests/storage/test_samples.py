"""Readers of sample files: what is read is what was written, and every bad file is one sentence."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.samples import read_samples


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(20, 3))


def write_idx(path: Path, array: np.ndarray, code: int) -> None:
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def test_npy_is_memory_mapped_and_equal(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    got = read_samples(tmp_path / "a.npy")
    np.testing.assert_array_equal(got, values)
    base = got
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not got.flags.owndata


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8", ">f8"])
def test_npy_of_any_real_type(tmp_path, dtype):
    data = (np.random.default_rng(0).integers(0, 2, size=(30, 2))).astype(dtype)
    np.save(tmp_path / "a.npy", data)
    got = read_samples(tmp_path / "a.npy")
    assert got.dtype == np.float64 and got.flags.c_contiguous
    np.testing.assert_array_equal(got, data.astype(float))


def test_npy_vector_and_images(tmp_path, values):
    np.save(tmp_path / "v.npy", values[:, 0])
    assert read_samples(tmp_path / "v.npy").shape == (20, 1)
    np.save(tmp_path / "i.npy", np.asfortranarray(values.reshape(5, 4, 3)))
    np.testing.assert_array_equal(read_samples(tmp_path / "i.npy"), values.reshape(5, 12))


def test_npz_by_name(tmp_path, values):
    np.savez(tmp_path / "one.npz", x=values)
    np.testing.assert_array_equal(read_samples(tmp_path / "one.npz"), values)
    np.savez_compressed(tmp_path / "two.npz", train=values, test=values[:4])
    np.testing.assert_array_equal(read_samples(f"{tmp_path}/two.npz:test"), values[:4])
    with pytest.raises(
        InputError, match="must name one array, as in two.npz:train, got the arrays train, test"
    ):
        read_samples(tmp_path / "two.npz")
    with pytest.raises(InputError, match="did you mean 'train'"):
        read_samples(f"{tmp_path}/two.npz:tain")


@pytest.mark.parametrize(
    ("suffix", "delimiter", "header"),
    [
        (".csv", ",", "x,y,z"),
        (".csv", ";", ""),
        (".txt", " ", "# comment"),
        (".tsv", "\t", "a\tb\tc"),
        (".dat", "  ", ""),
    ],
)
def test_text(tmp_path, values, suffix, delimiter, header):
    rows = [delimiter.join(repr(float(v)) for v in row) for row in values]
    rows.insert(3, "")
    file = tmp_path / f"a{suffix}"
    file.write_text("\n".join(([header] if header else []) + rows) + "\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(read_samples(file), values)


@pytest.mark.parametrize(
    ("dtype", "code"), [("u1", 0x08), ("i1", 0x09), ("i2", 0x0B), ("i4", 0x0C), ("f4", 0x0D), ("f8", 0x0E)]
)
@pytest.mark.parametrize("name", ["a-images-idx3-ubyte", "a.idx", "a.idx3-ubyte.gz"])
def test_idx(tmp_path, dtype, code, name):
    array = (
        np.random.default_rng(1)
        .integers(-3, 4, size=(6, 2, 2))
        .clip(0 if dtype == "u1" else -3)
        .astype(dtype)
    )
    write_idx(tmp_path / name, array, code)
    np.testing.assert_array_equal(read_samples(tmp_path / name), array.reshape(6, 4).astype(float))


def test_folder_of_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(2).integers(0, 256, size=(3, 5, 4), dtype=np.uint8)
    for i, p in enumerate(pixels):
        image.fromarray(p).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.md").write_text("not an image")
    np.testing.assert_allclose(read_samples(tmp_path, scale=100.0, shift=0.0), pixels.reshape(3, 20) / 100.0)
    image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "9.png")
    with pytest.raises(InputError, match=r"9\.png of shape \(4, 4\) where 0\.png has \(5, 4\)"):
        read_samples(tmp_path, scale=1.0)


def test_units_are_refused_unless_scaled(tmp_path, values):
    np.save(tmp_path / "pixels.npy", 60.0 * values)
    with pytest.raises(InputError, match=r"second moments within \[0.01, 25\], got one of .*: give scale"):
        read_samples(tmp_path / "pixels.npy")
    np.testing.assert_allclose(read_samples(tmp_path / "pixels.npy", scale=60.0), values)
    np.save(tmp_path / "tiny.npy", 1e-3 * values)
    with pytest.raises(InputError, match="got an average of"):
        read_samples(tmp_path / "tiny.npy")
    np.testing.assert_array_equal(read_samples(tmp_path / "tiny.npy", scale=1), 1e-3 * values)
    with pytest.raises(InputError, match="scale must be > 0, got 0"):
        read_samples(tmp_path / "tiny.npy", scale=0)


def test_units_have_both_ends(tmp_path):
    """Just inside is read, just outside is not: neither limit can move unnoticed."""
    for moment, fits in [(24.9, True), (25.1, False), (0.0101, True), (0.0099, False)]:
        np.save(tmp_path / "m.npy", np.sqrt(moment) * np.array([1.0, -1.0]))
        if fits:
            read_samples(tmp_path / "m.npy")
        else:
            with pytest.raises(InputError, match="units of the diffusion"):
                read_samples(tmp_path / "m.npy")


def save_object(path: Path) -> None:
    np.save(path, np.array([1, "a", None], dtype=object), allow_pickle=True)


BAD = {
    "missing.npy": (None, "must name an existing file"),
    "empty.npy": (b"", "must be a readable .npy file, got: an empty file"),
    "short.npy": (b"\x93NUMPY\x01\x00", "must be a readable .npy file"),
    "text.npy": (b"hello world, not numbers", "must be a readable .npy file"),
    "a.npz": (b"PK\x03\x04 broken", "truncated or not a zip archive"),
    "empty.csv": (b"", "a file without numbers"),
    "header.csv": (b"x,y\n", "a header without numbers"),
    "ragged.csv": (b"1,2\n3\n", "line 2 with 1 columns where the first row has 2"),
    "word.csv": (b"x,y\n1,2\n3,four\n", "'four' on line 3, which is not a number"),
    "gap.csv": (b"1,2\n3,\n", "'' on line 2, which is not a number"),
    "nan.csv": (b"1,2\nnan,3\n", r"must be finite, got 1 NaN or infinite entries, the first at \(1, 0\)"),
    "inf.csv": (b"1,2\n1e999,3\n", "must be finite"),
    "latin.csv": (b"1,2\n\xff,3\n", "must be a readable .csv file"),
    "a.idx": (b"\x00\x00", "shorter than its header"),
    "b.idx": (b"\x00\x01\x08\x01\x00\x00\x00\x01\x05", "magic number 0x00010801, which is not IDX"),
    "c.idx": (b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x02abc", r"is truncated: 4 bytes .* \(2, 2\)"),
    "d.idx": (b"\x00\x00\x08\x01\x00\x00\x00\x02abc", "goes on after its last number"),
    "huge.idx": (b"\x00\x00\x0e\x04" + b"\xff" * 16 + b"abc", "is truncated"),
    "none.idx": (b"\x00\x00\x08\x02\x00\x00\x00\x00\x00\x00\x00\x02", "at least 1 sample, got 0"),
    "e.gz": (b"\x1f\x8b\x08broken", "must be a readable IDX file"),
    "a.parquet": (b"PAR1", "must be .npy, .npz, .*, got a .parquet file"),
    "nothing": (b"1 2", "got a file without a suffix"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_sentence(tmp_path, name):
    content, message = BAD[name]
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_samples(file)
    text = str(caught.value)
    assert str(file) in text and "\n" not in text and text.endswith(".")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("complex", np.array([1j, 2.0]), "must hold real numbers"),
        ("words", np.array(["a", "b"]), "must hold real numbers"),
        ("scalar", np.array(1.0), r"must have shape \(n,\) or \(n, d\), got \(\)"),
        ("flat", np.empty((4, 0)), "must have shape"),
        ("none", np.empty((0, 3)), "must hold at least 1 sample, got 0"),
        ("nan", np.array([[1.0, np.nan], [2.0, 3.0]]), r"must be finite, got 1 .* at \(0, 1\)"),
    ],
)
def test_bad_arrays_are_one_sentence(tmp_path, name, array, message):
    np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / f"{name}.npy")


def test_objects_are_never_unpickled(tmp_path):
    save_object(tmp_path / "o.npy")
    with pytest.raises(InputError, match="must be a readable .npy file, got: .*[Oo]bject"):
        read_samples(tmp_path / "o.npy")


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.idx", "a.idx.gz"])
def test_truncation_is_noticed_anywhere(tmp_path, values, name, keep):
    file = tmp_path / name
    if name == "a.npy":
        np.save(file, values)
    elif name == "a.npz":
        np.savez(file, x=values)
    else:
        write_idx(file, values, 0x0E)
    whole = file.read_bytes()
    read_samples(file)
    file.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(InputError, match="must be a readable"):
        read_samples(file)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="must be a folder with images"):
        read_samples(tmp_path)
