"""Files that are not what they say: pipes and devices, pickles that run code, archives that swell, deep numbers."""

from __future__ import annotations

import io
import os
import pickle
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hermite_collapse.core import memory
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage import batches, conversion
from hermite_collapse.storage.batches import read_batch
from hermite_collapse.storage.curves import read_curve
from hermite_collapse.storage.folder import read_arrays, read_json
from hermite_collapse.storage.record import SimulatedRecursion
from hermite_collapse.storage.regular import require_regular
from hermite_collapse.storage.run_folder import RunFolder
from hermite_collapse.storage.samples import read_samples

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072)).astype(np.uint8)


class Runs:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled_npy(path: Path, trace: Path) -> None:
    np.save(path, np.array([Runs(trace)], dtype=object), allow_pickle=True)


def pickled_npz(path: Path, trace: Path) -> None:
    np.savez(path, x=np.array([Runs(trace)], dtype=object))


def run_folder(path: Path) -> RunFolder:
    return RunFolder(path, {"what": "test"})


READERS_OF_NPY = {
    "samples": lambda file: read_samples(file),
    "particles": lambda file: _particles(file),
}
READERS_OF_NPZ = {
    "samples": lambda file: read_samples(file),
    "one of samples": lambda file: read_samples(f"{file}:x"),
    "arrays of a folder": read_arrays,
}


def _particles(file: Path) -> object:
    folder = run_folder(file.parent / "run")
    os.replace(file, folder.path / "particles-00000.npy")
    return folder.read_particles(0)


@pytest.mark.parametrize("reader", READERS_OF_NPY)
def test_no_reader_of_npy_runs_a_pickle(tmp_path, reader):
    pickled_npy(tmp_path / "a.npy", tmp_path / "ran")
    with pytest.raises(InputError):
        READERS_OF_NPY[reader](tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("reader", READERS_OF_NPZ)
def test_no_reader_of_npz_runs_a_pickle(tmp_path, reader):
    pickled_npz(tmp_path / "a.npz", tmp_path / "ran")
    with pytest.raises(InputError):
        READERS_OF_NPZ[reader](tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


def test_the_pickle_would_run(tmp_path):
    pickled_npy(tmp_path / "a.npy", tmp_path / "ran")
    np.load(tmp_path / "a.npy", allow_pickle=True)[0].close()
    assert (tmp_path / "ran").exists()


def unreadable(kind: str, path: Path) -> None:
    if kind == "a pipe":
        os.mkfifo(path)
        return
    if kind == "a device":
        path.symlink_to("/dev/zero")
        return
    before = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as held:
            held.bind(path.name)  # the file stays
    finally:
        os.chdir(before)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a socket"])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".idx", ".idx.gz"])
@pytest.mark.timeout(20)
def test_samples_from_what_never_ends(tmp_path, kind, suffix):
    unreadable(kind, tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=f"must be a regular file, got {kind}"):
        read_samples(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("curve.csv", read_curve),
        ("a.json", read_json),
        ("a.npz", read_arrays),
        ("data_batch_1", read_batch),
        ("record.json", lambda file: SimulatedRecursion.load(file.parent)),
        ("images/a.png", lambda file: read_samples(file.parent)),
    ],
)
@pytest.mark.timeout(20)
def test_every_other_reader_refuses_a_pipe(tmp_path, name, read):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="must be a regular file, got a pipe"):
        read(tmp_path / name)


def test_texts_have_a_size(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100)
    require_regular(tmp_path / "a", "it", largest=100)
    with pytest.raises(InputError, match="it must have at most 99 bytes, got 100 bytes"):
        require_regular(tmp_path / "a", "it", largest=99)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_batches_of_every_protocol(tmp_path, protocol):
    content = {b"labels": [1, 2, 3], b"data": PIXELS, b"filenames": [b"a.png"] * 3}
    (tmp_path / "b").write_bytes(pickle.dumps(content, protocol=protocol))
    assert np.array_equal(read_batch(tmp_path / "b"), PIXELS)


def test_a_batch_as_python_2_wrote_it(tmp_path):
    data = PIXELS[:1].tobytes()
    text = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
        b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89T" + len(data).to_bytes(4, "little") + data + b"tbU\x06labelsq\x08]q\tK\x03au."
    )
    (tmp_path / "b").write_bytes(text)
    assert np.array_equal(read_batch(tmp_path / "b"), PIXELS[:1])


def bomb(operation: bytes) -> bytes:
    return b"\x80\x02" + operation + b"."


HOSTILE = {
    "runs a command": pickle.dumps({b"data": Runs(Path("/nowhere/at/all"))}, protocol=2),
    "a memo of 34 GB": bomb(b"}r\xff\xff\xff\x7f"),
    "an instance": b"(i__main__\nRuns\n.",
    "a persistent id": bomb(b"Pa\n"),
    "an extension": bomb(b"\x82\x01"),
    "new object": bomb(b"cnumpy\nndarray\n)\x81"),
    "a length beyond the file": b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.",
    "objects in the array": pickle.dumps({b"data": np.array([None, 1], dtype=object)}, protocol=2),
    "numbers of 8 bytes": pickle.dumps({b"data": np.zeros((1, 3072))}, protocol=2),
    "no dictionary": pickle.dumps([1, 2], protocol=2),
    "no data": pickle.dumps({b"labels": [1]}, protocol=2),
    "a list": pickle.dumps({b"data": [1, 2]}, protocol=2),
    "deep": b"\x80\x02" + b"]" * 100_000 + b".",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_batch_is_an_error_and_nothing_else(tmp_path, what):
    (tmp_path / "b").write_bytes(HOSTILE[what])
    with pytest.raises(Exception) as caught:
        read_batch(tmp_path / "b")
    assert isinstance(caught.value, pickle.UnpicklingError | ValueError | TypeError | EOFError | IndexError)


def test_lengths_of_a_batch_agree(tmp_path):
    data = pickle.dumps({b"data": PIXELS}, protocol=4)
    # The shape says one row more than there is.
    wrong = data.replace(b"K\x03M\x00\x0c\x86", b"K\x04M\x00\x0c\x86")
    assert wrong != data
    (tmp_path / "b").write_bytes(wrong)
    with pytest.raises(ValueError, match="another number of bytes"):
        read_batch(tmp_path / "b")


def test_text_is_not_copied_without_end(tmp_path):
    text = "x" * 1000
    body = b"\x80\x02c_codecs\nencode\nq\x01X" + len(text).to_bytes(4, "little") + text.encode() + b"q\x020"
    calls = b"h\x01h\x02X\x06\x00\x00\x00latin1\x86R0" * 50
    (tmp_path / "b").write_bytes(body + b"0" + calls + b"}.")
    with pytest.raises(pickle.UnpicklingError, match="more bytes than the file has"):
        read_batch(tmp_path / "b")


def swelling(shape: tuple[int, ...]) -> bytes:
    """An archive of zeros, a thousandth of what it becomes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
        archive.writestr("x.npy", head.getvalue() + bytes(int(np.prod(shape))))
    return stream.getvalue()


def test_an_archive_that_would_not_fit(tmp_path, monkeypatch):
    (tmp_path / "a.npz").write_bytes(swelling((1000, 10_000)))
    assert (tmp_path / "a.npz").stat().st_size < 50_000
    assert read_samples(tmp_path / "a.npz", scale=1.0).shape == (1000, 10_000)
    monkeypatch.setattr(memory, "memory_of_machine", lambda: 5e6)
    with pytest.raises(InputError, match="must fit this machine's memory of 5 MB, got 10 MB"):
        read_samples(tmp_path / "a.npz", scale=1.0)


@pytest.mark.parametrize("suffix", [".csv", ".idx.gz"])
def test_other_files_that_would_not_fit(tmp_path, monkeypatch, suffix):
    import gzip

    file = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        file.write_text("1,2\n" * 1000)
    else:
        file.write_bytes(gzip.compress(b"\0\0\x08\x02" + (100).to_bytes(4, "big") * 2 + bytes(10_000)))
    monkeypatch.setattr(memory, "memory_of_machine", lambda: 9e3)
    with pytest.raises(InputError, match="must fit this machine's memory of 9000 bytes"):
        read_samples(file, scale=1.0)


def test_bytes_become_doubles_on_disk_where_memory_is_short(tmp_path, monkeypatch):
    stored = np.random.default_rng(1).integers(0, 256, (500, 7), dtype=np.uint8)
    np.save(tmp_path / "a.npy", stored)
    expected = read_samples(tmp_path / "a.npy")
    assert not isinstance(expected, np.memmap)
    monkeypatch.setattr(conversion, "memory_of_machine", lambda: 1e3)
    monkeypatch.setattr(conversion, "_BLOCK", 8 * 7 * 64)
    mapped = read_samples(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap) and mapped.tobytes() == expected.tobytes()
    np.testing.assert_allclose(mapped, stored / 127.5 - 1.0, atol=1e-14)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e3})())
    with pytest.raises(
        InputError, match=r"must fit 1000 bytes of memory or 1000 bytes of free disk in .* got 28000 bytes"
    ):
        read_samples(tmp_path / "a.npy")


def test_single_precision_that_is_not_finite(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.0, np.nan]], dtype=np.float32))
    with pytest.raises(InputError, match=r"must be finite, got 1 .* first at \(0, 1\)"):
        read_samples(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,5 1,25\n-0,5 2\n", [[0.5, 1.25], [-0.5, 2.0]]),
        ("a;b\n0,5;1\n0,25;-1,5\n", [[0.5, 1.0], [0.25, -1.5]]),
        ("0,5\t1\n1\t0,5\n", [[0.5, 1.0], [1.0, 0.5]]),
        ('"a","b"\n"1.5","2"\n', [[1.5, 2.0]]),
        ("1,2\n3,4\n", [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_decimal_commas_and_encodings(tmp_path, text, expected, encoding):
    (tmp_path / "a.csv").write_text(text, encoding=encoding)
    assert read_samples(tmp_path / "a.csv", scale=1.0).tolist() == expected


@pytest.mark.parametrize("text", ["0,51\n1,05\n", "-0,5\n1,2\n", "1,05,2,5\n1,1,1,1\n"])
def test_halves_of_numbers_are_not_columns(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match="leading zeros between commas: write decimal points, or semicolons"):
        read_samples(tmp_path / "a.csv", scale=1.0)


def test_names_that_are_more_than_the_columns(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,z\n1,2\n")
    with pytest.raises(InputError, match="3 names of columns where the first row has 2"):
        read_samples(tmp_path / "a.csv", scale=1.0)


def test_the_allowed_operations_are_operations():
    import pickletools

    assert {operation.name for operation in pickletools.opcodes} > batches._OPERATIONS
