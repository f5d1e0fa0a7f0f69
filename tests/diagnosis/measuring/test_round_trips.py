"""What lossy formats change in curves is told from data stored again; the originals say how well."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring.choice import choose_curves
from hermite_collapse.diagnosis.measuring.coordinates import Coordinates
from hermite_collapse.diagnosis.measuring.image_axes import image_axes
from hermite_collapse.diagnosis.measuring.round_trips import RoundTrips
from hermite_collapse.storage.image_forms import OPENING
from hermite_collapse.storage.pictures import read_pictures
from hermite_collapse.storage.recompression import stored_again
from hermite_collapse.storage.units import units_of
from tests.diagnosis.channel_histories import channel_history
from tests.diagnosis.measuring.image_sets import VALUE_RANGE, digits, write, write_sets

Image = pytest.importorskip("PIL.Image")
SIZE = 16
UNITS = units_of(np.zeros((1, 1), np.uint8), value_range=VALUE_RANGE)
FORMATS = {
    "JPEG 95": ("jpg", {"quality": 95, "subsampling": 0}),
    "JPEG 75 4:2:0": ("jpg", {"quality": 75}),
    "JPEG 50": ("jpg", {"quality": 50, "subsampling": 0}),
    "WebP 80": ("webp", {"quality": 80}),
}


def colours(count=240, samples=200, rounds=2, seed=0, size=SIZE):
    """Gaussian images of a known spectrum, bright ones wider than their colours, and generations of them, as bytes."""
    rng = np.random.default_rng(seed)
    frequency = size * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    amplitude = (1.0 + frequency) ** -1.2
    amplitude /= np.sqrt(np.mean(amplitude**2))
    fields = np.fft.ifft2(np.fft.fft2(rng.standard_normal((count, 3, size, size))) * amplitude).real
    bright, blue, red = 0.45 * np.moveaxis(fields, 1, 0) * np.array([1.0, 0.35, 0.35])[:, None, None, None]
    data = np.stack([bright + 1.4 * red, bright - 0.34 * blue - 0.71 * red, bright + 1.77 * blue], axis=3)
    levels = [to_bytes(data.reshape(count, -1), size)]
    start = (levels[0].reshape(count, -1) - UNITS.shift) / UNITS.scale
    history = channel_history(start, fresh_fraction=0.2, time=0.05, rounds=rounds, samples=samples, rng=rng)
    return [*levels, *(to_bytes(x, size) for x in history)]


def to_bytes(samples, size):
    pixels = np.rint(UNITS.shift + UNITS.scale * samples)
    return np.clip(pixels, 0, 255).astype(np.uint8).reshape(-1, size, size, 3)


@pytest.fixture(scope="module")
def sets():
    return colours()


class Curves:
    """Curves of the data and of generations before they were stored."""

    def __init__(self, sets):
        self.axes = image_axes((0, *sets[0].shape[1:]))
        self.data, *self.generations = (self.numbers(x) for x in sets)
        mean = self.data.mean(axis=0)
        self.functionals, _ = choose_curves(
            self.data, None, mean=mean, axes=self.axes, directions=6, degree=2
        )
        self.truth = self.functionals.of(self.data, is_law=True).values

    def numbers(self, images):
        return (images.reshape(len(images), -1) - UNITS.shift) / UNITS.scale

    def of(self, images):
        parts = [self.functionals.of(self.numbers(x)) for x in images]
        errors = [part.influences.std(axis=0) / np.sqrt(len(part.influences)) for part in parts]
        return np.array([part.values for part in parts]), np.array(errors)

    def estimate(self, forms, quality, values, errors):
        trips = RoundTrips(self.data, self.axes, Coordinates(None, self.axes), UNITS)
        return trips.bias(forms, quality, self.functionals, self.truth, values, errors)


@pytest.fixture(scope="module")
def curves(sets):
    return Curves(sets)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in {"JPEG 95", "JPEG 50"})) for name in FORMATS],
)
def test_the_estimate_is_what_the_format_changed(tmp_path, sets, curves, name):
    """From the stored files and the data alone; stored once more, files hardly change and would say nothing."""
    suffix, options = FORMATS[name]
    files = [read_pictures(write(tmp_path / str(i), x, suffix, **options)) for i, x in enumerate(sets[1:])]
    forms = files[0].forms
    values, errors = curves.of([part.images for part in files])
    estimate = curves.estimate(forms, options["quality"], values, errors) / errors
    true = (values - curves.of(sets[1:])[0]) / errors
    assert np.abs(true).max() > 4.0
    require_near(estimate, true)
    large = np.abs(true) > 3.0
    assert np.all(np.sign(estimate[large]) == np.sign(true[large]))
    count = len(files[0].images)
    twice = stored_again(files[0].images, list(forms) * count, options["quality"])
    again = (curves.of([twice])[0] - values[:1]) / errors[:1]
    assert np.abs(again).max() < 0.35 * np.abs(true[0]).max()


def require_near(estimate, true):
    """The truth is that of 200 images, and the estimate the largest one that a file allows."""
    assert np.all(np.abs(estimate - true) < 0.8 + 0.25 * np.abs(true))


def test_noise_without_a_trace_is_not_taken_for_none(curves, sets):
    """Noise of 9 levels is lost in a JPEG of quality 20: files of flat images may have held it."""
    rng = np.random.default_rng(0)
    flat = np.full_like(sets[1], 100) + rng.integers(0, 100, (len(sets[1]), 1, 1, 1)).astype(np.uint8)
    forms = forms_of(quality=20)
    noisy = np.rint(flat + 9.0 * rng.standard_normal(flat.shape)).astype(np.uint8)
    stored = stored_again(noisy, list(forms) * len(flat), 0)
    before, after = curves.of([flat, noisy])[0], curves.of([stored])[0]
    powers = np.flatnonzero(np.array(curves.functionals.kinds) == "power")[4:]
    lost = (before[1] - after[0])[powers]
    assert np.all(lost > 10.0 * np.abs(after[0] - before[0])[powers])
    estimate = curves.estimate(forms, 0, *curves.of([flat]))[0, powers]
    assert np.all(estimate < -lost) and np.all(estimate > -6.0 * lost)


def forms_of(**options):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (SIZE, SIZE)).save(Path(folder) / "1.jpg", **options)
        return read_pictures(Path(folder)).forms


def test_shares_of_forms_count(tmp_path, curves, sets):
    folder = write(tmp_path, sets[2][::2], "jpg", quality=95, subsampling=0)
    for i, image in enumerate(sets[2][1::2]):
        Image.fromarray(image).save(folder / f"other_{i}.jpg", quality=40)
    stored = read_pictures(folder)
    values, errors = curves.of([stored.images])
    true = (values - curves.of(sets[2:])[0]) / errors
    estimate = curves.estimate(stored.forms, 0, values, errors) / errors
    assert len(stored.forms) == 2 and np.abs(true).max() > 4.0
    require_near(estimate, true)


def measured(real, generations):
    return hc.measure(real, generations, directions=6, degrees=2, value_range=VALUE_RANGE)


def said(result, words):
    return any(words in note for note in result.notes)


@pytest.mark.parametrize("real_suffix", ["png", None])
def test_curves_that_formats_of_colours_move_are_left_out(tmp_path, sets, real_suffix):
    """Data and generations stored alike are moved as well: truncation was "identified" 10 to 80 errors away."""
    real, generations = write_sets(tmp_path, sets, "jpg", real_suffix=real_suffix, quality=75)
    result = measured(real, generations)
    form = "JPEG of quality 75 (4:2:0)"
    assert said(result, OPENING) and said(result, f"(each) 200 {form}.")
    assert said(result, f"rounding to 8 bits and {form} could move by more than their errors are left out: ")
    assert said(result, f"Those that are measured are moved by {form} by 0.")
    if real_suffix is None:
        return
    plain = measured(sets[0], sets[1:])
    index = [plain.names.index(name) for name in result.names]
    assert 2 < len(index) < len(plain.names)
    moved = (result.values - plain.values[:, index]) / result.standard_errors
    assert np.sqrt(np.sum(moved**2)) < 1.3
    lost = np.setdiff1d(np.arange(len(plain.names)), index)
    assert all("frequency" in plain.names[c] or "direction" in plain.names[c] for c in lost)


def test_a_quality_that_changes_is_asked_for_each_generation(tmp_path):
    grey = digits(count=300, samples=200, rounds=2)
    real = write(tmp_path / "real", grey[0])
    generations = [write(tmp_path / "gen_1", grey[1]), write(tmp_path / "gen_2", grey[2], "jpg", quality=40)]
    result = measured(real, generations)
    assert said(result, "gen_1 200 PNG; gen_2 200 JPEG of quality 40. They differ.")
    assert said(result, "are left out: ")
    better = [generations[0], write(tmp_path / "other" / "gen_2", grey[2], "jpg", quality=95)]
    assert len(measured(real, better).names) > len(result.names)


def test_formats_of_which_nothing_is_known_are_refused(tmp_path):
    """Palettes of colours, even where the data have them too; pictures of at most 256 pixels lose nothing by one."""
    large = colours(count=30, samples=25, rounds=1, size=20)
    real, generations = write_sets(tmp_path / "a", large, "gif")
    with pytest.raises(InputError, match="or as JPEG or WebP, got gen_1 with 25 GIF"):
        measured(real, generations)
    grey = digits(count=60, samples=30, rounds=1)
    tiff = [write(tmp_path / "t" / "gen_1", grey[1], "tiff", compression="jpeg")]
    with pytest.raises(InputError, match="or as JPEG or WebP, got gen_1 with 30 TIFF with jpeg"):
        measured(grey[0], tiff)


def test_a_cut_is_noticed_behind_a_lossy_format(tmp_path):
    """It spreads values from the ends of the range, so that fewer are counted there than were cut."""
    grey = digits(count=300, samples=200, rounds=1)
    cut = [np.clip(np.rint((x - 127.5) / 57.375 * 127.5 + 127.5), 0, 255).astype(np.uint8) for x in grey]
    real, generations = write_sets(tmp_path, cut, "jpg", real_suffix="png", quality=90)
    plain = hc.measure(cut[0], cut[1:], directions=3, degrees=0)
    stored = hc.measure(real, generations, directions=3, degrees=0)
    assert plain.clipping.is_biased and stored.clipping.is_biased
    counted = read_pictures(generations[0]).images
    at_ends = [np.mean((x == 0) | (x == 255)) for x in (cut[1], counted)]
    assert at_ends[1] < 0.8 * at_ends[0]
    assert abs(stored.clipping.shares[1].sum() - at_ends[0]) < 0.12 * at_ends[0]
    inside = write(tmp_path / "inside" / "gen_1", grey[1], "jpg", quality=90)
    uncut = hc.measure(grey[0], [inside], directions=3, degrees=0, value_range=VALUE_RANGE)
    assert not uncut.clipping.is_biased


def test_grey_webp_beside_grey_png(tmp_path):
    """Decoders give colours that differ by a level or two."""
    grey = digits(count=200, samples=100, rounds=1)
    real, generations = write_sets(tmp_path, grey, "webp", real_suffix="png", quality=95)
    result = measured(real, generations)
    assert said(result, "real 200 PNG; gen_1 100 lossy WebP. They differ.")
    exact = measured(grey[0], grey[1:])
    index = [exact.names.index(name) for name in result.names]
    assert np.abs((result.values - exact.values[:, index]) / result.standard_errors).max() < 1.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "real_suffix"),
    [("JPEG 95", "png"), ("JPEG 75 4:2:0", None), ("JPEG 50", "png"), ("WebP 80", None)],
)
def test_the_truth_comes_back_from_lossy_colours(tmp_path, name, real_suffix):
    """Both parameters are within their errors over histories; their errors are larger, as less is measured."""
    suffix, options = FORMATS[name]
    away = []
    for seed in range(10):
        history = colours(count=800, samples=500, rounds=6, seed=seed)
        folders = write_sets(tmp_path / str(seed), history, suffix, real_suffix=real_suffix, **options)
        fit = hc.diagnose(measured(*folders), fresh_fraction=0.2).fits_by_mechanism["truncation"]
        time = fit.parameters["truncation_time"]
        if time is not None:
            away.append((time.value - 0.05) / time.error)
    assert len(away) >= 6
    assert np.sqrt(np.mean(np.square(away))) < 1.6 and abs(np.mean(away)) < 0.3 + 2.5 / np.sqrt(len(away))
