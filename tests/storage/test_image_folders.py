"""Which images of a folder are read: those at its top or those in its folders, counted, never some without a word."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.image_folders import image_folder
from hermite_collapse.storage.image_forms import BLOCKS, LOSSLESS, LOSSY, PALETTE, _table
from hermite_collapse.storage.labelled import read_labelled
from hermite_collapse.storage.pictures import read_pictures
from hermite_collapse.storage.samples import read_stored

Image = pytest.importorskip("PIL.Image")
GREY = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 8)).astype(np.uint8))


def put(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        GREY.save(folder / name)


def test_folders_at_any_depth_in_natural_order(tmp_path):
    put(tmp_path / "b" / "2", "1.png")
    put(tmp_path / "b" / "10", "1.png", "2.png")
    put(tmp_path / "a", "10.png", "9.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "labels.txt").write_text("a")
    put(tmp_path / ".ipynb_checkpoints", "1-checkpoint.png")
    inside = image_folder(tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in inside.files] == [
        *("a/9.png", "a/10.png", "b/2/1.png", "b/10/1.png", "b/10/2.png")
    ]
    assert inside.counts == {"a": 2, "b/2": 1, "b/10": 2} and inside.others == {}
    assert inside.text == "the images of a (2), b/2 (1), b/10 (2)" and inside.splits is None
    assert read_stored(tmp_path).shape == (5, 9, 8)


def test_many_folders_are_summed_up_and_other_samples_named(tmp_path):
    for i in range(6):
        put(tmp_path / f"n{i}", *(f"{j}.png" for j in range(1 + i)))
    (tmp_path / "latents.npy").write_bytes(b"")
    (tmp_path / "n1" / "more.ppm").write_bytes(b"")
    assert image_folder(tmp_path).text == "the images of 6 folders (1 to 6 each), not 1 .npy, 1 .ppm"
    put(tmp_path / "flat", "1.png")
    assert image_folder(tmp_path / "flat").text == ""


@pytest.mark.parametrize("deep", [False, True])
def test_images_at_two_depths_are_refused(tmp_path, deep):
    top = tmp_path / "in" if deep else tmp_path
    put(top, "1.png", "2.png")
    put(top / "masks", "1.png")
    with pytest.raises(
        InputError, match=rf"must lie at the top.*got 2 images in {top.name} and 1 in masks \(1\)"
    ):
        read_stored(tmp_path)


def test_a_loop_of_links_is_followed_once(tmp_path):
    put(tmp_path / "a", "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert image_folder(tmp_path).counts == {"a": 1}


def test_splits(tmp_path):
    put(tmp_path / "Train" / "cats", "1.png", "2.png")
    put(tmp_path / "val" / "cats", "1.png")
    assert image_folder(tmp_path).splits == ("Train (2)", "val (1)")
    with pytest.raises(InputError, match="samples must have one folder for each class, got 'Train/cats'"):
        read_labelled(tmp_path, scale=127.5)


FORMS = {
    "png": ({}, "PNG", LOSSLESS),
    "bmp": ({}, "BMP", LOSSLESS),
    "gif": ({}, "GIF", PALETTE),
    "webp": ({"lossless": True}, "WebP", LOSSLESS),
    "jpg": ({"quality": 83}, "JPEG of quality 83", BLOCKS),
}


@pytest.mark.parametrize("suffix", FORMS)
def test_forms(tmp_path, suffix):
    options, name, loss = FORMS[suffix]
    GREY.save(tmp_path / f"1.{suffix}", **options)
    (form,) = read_pictures(tmp_path).forms
    assert (form.name, form.loss) == (name, loss)
    assert (form.tables != ()) == (suffix == "jpg")


def test_forms_that_lose_something(tmp_path):
    for quality in (1, 30, 50, 75, 95, 100):
        GREY.save(tmp_path / "1.jpg", quality=quality)
        (form,) = read_pictures(tmp_path).forms
        assert form.name == f"JPEG of quality {quality}" and form.tables == (tuple(_table(quality)),)
    GREY.save(tmp_path / "1.jpg", qtables=[list(range(2, 66))])
    assert "about quality" in next(iter(read_pictures(tmp_path).forms)).name
    (tmp_path / "1.jpg").unlink()
    exif = Image.Exif()
    exif[0x010E] = "so that the chunks of the file begin with another one"
    for options in ({}, {"exif": exif}):
        GREY.save(tmp_path / "1.webp", quality=70, **options)
        (form,) = read_pictures(tmp_path).forms
        assert (form.name, form.loss) == ("lossy WebP", LOSSY)
    GREY.save(tmp_path / "1.webp", lossless=True, exif=exif)
    assert next(iter(read_pictures(tmp_path).forms)).loss == LOSSLESS
    (tmp_path / "1.webp").unlink()
    GREY.save(tmp_path / "1.png")
    GREY.save(tmp_path / "2.tiff", compression="jpeg")
    forms = {(form.name, form.loss): count for form, count in read_pictures(tmp_path).forms.items()}
    assert forms == {("PNG", LOSSLESS): 1, ("TIFF with jpeg", LOSSY): 1}
