"""Pictures stored again in memory are those of a file of the same form."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.storage.image_forms import LOSSY
from hermite_collapse.storage.pictures import read_pictures
from hermite_collapse.storage.recompression import is_repeatable, stored_again, webp_quality

Image = pytest.importorskip("PIL.Image")


def pictures(count, size=32, seed=0):
    """Smooth colours with noise, (count, size, size, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 3, size // 8, size // 8)).repeat(8, axis=2).repeat(8, axis=3)
    images = 127.5 + 40.0 * np.moveaxis(coarse, 1, 3) + 10.0 * rng.normal(size=(count, size, size, 3))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


OPTIONS = {
    "4:4:4": {"quality": 83, "subsampling": 0},
    "4:2:2": {"quality": 60, "subsampling": 1},
    "4:2:0": {"quality": 75},
    "own tables": {"qtables": [list(range(2, 66)), list(range(70, 6, -1))], "subsampling": 0},
    "one table": {"qtables": [list(range(2, 66))], "subsampling": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_jpeg_is_stored_again_as_its_file_was(tmp_path, name):
    images = pictures(3)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i}.jpg", **OPTIONS[name])
    stored = read_pictures(tmp_path)
    (form,) = stored.forms
    assert form.name.endswith(f"({name})") or ":" not in name
    np.testing.assert_array_equal(stored_again(images, [form] * 3, 0), stored.images)


def test_grey_and_forms_of_each_image(tmp_path):
    images = pictures(3)[..., 0]
    for i, quality in enumerate((40, 90)):
        Image.fromarray(images[i]).save(tmp_path / f"{i}.jpg", quality=quality)
    Image.fromarray(images[2]).save(tmp_path / "2.png")
    stored = read_pictures(tmp_path)
    np.testing.assert_array_equal(stored_again(images, list(stored.forms), 0), stored.images)
    assert stored.images.ndim == 3


def test_several_pictures_in_a_file_and_four_colours(tmp_path):
    image = Image.fromarray(pictures(1)[0])
    image.save(tmp_path / "1.jpg", "MPO", save_all=True, append_images=[image], quality=70)
    (form,) = read_pictures(tmp_path).forms
    assert form.name == "JPEG of quality 70 (4:2:0)" and is_repeatable(form)
    image.convert("CMYK").save(tmp_path / "1.jpg", quality=70)
    (form,) = read_pictures(tmp_path).forms
    assert form.loss == LOSSY and not is_repeatable(form)


@pytest.mark.parametrize("quality", [50, 80, 95])
def test_the_quality_of_a_webp(tmp_path, quality):
    exif = Image.Exif()
    exif[0x010E] = "what is no picture does not count" * 9
    images = pictures(12)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i:02d}.webp", quality=quality, exif=exif)
    estimate = webp_quality(sorted(tmp_path.iterdir()))
    assert quality - 6 <= estimate <= quality + 3
    stored = read_pictures(tmp_path)
    again = stored_again(images, list(stored.forms) * 12, quality)
    np.testing.assert_array_equal(again, stored.images)
