"""Images as samples of a recursion: in diffusion units [-1, 1], flattened, one part held out for measurement.

    digits          scikit-learn's 1 797 digits of 8 x 8
    fashion_mnist   the Debian package dataset-fashion-mnist, 60 000 + 10 000 of 28 x 28
    cifar10         the user's folder with the python batches, 50 000 + 10 000 of 3 x 32 x 32
    a path          whatever `samples.read_samples` reads: .npy, .npz, IDX, a folder of images

A pixel p of the file becomes 2 (p - low)/(high - low) - 1.  Images are flattened channel by channel, row by row.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import Value
from .batches import read_batch
from .samples import read_samples
from .units import checked_range

Shape = tuple[int, int, int]

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_WHERE = {
    "fashion_mnist": "apt-get install dataset-fashion-mnist, or the IDX files of "
    "https://github.com/zalandoresearch/fashion-mnist in a folder of your own",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz, unpacked",
}


@dataclass(frozen=True, eq=False)
class ImageData(Value):
    """Images to train on and images held out, in [-1, 1].

    Attributes
    ----------
    train, held_out : array, shape (n, d)
    shape : tuple of int
        (channels, height, width).
    name : str
        For titles and records.
    """

    train: FloatArray
    held_out: FloatArray
    shape: Shape
    name: str

    @property
    def dimension(self) -> int:
        """d, the number of pixels times channels."""
        return self.train.shape[1]

    def part(self, count: int) -> ImageData:
        """Return the same with at most so many images to train on."""
        return self.replace(train=self.train[: checks.integer(count, "count", minimum=1)])


def load_images(
    source: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    shape: Shape | None = None,
    value_range: tuple[float, float] = (0.0, 255.0),
    held_out: float = 0.2,
    channels_last: bool | None = None,
) -> ImageData:
    """Return images by name or from a file or folder.

    Parameters
    ----------
    source : str or path
        "digits", "fashion_mnist", "cifar10" or a path.
    folder : str or path, optional
        Of the files of "fashion_mnist" (the Debian package's unless given) and "cifar10".
    shape : tuple of int, optional
        (channels, height, width) of a path's images; found for square ones of one or three channels.
    value_range : tuple of float
        Darkest and brightest value in a path's images.
    held_out : float
        Share of a path's or the digits' images that is held out; the named sets come with a second part.
    channels_last : bool, optional
        Whether a path's images have their channels last; None: as in folders of images.

    Returns
    -------
    ImageData

    Raises
    ------
    InputError
        If a file is missing (the sentence says where to get it), cut short, of another size or range.

    Notes
    -----
    The digits and a path's images are shuffled once, always in the same way, before they are divided.
    """
    name = os.fspath(source)
    if name == "digits":
        return _parted(_digits(), (1, 8, 8), held_out, name)
    if name == "fashion_mnist":
        home = FASHION_MNIST if folder is None else Path(folder)
        parts = [_idx(home, part) for part in ("train", "t10k")]
        return ImageData(parts[0], parts[1], (1, 28, 28), name)
    if name == "cifar10":
        if folder is None:
            raise InputError(
                f"folder must hold the python batches of CIFAR-10 ({_WHERE['cifar10']}), got None."
            )
        names = [f"data_batch_{i}" for i in range(1, 6)]
        train = np.concatenate([_batch(Path(folder) / batch) for batch in names])
        return ImageData(train, _batch(Path(folder) / "test_batch"), (3, 32, 32), name)
    return _from_path(Path(source), shape, value_range, held_out, channels_last)


def to_units(pixels: ArrayLike, value_range: tuple[float, float] = (0.0, 255.0)) -> FloatArray:
    """Return 2 (p - low)/(high - low) - 1 of pixels p, flattened to (n, d)."""
    low, high = checked_range(value_range)
    values = np.asarray(pixels, dtype=np.float64)
    if values.size == 0 or values.min() < low or values.max() > high:
        actual = "none" if values.size == 0 else f"{values.min():g} to {values.max():g}"
        raise InputError(
            f"value_range must contain all pixels, got {low:g} to {high:g} where they are {actual}."
        )
    return 2.0 / (high - low) * (values.reshape(len(values), -1) - low) - 1.0


def to_pixels(samples: ArrayLike, shape: Shape) -> FloatArray:
    """Return images (n, height, width) or (n, height, width, channels), cut to [0, 1], from samples (n, d)."""
    values = np.clip(0.5 * (np.asarray(samples, dtype=np.float64) + 1.0), 0.0, 1.0).reshape(-1, *shape)
    return values[:, 0] if shape[0] == 1 else np.moveaxis(values, 1, -1)


def _digits() -> FloatArray:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            'The digits need scikit-learn, which is not installed: pip install "hermite_collapse[images]".'
        ) from None
    return to_units(load_digits().data, (0.0, 16.0))


def _parted(samples: FloatArray, shape: Shape, held_out: float, name: str) -> ImageData:
    count = round(checks.share(held_out, "held_out") * len(samples))
    if not 0 < count < len(samples):
        raise InputError(f"held_out must leave images on both sides, got {held_out!r} of {len(samples)}.")
    order = np.random.default_rng(0).permutation(len(samples))
    return ImageData(samples[order[count:]], samples[order[:count]], shape, name)


def _idx(folder: Path, part: str) -> FloatArray:
    stem = f"{part}-images-idx3-ubyte"
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.exists():
            pixels = read_samples(path, scale=1.0)
            if pixels.shape[1] != 784:
                raise InputError(f"{path} must hold images of 28 x 28, got {pixels.shape[1]} pixels each.")
            return to_units(pixels)
    raise InputError(f"{folder / stem}.gz must be there ({_WHERE['fashion_mnist']}), got no such file.")


def _batch(path: Path) -> FloatArray:
    """One python batch of CIFAR-10: a pickled dictionary whose b"data" is (n, 3072) uint8."""
    if not path.exists():
        raise InputError(
            f"{path} must be a python batch of CIFAR-10 ({_WHERE['cifar10']}), got no such file."
        )
    try:
        pixels = read_batch(path)
    except InputError:
        raise
    except Exception as problem:  # a pickle can be broken in any way
        text = " ".join(str(problem).split()).rstrip(".") or type(problem).__name__
        raise InputError(
            f"{path} must be a python batch of CIFAR-10, got one cut short or damaged: {text}."
        ) from None
    if pixels.ndim != 2 or pixels.shape[1] != 3072:
        raise InputError(f"{path} must hold (n, 3072) bytes, got {pixels.shape}.")
    return to_units(pixels)


def _from_path(
    path: Path,
    shape: Shape | None,
    value_range: tuple[float, float],
    held_out: float,
    channels_last: bool | None,
) -> ImageData:
    samples = to_units(read_samples(path, scale=1.0), value_range)
    known = _square(samples.shape[1]) if shape is None else shape
    if known is None or math.prod(known) != samples.shape[1]:
        raise InputError(
            f"shape must be (channels, height, width) with {samples.shape[1]} entries, as in {path}, got {shape!r}."
        )
    channels, height, width = known
    if path.is_dir() if channels_last is None else channels_last:
        turned = samples.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        samples = np.ascontiguousarray(turned.reshape(len(samples), -1))
    return _parted(samples, (channels, height, width), held_out, path.stem)


def _square(dimension: int) -> Shape | None:
    for channels in (1, 3):
        side = math.isqrt(dimension // channels)
        if channels * side * side == dimension:
            return channels, side, side
    return None
