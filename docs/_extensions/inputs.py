"""Files that commands on the pages read: a measured curve, samples of several generations, latents after a round trip."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

import hermite_collapse as hc

FRESH_FRACTION, TRUNCATION_TIME = 0.2, 0.05


def write(folder: Path) -> None:
    """Write the files into a folder."""
    with as_file(files("hermite_collapse.diagnosis") / "examples") as examples:
        for path in examples.glob("*.csv"):
            shutil.copy(path, folder / path.name)
    rng = np.random.default_rng(0)
    real = rng.normal(size=(4000, 6)) * np.geomspace(1.2, 0.15, 6)
    np.save(folder / "real.npy", real)
    channel = hc.OrnsteinUhlenbeck().channel(TRUNCATION_TIME)
    newest = real
    for index in range(1, 9):
        is_fresh = rng.random((len(real), 1)) < FRESH_FRACTION
        trained = np.where(is_fresh, rng.choice(real, len(real)), rng.choice(newest, len(real)))
        newest = channel.scale * trained + np.sqrt(channel.variance) * rng.normal(size=real.shape)
        np.save(folder / f"gen_{index}.npy", newest)
    latents = rng.normal(size=(3000, 8)) * np.geomspace(1.0, 0.1, 8)
    decoded = latents @ np.diag(np.linspace(0.995, 0.9, 8)) + 0.02 * rng.normal(size=latents.shape)
    np.save(folder / "latents.npy", latents)
    np.save(folder / "again.npy", decoded)


if __name__ == "__main__":
    write(Path())
