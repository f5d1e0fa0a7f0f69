"""Sets in different units are refused or said; collapses, however fast, are not taken for one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.unit_changes import Spread, other_units
from tests.diagnosis.channel_histories import channel_history

UNITS = {
    "[0, 1]": (0.5, 0.5),
    "[-1, 1]": (1.0, 0.0),
    "[-0.5, 0.5]": (0.5, 0.0),
    "[0, 255]": (127.5, 127.5),
    "[0, 65535]": (32767.5, 32767.5),
}
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
    after = (
        f"generation 1 with latents after the factor {factor} of an autoencoder where those of the data are"
    )
    assert any(after in note for note in measured(raw[0], history, scale=1.0).notes)
    before = (
        f"generation 1 with latents before the factor {factor} of an autoencoder where those of the data are"
    )
    assert any(before in note for note in measured(LATENTS, raw[1:], scale=1.0).notes)
    assert not any("differ" in note for note in measured(raw[0], raw[1:], scale=1.0).notes)


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


def spread(samples):
    return Spread(samples.mean(axis=0), samples.std(axis=0), float(samples.min()), float(samples.max()))
