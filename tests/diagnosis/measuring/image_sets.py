"""Digits through the exact channel, as bytes, and folders of images of them: the truth of what is measured is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.channel_histories import channel_history

VALUE_RANGE = (70.125, 184.875)
"""Levels of 8 bits that are -1 and 1, so that noise is not cut."""


def digits(count=500, samples=200, rounds=3, seed=0):
    """Real digits and generations of alpha = 0.2 and t0 = 0.05, as bytes (n, 8, 8)."""
    data = pytest.importorskip("sklearn.datasets").load_digits().data[:count] / 8.0 - 1.0
    rng = np.random.default_rng(seed)
    history = channel_history(data, fresh_fraction=0.2, time=0.05, rounds=rounds, samples=samples, rng=rng)
    return [
        np.clip(np.rint(127.5 + 57.375 * x), 0, 255).astype(np.uint8).reshape(-1, 8, 8)
        for x in (data, *history)
    ]


def write(folder, images, suffix="png", **options):
    """Write images as files of one folder; returns it."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:04d}.{suffix}", **options)
    return folder


def write_sets(folder, sets, suffix="png", real_suffix=None, **options):
    """Write real and gen_1, gen_2, ...; returns the path of the first and those of the others."""
    real = write(folder / "real", sets[0], real_suffix or suffix, **({} if real_suffix else options))
    return real, [write(folder / f"gen_{i}", x, suffix, **options) for i, x in enumerate(sets[1:], start=1)]
