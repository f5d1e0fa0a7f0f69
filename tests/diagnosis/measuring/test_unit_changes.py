"""Sets in different units are refused or said; collapses, however fast, are not taken for one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring.unit_changes import Spread, other_units
from hermite_collapse.storage.units import Units
from tests.diagnosis.channel_histories import channel_history

UNITS = {
    "[0, 1]": (0.5, 0.5),
    "[-1, 1]": (1.0, 0.0),
    "[-0.5, 0.5]": (0.5, 0.0),
    "[0, 255]": (127.5, 127.5),
    "[0, 65535]": (32767.5, 32767.5),
}
BYTES = Units(127.5, 127.5, False, 8)
RNG = np.random.default_rng(0)
IMAGES = np.clip(
    np.linspace(-0.8, 0.5, 12) + RNG.standard_normal((400, 1)) * 0.4 + 0.3 * RNG.standard_normal((400, 12)),
    -1.0,
    1.0,
)
LATENTS = RNG.standard_normal((400, 12)) * np.linspace(0.7, 1.2, 12)
HISTORY = channel_history(IMAGES, fresh_fraction=0.2, time=0.05, rounds=4, samples=400, rng=RNG)


def in_unit(samples, name):
    scale, shift = UNITS[name]
    return samples * scale + shift


def measured(real, generations, **options):
    return hc.measure(real, generations, directions=3, degrees=0, **options)


@pytest.mark.parametrize(("one", "other"), list(permutations(UNITS, 2)))
def test_every_pair_of_ranges_is_noticed(one, other):
    real, generations = in_unit(IMAGES, one), [in_unit(x, other) for x in HISTORY]
    message = f"generation 1 with numbers of {other} where those of the data are of {one}"
    scale, shift = UNITS[one]
    if max(scale / UNITS[other][0], UNITS[other][0] / scale) > 50:
        with pytest.raises(InputError, match="store both in one unit, whatever scale") as problem:
            measured(real, generations, scale=scale, shift=shift)
        assert message in str(problem.value)
    else:
        notes = measured(real, generations, scale=scale, shift=shift).notes
        assert f"The units are taken as given; they seem to differ: {message}." in notes
    if max(scale, UNITS[other][0]) < 2:
        with pytest.raises(InputError, match=r"or give scale=1 \(--scale 1\) if they are") as problem:
            measured(real, generations)
        assert message in str(problem.value)


def test_one_generation_among_others():
    generations = [in_unit(x, "[0, 1]") if i == 2 else x for i, x in enumerate(HISTORY)]
    with pytest.raises(InputError, match=r"generation 3 with numbers of \[0, 1\]"):
        measured(IMAGES, generations)
    with pytest.raises(InputError, match=r"held_out with numbers of \[0, 1\]"):
        measured(IMAGES[:200], HISTORY, held_out=in_unit(IMAGES[200:], "[0, 1]"))
    with pytest.raises(InputError, match=r"generation 1 with numbers of \[0, 1\]"):
        measured(IMAGES, [in_unit(HISTORY[0], "[0, 1]")])


@pytest.mark.parametrize(("factor", "shift"), [(0.18215, 0.0), (0.13025, 0.0), (0.3611, 0.1159)])
def test_latents_on_both_sides_of_a_factor(factor, shift):
    history = channel_history(LATENTS, fresh_fraction=0.2, time=0.05, rounds=3, samples=400, rng=RNG)
    raw = [x / factor + shift for x in (LATENTS, *history)]
    for real, generations, where, beside, ratio in (
        (raw[0], history, "after", "before", factor),
        (LATENTS, raw[1:], "before", "after", 1.0 / factor),
    ):
        (note,) = (n for n in measured(real, generations, scale=1.0).notes if "differ" in n)
        assert f"times those of the set before it, as latents {where} the factor {factor} of an" in note
        assert f"have beside those {beside} it" in note
        said = float(note.split("with deviations ")[1].split()[0])
        assert abs(np.log(said / ratio)) < 0.12
    assert not any("differ" in note for note in measured(raw[0], raw[1:], scale=1.0).notes)


@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_a_fall_of_the_spread_is_refused_only_where_the_means_say_it_too(mean):
    """Latents about 0 whose spread falls once by such a factor may be those of a collapse; nobody can tell."""
    real = LATENTS * 2.5 + mean
    history = [
        0.18 * x for x in channel_history(real, fresh_fraction=0.2, time=0.05, rounds=3, samples=400, rng=RNG)
    ]
    if mean:
        with pytest.raises(
            InputError, match=r"with deviations 0\.1\d+ times those of the set before it, as latents"
        ):
            measured(real, history)
    else:
        (note,) = (n for n in measured(real, history).notes if "differ" in n)
        assert note.startswith(
            "The units are taken as they are; they seem to differ: generation 1 with deviations"
        )


FULL = [
    (255, 16, 8),
    (255, 15, 8),
    (16, 255, 8),
    (255, 127, 8),
    (65535, 16383, 16),
    (65535, 4095, 16),
    (4095, 65535, 16),
    (65535, 1023, 16),
]


def pixels(samples, full, bits):
    """Return rounded images of samples in [-1, 1], which fill a part of the full scale as those of people do."""
    part = np.clip(0.5 + 0.4 * samples, 0.0, 1.0)
    return np.rint(part * full).astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize(("one", "other", "bits"), FULL)
def test_images_of_one_depth_and_two_full_scales(one, other, bits):
    real, *generations = (pixels(x, other if i else one, bits) for i, x in enumerate((IMAGES, *HISTORY)))
    sets = {f"gen_{i}": spread(x.astype(float)) for i, x in enumerate(generations, start=1)}
    found = other_units(spread(real.astype(float)), sets, bits)
    message = f"gen_1 with values up to {generations[0].max()} where those of the data go up to {real.max()}, as images"
    assert found is not None and found.text.startswith(message)
    assert found.is_certain == (max(one / other, other / one) > 50)
    if one != max(one, other):
        return  # only files say that such numbers are those of images
    half = (2**bits - 1) / 2
    assert found.is_open == (one / other < 8)
    if found.is_open:
        assert any(message[6:] in note for note in measured(real, generations).notes)
        return
    with pytest.raises(InputError) as problem:
        measured(real, generations)
    assert message[6:] in str(problem.value)
    if not found.is_certain:
        assert f"give scale={half:g}, shift={half:g} if they are" in str(problem.value)
        notes = measured(real, generations, scale=half, shift=half).notes
        assert any(message[6:] in note for note in notes)


@pytest.mark.parametrize("full", [255, 200])
def test_images_of_one_full_scale_are_no_others(full):
    sets = [pixels(x, full, 8) for x in (IMAGES, *HISTORY)]
    assert not any("unit" in note for note in measured(sets[0], sets[1:]).notes)


@pytest.mark.parametrize(("divisor", "shift"), [(255.0, 0.0), (127.5, -1.0), (127.5, 0.0)])
def test_numbers_that_were_divided_twice(divisor, shift):
    with pytest.raises(InputError, match="generation 1 with numbers .*: store both in one unit"):
        measured(IMAGES, [x / divisor + shift for x in HISTORY])


@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_generations_may_vanish(factor):
    """Second moments of the data say the units, and those of generations may fall below."""
    sets = [IMAGES * factor**i for i in range(5)]
    values = measured(sets[0], sets[1:]).values
    np.testing.assert_allclose(values[1:] / values[:-1], factor**2, rtol=1e-6)


def truncation(time):
    return lambda x, rng: np.exp(-time / 2) * x + np.sqrt(-np.expm1(-time)) * rng.standard_normal(x.shape)


def to_the_mean(factor):
    return lambda x, rng: x.mean(axis=0) + factor * (x - x.mean(axis=0))


def scaled(factor):
    return lambda x, rng: factor * x


def refit(x, rng):
    few = x[rng.integers(len(x), size=3)]
    return few.mean(axis=0) + rng.standard_normal((len(x), 3)) @ (few - few.mean(axis=0)) / np.sqrt(3)


ROUNDS = {
    **{f"truncation {t}": truncation(t) for t in (0.01, 0.5, 1.386, 2.0)},
    **{f"to the mean by {a}": to_the_mean(a) for a in (0.25, 0.5, 2.0)},
    **{f"scaled by {a}": scaled(a) for a in (0.18215, 0.5, 2.0)},
    "refit": refit,
}


@pytest.mark.parametrize("fresh_fraction", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("name", ROUNDS)
def test_fast_collapses_are_no_change_of_units(name, fresh_fraction):
    """Deviations may change by any factor, also by one of those, as long as later rounds go on."""
    rng = np.random.default_rng(1)
    for data in (IMAGES, in_unit(IMAGES, "[0, 1]"), in_unit(IMAGES, "[-0.5, 0.5]"), LATENTS):
        last, sets = data, {}
        for i in range(1, 5):
            is_fresh = rng.random((400, 1)) < fresh_fraction
            drawn = np.where(is_fresh, data[rng.integers(400, size=400)], last[rng.integers(400, size=400)])
            last = ROUNDS[name](drawn, rng)
            sets[f"generation {i}"] = spread(last)
        assert other_units(spread(data), sets) is None
        in_bytes = {set_name: one.stored(BYTES) for set_name, one in sets.items()}
        if data is IMAGES and not name.startswith("scaled"):
            assert other_units(spread(data).stored(BYTES), in_bytes, 8) is None


def spread(samples):
    return Spread(samples.mean(axis=0), samples.std(axis=0), float(samples.min()), float(samples.max()))
