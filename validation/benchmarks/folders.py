"""From folders of PNG files to a verdict: ten sets of 2 000 images of 28 x 28, each command in a process of its own.

The yardstick is the time that Pillow alone takes to decode the same files.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermite_collapse.storage.samples import read_stored

from .timing import interleaved, median_ratio, median_time

IMAGES, SIDE, ROUNDS = 2000, 28, 9
FRESH, TIME, HALF = 0.2, 0.05, 3.0
MINUTE = 60.0
MOST = 2.5
"""Times Pillow's own that reading a folder may take: it looks at names, depths, sizes, orientation and transparency."""


def run() -> list[dict[str, Any]]:
    """Rows of reading over Pillow's decoding, and of both commands in processor and wall seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder)
        decoding, reading = _decoding(folder / "real")
        half = 127.5 / HALF
        measured = _call(
            *("measure", "--data", folder / "real", "--generations", *sorted(folder.glob("gen_*"))),
            *("--value-range", 127.5 - half, 127.5 + half, "--first-round", 1, "--out", folder / "M"),
        )
        diagnosed = _call("diagnose", folder / "M")
    sets = ROUNDS + 1
    rows = [reading]
    for what, (processor, wall) in {"measure": measured, "diagnose": diagnosed}.items():
        rows.append(
            {
                "case": f"{what}, {sets} folders of {IMAGES} images, with its imports",
                "seconds": wall,
                "processor seconds": processor,
                "times decoding alone": processor / (sets * decoding),
            }
        )
    total = measured[1] + diagnosed[1]
    rows.append(
        {"case": "folders to verdict", "seconds": total, "at_most": MINUTE, "met": bool(total <= MINUTE)}
    )
    return rows


def _decoding(folder: Path) -> tuple[float, dict[str, Any]]:
    """Return Pillow's processor seconds for a folder, and the row of ours over them."""
    from PIL import Image

    def pillow() -> list[NDArray[np.generic]]:
        return [np.asarray(Image.open(entry.path)) for entry in os.scandir(folder)]

    candidates: dict[str, Callable[[], Any]] = {"pillow": pillow, "ours": lambda: read_stored(folder)}
    times = interleaved(candidates, clock=time.process_time, repetitions=7)
    ratio = median_ratio(times, "ours", "pillow")
    row = {
        "case": f"reading a folder of {IMAGES} PNG files, over decoding alone",
        "processor seconds": median_time(times, "ours"),
        "ratio": ratio,
        "at_most": MOST,
        "met": bool(ratio <= MOST),
    }
    return median_time(times, "pillow"), row


def _write(folder: Path) -> None:
    """Write smooth images and nine rounds of a known channel, as 8 bits of [-3, 3]."""
    from PIL import Image

    rng = np.random.default_rng(0)
    frequencies = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)) * SIDE
    waves = np.fft.rfft2(rng.standard_normal((IMAGES, SIDE, SIDE))) / (1.0 + frequencies) ** 2
    images = np.fft.irfft2(waves, s=(SIDE, SIDE))
    data = 0.5 * images / images.std()
    sets, last = {"real": data}, data
    for i in range(1, ROUNDS + 1):
        fresh = data[rng.integers(IMAGES, size=IMAGES)]
        old = last[rng.integers(IMAGES, size=IMAGES)]
        drawn = np.where((rng.random(IMAGES) < FRESH)[:, None, None], fresh, old)
        last = np.exp(-TIME / 2) * drawn + np.sqrt(-np.expm1(-TIME)) * rng.standard_normal(drawn.shape)
        sets[f"gen_{i}"] = last
    for name, samples in sets.items():
        (folder / name).mkdir()
        pixels = np.clip(np.rint((samples / HALF + 1.0) * 127.5), 0, 255).astype(np.uint8)
        for i, image in enumerate(pixels):
            Image.fromarray(image).save(folder / name / f"{i}.png", compress_level=1)


def _call(*arguments: object) -> tuple[float, float]:
    """Return processor and wall seconds of a command in a process of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "hermite_collapse", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall
