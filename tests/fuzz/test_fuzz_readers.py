"""Random damage to every other kind of file: images, batches, curves, netCDF, schedulers, labels, records."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.printable import printable
from hermite_collapse.storage.folder import read_arrays, read_json
from hermite_collapse.storage.images import load_images
from hermite_collapse.storage.labelled import read_labelled
from hermite_collapse.storage.samples import read_samples
from tests.fuzz.damage import EDITS, damaged, examples

EXAMPLES = examples(150)

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
CURVE = b"Generation;Variance;SEM\n0;0,25;0,01\n1;0,31;0,01\n2;0,33;0,02\n"
SCHEDULER = json.dumps(
    {"_class_name": "DDIMScheduler", "num_train_timesteps": 100, "beta_start": 0.0001, "beta_end": 0.02}
).encode()


def image(format_: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    picture = Image.fromarray(PIXELS)
    (picture.quantize(8) if format_ == "GIF" else picture).save(stream, format_)
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x=np.arange(6.0), y=np.arange(3))
    return stream.getvalue()


def measured() -> bytes:
    rng = np.random.default_rng(0)
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    result = hc.measure(rng.normal(size=(60, 2)), [rng.normal(size=(60, 2)) for _ in range(2)], degrees=1)
    file = folder / f"fuzz-measured-{os.getpid()}.nc"
    result.save(file)
    try:
        return file.read_bytes()
    finally:
        file.unlink()


def images_in(folder: Path) -> object:
    samples = read_samples(folder, scale=1.0)
    assert samples.dtype == np.float64 and np.isfinite(samples).all()
    return samples


def batches_in(folder: Path) -> object:
    data = load_images("cifar10", folder=folder)
    assert np.abs(data.train).max() <= 1.0
    return data


def labels_in(folder: Path) -> object:
    np.save(folder / "samples.npy", np.random.default_rng(0).normal(size=(3, 2)))
    labels = read_labelled(folder / "samples.npy", folder / "a.csv").labels
    assert labels is not None and labels.shape == (3,)
    return labels


def curve_in(folder: Path) -> object:
    curve = hc.read_curve(next(folder.iterdir()))
    assert curve.values.shape == (len(curve.rounds), len(curve.names))
    return curve


JSON_LINES = (
    b'{"round": 0, "fid": 1.5, "std": 1e-2}\n{"round": 1, "fid": null}\n{"round": "2", "fid": "9 %"}\n'
)
BATCH = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, protocol=2)

# name: (names of the files, the bytes of each, what reads their folder)
READERS: dict[str, tuple[tuple[str, ...], Callable[[], bytes], Callable[[Path], object]]] = {
    **{
        kind: ((f"a.{kind.lower()}",), lambda kind=kind: image(kind), images_in)
        for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
    },
    "batches": (("test_batch", *(f"data_batch_{i}" for i in range(1, 6))), lambda: BATCH, batches_in),
    "labels": (("a.csv",), lambda: b"0\n1\n1\n", labels_in),
    "curve": (("a.csv",), lambda: CURVE, curve_in),
    "JSON lines": (("a.jsonl",), lambda: JSON_LINES, curve_in),
    "scheduler": (("a.json",), lambda: SCHEDULER, lambda folder: hc.read_scheduler(str(folder / "a.json"))),
    "measured": (("a.nc",), measured, lambda folder: hc.Measured.load(folder / "a.nc")),
    "json": (("a.json",), lambda: SCHEDULER, lambda folder: read_json(folder / "a.json")),
    "arrays": (("a.npz",), arrays, lambda folder: read_arrays(folder / "a.npz")),
}


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    pytest.importorskip("PIL")
    return {name: make() for name, (_, make, _) in READERS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("readers")


def read(folder: Path, name: str, data: bytes) -> bool:
    """Whether the files were read; False for one sentence, and anything else fails."""
    for file in folder.iterdir():
        file.unlink()
    for file in READERS[name][0]:
        (folder / file).write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            READERS[name][2](folder)
    except InputError as error:
        text = str(error)
        assert "\n" not in text and text.endswith((".", "?")) and printable(text) == text, text
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(folder, whole, name):
    assert read(folder, name, whole[name])


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=EXAMPLES)
@given(edits=EDITS)
def test_damaged_files(folder, whole, name, edits):
    read(folder, name, damaged(whole[name], edits))


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=200))
def test_any_bytes(folder, name, data):
    read(folder, name, data)


@pytest.mark.parametrize("name", READERS)
def test_every_length_of_a_cut_file(folder, whole, name):
    data = whole[name]
    for end in sorted({round(len(data) * i / 60) for i in range(60)}):
        read(folder, name, data[:end])
