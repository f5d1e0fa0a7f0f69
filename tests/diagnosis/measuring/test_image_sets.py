"""Equal channels, borders, copies and formats of images: curves are those of the images alone, or it is said."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring.copies import digests_of
from hermite_collapse.storage.image_forms import OPENING, _table
from tests.diagnosis.measuring.image_sets import VALUE_RANGE, digits, write, write_sets

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def sets():
    return digits()


def measured(real, generations, **options):
    return hc.measure(real, generations, directions=6, degrees=2, value_range=VALUE_RANGE, **options)


@pytest.fixture(scope="module")
def plain(sets):
    return measured(sets[0], sets[1:])


def require_same(one, other):
    """The curves are those of the plain images, with their errors."""
    assert one.names == other.names
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)
    np.testing.assert_allclose(one.noise, other.noise, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(one.data, other.data, rtol=1e-9)
    assert one.samples.tolist() == other.samples.tolist()


def said(curves, words):
    return any(words in note for note in curves.notes)


def coloured(images):
    return np.repeat(images[..., None], 3, axis=3)


def bordered(images):
    return np.pad(images, [(0, 0), (2, 2), (2, 2)])


def enlarged(images):
    return images.repeat(2, axis=1).repeat(2, axis=2)


def opaque(images):
    return np.concatenate([coloured(images), np.full((*images.shape, 1), 255, np.uint8)], axis=3)


CHANGES = {
    "colour": (coloured, "The 3 channels are equal in all images"),
    "channels first": (lambda x: np.repeat(x[:, None], 3, axis=1), "The 3 channels are equal in all images"),
    "border": (bordered, "80 of the 144 numbers of a sample are constant"),
    "enlarged": (enlarged, "192 of the 256 numbers of a sample are equal to others"),
    "colour and border": (lambda x: coloured(bordered(x)), "80 of the 432 numbers of a sample are constant"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_numbers_that_say_nothing_new_are_measured_once(sets, plain, change):
    made, words = CHANGES[change]
    curves = measured(made(sets[0]), [made(x) for x in sets[1:]])
    require_same(curves, plain)
    assert said(curves, words)
    assert curves.sheet.shape[2:4] == made(sets[0]).shape[1:3] or change == "channels first"


@pytest.mark.parametrize(
    ("suffix", "made"), [("png", coloured), ("png", opaque), ("gif", np.asarray), ("webp", np.asarray)]
)
def test_folders_of_grey_images_in_colour(tmp_path, sets, plain, suffix, made):
    options = {"lossless": True} if suffix == "webp" else {}
    curves = measured(*write_sets(tmp_path, [made(x) for x in sets], suffix, **options))
    require_same(curves, plain)
    assert said(curves, "The 3 channels are equal") and not said(curves, OPENING)


def test_the_truth_comes_back_from_grey_images_in_colour():
    """Three channels would be three times the variance with the noise of one: truncation was rejected."""
    history = digits(count=1000, samples=400, rounds=4, seed=3)
    curves = hc.measure(
        coloured(history[0]),
        [coloured(x) for x in history[1:]],
        directions=6,
        degrees=0,
        value_range=VALUE_RANGE,
    )
    diagnosis = hc.diagnose(curves, fresh_fraction=0.2)
    time = diagnosis.fits_by_mechanism["truncation"].parameters["truncation_time"]
    assert diagnosis.fits_by_mechanism["truncation"].p_value > 0.05
    assert abs(time.value - 0.05) < 3.0 * time.error and time.error < 0.005


def test_grey_and_colour_are_one_where_the_colours_are_grey(tmp_path, sets, plain):
    real, generations = write_sets(tmp_path / "a", sets)
    other = [write(tmp_path / "b" / f"gen_{i}", coloured(x)) for i, x in enumerate(sets[1:], start=1)]
    require_same(measured(real, other), plain)
    require_same(measured(write(tmp_path / "b" / "real", coloured(sets[0])), generations), plain)


def test_channels_that_are_equal_in_some_sets_only_are_refused(sets):
    rng = np.random.default_rng(0)
    grey = [coloured(x) for x in sets]
    colour = [np.clip(x.astype(int) + rng.integers(-9, 10, x.shape), 0, 255).astype(np.uint8) for x in grey]
    for real, generations, odd in (
        (grey[0], [grey[1], colour[2], grey[3]], "generation 2 whose channels differ"),
        (grey[0], [colour[1], colour[2], grey[3]], "generation 3 whose channels are equal"),
        (colour[0], [colour[1], grey[2], colour[3]], "generation 2 whose channels are equal"),
    ):
        with pytest.raises(InputError, match=odd):
            measured(real, generations)
    with pytest.raises(InputError, match="held_out must have equal channels"):
        measured(grey[0][:250], grey[1:], held_out=colour[0][250:])
    kept = measured(grey[0], colour[1:])  # a model of colours, whose noise is its own in each channel
    assert said(kept, "equal in all images of the data and in no generation") and kept.data[0] > 0.0


def test_levels_that_compression_moves_are_no_colours(sets, plain):
    """Decoders of WebP give channels that differ by one level."""
    rng = np.random.default_rng(1)
    moved = [coloured(x) for x in sets]
    for x in moved:
        x[..., 2] = np.clip(x[..., 2].astype(int) + rng.integers(-1, 2, x.shape[:3]), 0, 255)
    require_same(measured(moved[0], moved[1:]), plain)


def test_borders_of_some_sets_are_said(sets):
    noisy = [x.copy() for x in sets]
    for x in noisy:
        x[:, 0, :] = np.random.default_rng(2).integers(0, 256, (len(x), 8))
    noisy[2][:, 0, :] = 0  # and nowhere else
    curves = measured(noisy[0], noisy[1:])
    assert said(
        curves,
        "of the 64 numbers of a sample are constant in some sets alone: ",
    )
    background = measured(sets[0], sets[1:])
    assert said(background, "of a sample are constant in the data alone, and measured")


@pytest.mark.parametrize("as_files", [True, False])
def test_copies_count_once(tmp_path, sets, plain, as_files):
    tripled = [sets[0], *(np.concatenate([x, x, x]) for x in sets[1:])]
    real, generations = write_sets(tmp_path, tripled) if as_files else (tripled[0], tripled[1:])
    curves = measured(real, generations)
    require_same(curves, plain)
    assert said(curves, "(600 samples, 200 different)") and said(curves, "each sample counts once")


def test_copies_of_the_data_count_as_the_models_saw_them(sets, plain):
    doubled = measured(np.concatenate([sets[0]] * 2), sets[1:])
    require_same(doubled, plain)
    assert doubled.data_samples == 500 and said(
        doubled, "real (1000 samples, 500 different): each sample counts once"
    )
    weighted = np.concatenate([sets[0], sets[0][:100], sets[0][:100]])
    curves = measured(weighted, sets[1:])
    assert curves.data_samples == 700 and said(curves, "each counts as often as it is there")
    assert not np.allclose(curves.data, plain.data, rtol=1e-3)
    unseen = measured(weighted, sets[1:], unseen=True)
    assert unseen.data_samples == 250 and said(
        unseen, "real (700 samples, 500 different): each sample counts once"
    )


def test_samples_of_other_sets_are_counted(sets):
    mixed = [
        sets[0],
        np.concatenate([sets[1][:100], sets[0][:100]]),
        sets[2],
        np.concatenate([sets[3], sets[2][:50]]),
    ]
    curves = measured(mixed[0], mixed[1:])
    assert said(curves, "100 of generation 1 in real, 50 of generation 3 in generation 2")
    assert curves.samples.tolist() == [200, 200, 250]


def test_few_values_and_a_single_image_are_no_copies():
    rng = np.random.default_rng(4)
    real = rng.integers(0, 4, (200, 2)).astype(float) - 1.5
    curves = hc.measure(real, [rng.integers(0, 4, (150, 2)) - 1.5], degrees=0)
    assert curves.samples.tolist() == [150] and said(curves, "equal by chance")
    dead = hc.measure(rng.normal(size=(100, 5)), [np.ones((60, 5))], degrees=0)
    assert dead.samples.tolist() == [60]
    with pytest.raises(InputError, match="generation 1 must hold at least 20 different samples, got 6"):
        hc.measure(rng.normal(size=(100, 5)), [np.repeat(rng.normal(size=(6, 5)), 10, axis=0)])


def test_digests_are_equal_for_equal_samples_alone():
    x = np.random.default_rng(5).normal(size=(2000, 3))
    x[7], x[9] = x[3], -x[3]
    assert len(np.unique(digests_of(x))) == 1999
    assert digests_of(np.array([[0.0, 1.0]])) == digests_of(np.array([[-0.0, 1.0]]))
    assert len(np.unique(digests_of(np.eye(50)))) == 50


def test_curves_that_a_jpeg_moves_are_left_out(tmp_path):
    """Quality 75 gave .064 +- .002, "identified"; what it moves is left out, and what is left is true."""
    history = digits(count=1000, samples=500, rounds=3, seed=3)
    curves = measured(*write_sets(tmp_path, history, "jpg", real_suffix="png", quality=75))
    assert said(curves, f"{OPENING}real 1000 PNG; gen_1 to gen_3 (each) 500 JPEG of quality 75. They differ.")
    assert said(
        curves, "Curves that rounding to 8 bits and JPEG of quality 75 could move by more than their errors"
    )
    diagnosis = hc.diagnose(curves, fresh_fraction=0.2)
    assert OPENING in diagnosis.text and diagnosis.fits_by_mechanism["truncation"].p_value > 0.05
    time = diagnosis.fits_by_mechanism["truncation"].parameters["truncation_time"]
    assert abs(time.value - 0.05) < 2.0 * time.error
    exact = measured(history[0], history[1:])
    index = [exact.names.index(name) for name in curves.names]
    assert 2 < len(index) < len(exact.names)
    moved = np.abs(curves.values - exact.values[:, index]) / exact.standard_errors[:, index]
    assert moved.max() < 1.0
    lost = np.setdiff1d(np.arange(len(exact.names)), index)
    again = np.stack([as_jpeg(x, 75) for x in history[1:2]])
    whole = measured(history[0], list(again))
    assert np.abs((whole.values - exact.values[:1])[:, lost] / exact.standard_errors[:1, lost]).max() > 2.0


def as_jpeg(images, quality):
    """The same images after the table, by a plain cosine transform."""
    from scipy.fft import dctn, idctn

    table = _table(quality).reshape(8, 8)
    coefficients = dctn(images - 128.0, axes=(1, 2), norm="ortho")
    pixels = idctn(np.rint(coefficients / table) * table, axes=(1, 2), norm="ortho") + 128.0
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def test_a_jpeg_that_hides_all_curves_is_refused(tmp_path, sets):
    folders = write_sets(tmp_path, sets, "jpg", real_suffix="png", quality=20)
    with pytest.raises(
        InputError, match="real must show a curve that rounding to 8 bits and JPEG of quality 20 does not"
    ):
        measured(*folders)


def test_data_in_a_lossy_format_are_what_the_models_read(tmp_path, sets):
    real = write(tmp_path / "real", sets[0], "jpg", quality=90)
    generations = [write(tmp_path / f"gen_{i}", x) for i, x in enumerate(sets[1:], start=1)]
    curves = measured(real, generations)
    assert said(
        curves, "real 500 JPEG of quality 90; gen_1 to gen_3 (each) 200 PNG. They differ. The data are taken"
    )
    assert len(curves.names) == len(measured(sets[0], sets[1:]).names)


def test_folders_in_folders_are_counted(tmp_path, sets, plain):
    real, generations = write_sets(tmp_path, sets)
    for i, file in enumerate(sorted(generations[0].iterdir())):
        part = generations[0] / ("train" if i < 150 else "val") / "digits"
        part.mkdir(parents=True, exist_ok=True)
        file.rename(part / file.name)
    curves = measured(real, generations)
    require_same(curves, plain)
    assert said(curves, "gen_1: the images of train/digits (150), val/digits (50)")
    for file in list(real.iterdir()):
        part = real / ("train" if int(file.stem) < 400 else "test")
        part.mkdir(exist_ok=True)
        file.rename(part / file.name)
    with pytest.raises(
        InputError, match=r"got folders test \(100\)|got folders train \(400\) and test \(100\)"
    ):
        measured(real, generations)
    seen = measured(real / "train", generations, held_out=real / "test")
    assert seen.data_samples == 400


def test_generations_of_far_fewer_samples_are_said(sets):
    assert said(
        measured(sets[0], [sets[1], sets[2][:40], sets[3]]), "generation 2 (40): is sampling complete?"
    )
    assert not said(measured(sets[0], [sets[1], sets[2][:60], sets[3]]), "sampling complete")
