"""Loaders of images: what they read, and what they say about files that are missing, short or wrong."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest

from hermite_collapse.storage.images import load_images, to_pixels, to_units


@pytest.fixture(scope="module")
def digits():
    return load_images("digits", held_out=0.4)


def batch_bytes(rows, rng):
    """A CIFAR-10 python batch with random pixels, as the published ones are pickled."""
    pixels = rng.integers(0, 256, (rows, 3072)).astype(np.uint8)
    content = {b"batch_label": b"test", b"labels": [0] * rows, b"data": pixels, b"filenames": [b"x"] * rows}
    return pickle.dumps(content, protocol=2), pixels


def write_cifar(folder):
    rng = np.random.default_rng(0)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    return {name: _write(folder / name, *batch_bytes(4, rng)) for name in names}


def _write(path, data, pixels):
    path.write_bytes(data)
    return pixels


def test_cifar_batches_are_read_channel_by_channel(tmp_path):
    pixels = write_cifar(tmp_path)
    data = load_images("cifar10", folder=tmp_path)
    assert data.shape == (3, 32, 32) and data.train.shape == (20, 3072) and data.held_out.shape == (4, 3072)
    np.testing.assert_allclose(data.train[4:8], pixels["data_batch_2"] / 127.5 - 1.0, atol=1e-14)
    np.testing.assert_allclose(data.held_out, pixels["test_batch"] / 127.5 - 1.0, atol=1e-14)
    # Red, then green, then blue: the picture's first pixel has entries 0, 1024 and 2048.
    np.testing.assert_allclose(
        to_pixels(data.held_out, data.shape)[0, 0, 0], pixels["test_batch"][0, [0, 1024, 2048]] / 255
    )


def test_a_batch_cannot_run_code(tmp_path):
    write_cifar(tmp_path)

    class Harmful:
        def __reduce__(self):
            return print, ("ran",)

    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({b"data": Harmful()}))
    with pytest.raises(ValueError, match="where only arrays are expected"):
        load_images("cifar10", folder=tmp_path)


def write_fashion(folder, rows=(6, 3), side=28):
    rng = np.random.default_rng(1)
    for part, count in zip(("train", "t10k"), rows, strict=True):
        header = bytes([0, 0, 8, 3]) + b"".join(int(n).to_bytes(4, "big") for n in (count, side, side))
        pixels = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as stream:
            stream.write(header + pixels.tobytes())
    return pixels


def test_fashion_files_are_read(tmp_path):
    pixels = write_fashion(tmp_path)
    data = load_images("fashion_mnist", folder=tmp_path)
    assert data.shape == (1, 28, 28) and len(data.train) == 6
    np.testing.assert_allclose(to_pixels(data.held_out, data.shape), pixels / 255.0, atol=1e-14)


def test_a_folder_of_images_has_its_channels_last(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        image.fromarray(picture).save(tmp_path / f"{i}.png")
    data = load_images(tmp_path, held_out=0.2)
    assert data.shape == (3, 4, 4)
    everything = np.concatenate([data.train, data.held_out])
    found = {to_pixels(row[None], data.shape).tobytes() for row in everything}
    assert found == {to_pixels(to_units(p[None].transpose(0, 3, 1, 2)), data.shape).tobytes() for p in pixels}


def test_digits_are_parted_once_and_for_all(digits):
    again = load_images("digits", held_out=0.4)
    assert again.train.tobytes() == digits.train.tobytes()
    assert digits.train.shape == (1078, 64) and digits.held_out.shape == (719, 64)
    assert digits.train.min() == -1.0 and digits.train.max() == 1.0
    assert len(digits.part(10).train) == 10


@pytest.mark.parametrize(
    ("prepare", "call", "sentence"),
    [
        (None, lambda f: load_images("fashion_mnist", folder=f), "apt-get install dataset-fashion-mnist"),
        (None, lambda f: load_images("cifar10", folder=f), r"cs.toronto.edu/~kriz/cifar-10-python.tar.gz"),
        (None, lambda f: load_images("cifar10"), "folder must hold the python batches"),
        (None, lambda f: load_images(f / "nothing.npy"), "must name an existing file"),
        ("cut cifar", lambda f: load_images("cifar10", folder=f), "cut short or damaged"),
        ("narrow cifar", lambda f: load_images("cifar10", folder=f), r"must hold \(n, 3072\) bytes"),
        ("cut fashion", lambda f: load_images("fashion_mnist", folder=f), "must be a readable"),
        ("small fashion", lambda f: load_images("fashion_mnist", folder=f), "must hold images of 28 x 28"),
        ("array", lambda f: load_images(f / "a.npy"), "shape must be"),
        (
            "array",
            lambda f: load_images(f / "a.npy", shape=(1, 2, 5), value_range=(0, 1)),
            "value_range must contain",
        ),
        ("array", lambda f: load_images(f / "a.npy", shape=(1, 2, 5), held_out=0.0), "held_out must leave"),
        (None, lambda f: to_units([[1.0]], (1.0, 1.0)), "low < high"),
    ],
)
def test_missing_short_and_wrong_files_are_one_sentence(tmp_path, prepare, call, sentence):
    if prepare in ("cut cifar", "narrow cifar"):
        write_cifar(tmp_path)
        path = tmp_path / "data_batch_4"
        path.write_bytes(
            path.read_bytes()[:-500]
            if prepare == "cut cifar"
            else pickle.dumps({b"data": np.zeros((2, 9), np.uint8)})
        )
    if prepare == "cut fashion":
        write_fashion(tmp_path)
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-200])
    if prepare == "small fashion":
        write_fashion(tmp_path, side=27)
    if prepare == "array":
        np.save(tmp_path / "a.npy", np.arange(60.0).reshape(6, 10))
    with pytest.raises(ValueError, match=sentence) as caught:
        call(tmp_path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
