"""What finite training sets do to curves of samplers: the mean over drawn training sets, and whole histories."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.reweighting import followed
from hermite_collapse.diagnosis.samplers.finite_sets import MOST_NODES, FiniteSets, Scatter, grouped
from hermite_collapse.diagnosis.samplers.matrix_rounds import Law, MatrixRounds
from hermite_collapse.diagnosis.samplers.sampler_model import MOVED, SamplerModel, interpolant_of
from tests.diagnosis.samplers.test_sampler_errors import SAMPLERS, WIDTHS, unseen_history

ALPHA, ROUNDS, TRAINED, HISTORIES = 0.2, 4, 400, 250
WIDE = np.geomspace(2.0, 2e-6, 24)


def drawn_mean(sampler, variances, *, histories, trained=TRAINED, seed=0):
    """Mean variances along the data's axes of models of drawn training sets, and standard errors."""
    rng, count, out = np.random.default_rng(seed), len(variances), []
    for _ in range(histories):
        model, row = np.diag(variances), []
        for i in range(ROUNDS):
            new = trained if i == 0 else round(ALPHA * trained)
            samples = rng.standard_normal((new, count)) * np.sqrt(variances)
            if new < trained:
                values, axes = np.linalg.eigh(model)
                old = rng.standard_normal((trained - new, count)) * np.sqrt(np.maximum(values, 0.0))
                samples = np.concatenate([samples, old @ axes.T])
            values, axes = np.linalg.eigh(samples.T @ samples / trained)
            model = (axes * sampler.variance(np.maximum(values, 0.0))) @ axes.T
            row.append(np.diagonal(model))
        out.append(row)
    return np.mean(out, axis=0), np.std(out, axis=0) / np.sqrt(histories)


@cache
def drawn_of_wide(name):
    return drawn_mean(SAMPLERS[name][1], WIDE, histories=HISTORIES)


def predicted_mean(sampler, variances, *, trained=TRAINED, spectrum=None, counts=None, memory=True):
    maps = MatrixRounds(sampler, interpolant_of(sampler))
    law = model = Law(np.diag(variances)[None], np.zeros((1, len(variances))))
    spectrum = variances if spectrum is None else spectrum
    counts = np.ones(len(spectrum)) if counts is None else counts
    sets = FiniteSets(spectrum, counts, trained, np.inf, np.arange(1.0, ROUNDS + 1), np.full(ROUNDS, 1e3))
    alpha, out = np.array([[ALPHA]]), []
    scatter = None if trained is None else Scatter.before(sets, alpha, len(variances))
    for _ in range(ROUNDS):
        model = maps.trained(alpha, law, model, scatter).model
        if not memory:
            scatter.between[:] = 0.0
            scatter.own[:] = 0.0
        out.append(model.along(len(variances))[0])
    return np.array(out)


@pytest.mark.parametrize("name", ["heun", "ddim"])
def test_the_mean_over_training_sets_is_that_of_drawn_ones(name):
    """Within three errors and a tenth of what is added, which the next order, d/T = 0.06, may be."""
    sampler = SAMPLERS[name][1]
    mean, error = drawn_of_wide(name)
    plain = predicted_mean(sampler, WIDE, trained=None)

    def misses(prediction):
        return np.abs(prediction - mean) / (3.0 * error + 0.1 * np.abs(prediction - plain))

    assert misses(predicted_mean(sampler, WIDE)).max() < 1.3
    assert misses(plain).max() > 2.0
    assert misses(predicted_mean(sampler, WIDE, trained=TRAINED // 2)).max() > 1.5
    assert misses(predicted_mean(sampler, WIDE, memory=False))[-1].max() > 1.5


@pytest.mark.parametrize("name", ["heun", "ddim"])
def test_what_training_sets_add_scatters_as_drawn_ones_do(name):
    """Variances over histories, in narrow directions: first order alone is a fraction of them."""
    sampler, drawn = SAMPLERS[name][1], HISTORIES * np.square(drawn_of_wide(name)[1])
    maps = MatrixRounds(sampler, interpolant_of(sampler))
    law = model = Law(np.diag(WIDE)[None], np.zeros((1, len(WIDE))))
    sets = FiniteSets(WIDE, np.ones(len(WIDE)), TRAINED, np.inf, np.arange(1.0, 5.0), np.full(4, 1e3))
    alpha, own = np.array([[ALPHA]]), []
    scatter = Scatter.before(sets, alpha, len(WIDE))
    for _ in range(ROUNDS):
        trained = maps.trained(alpha, law, model, scatter)
        order = np.argmax(np.abs(trained.axes[0]), axis=1)
        own.append(2.0 * scatter.own[0, order])
        model = trained.model
    added = np.einsum("iib->ib", scatter.joint())[:, order]
    ratio = (np.array(own) + added) / drawn
    assert np.abs(np.log(ratio)).max() < 0.4 and abs(np.log(ratio).mean()) < 0.1
    assert np.min(np.array(own) / drawn) < 0.4


def test_a_long_spectrum_may_be_grouped():
    sampler, long = SAMPLERS["heun"][1], np.geomspace(2.0, 2e-6, 600)
    spectrum, counts = grouped(long)
    assert len(spectrum) == MOST_NODES and counts.sum() == 600
    assert spectrum @ counts == pytest.approx(long.sum(), rel=1e-12)
    some = long[::50]
    plain = predicted_mean(sampler, some, trained=None)
    exact = predicted_mean(sampler, some, trained=20_000, spectrum=long) - plain
    short = predicted_mean(sampler, some, trained=20_000, spectrum=spectrum, counts=counts) - plain
    assert np.abs(short - exact).max(axis=0) / np.abs(exact).max(axis=0) == pytest.approx(0.0, abs=0.03)


def test_affine_round_maps_have_no_bias():
    """V(w) = a w + b has divided differences of second order 0."""
    sampler = hc.mechanisms.Truncation(0.1)
    assert predicted_mean(sampler, WIDE) == pytest.approx(
        predicted_mean(sampler, WIDE, trained=None), rel=1e-6
    )


def test_directions_that_training_sets_move_too_far_are_left_out_and_named():
    measured = unseen_history("ddim", np.sqrt(WIDE), fresh=0.2, real=600, trained=300, rounds=4, seed=1).only(
        np.array([0, 4, 9, 14])
    )
    result = hc.diagnose(measured, sampler=SAMPLERS["ddim"][1], mechanism="sampler")
    narrowest = measured.names[-1]
    assert narrowest not in result.observations.names and len(result.observations.names) > 1
    assert "may move them by more than a third of their variance" in result.text and narrowest in result.text
    tails = measured.data_scatter.copy()
    tails[1, 1] *= 1e4
    heavy = measured.replace(data_scatter=tails, training_samples=3000)
    model, observations = SamplerModel.of(SAMPLERS["ddim"][1]), followed(heavy, 0.2)
    assert measured.names[1] in model.uncertain(observations, 0.2)[MOVED]
    large = measured.replace(training_samples=1_000_000)
    named = hc.diagnose(large, sampler=SAMPLERS["ddim"][1], mechanism="sampler").observations.names
    assert narrowest in named


def test_the_spectrum_is_kept_in_files_and_files_without_it_are_read(tmp_path):
    measured = unseen_history("heun", WIDTHS["four"], fresh=0.2, real=400, trained=200, rounds=3, seed=0)
    measured.save(tmp_path / "new.nc")
    assert hc.Measured.load(tmp_path / "new.nc") == measured
    assert len(measured.moments.spectrum) == 4
    older = measured.replace(moments=measured.moments.replace(spectrum=None))
    older.save(tmp_path / "old.nc")
    assert hc.Measured.load(tmp_path / "old.nc").moments.spectrum is None
    np.testing.assert_allclose(np.sort(older.moments.variances)[::-1], measured.moments.spectrum, rtol=1e-9)


def verdicts(seeds):
    """p-values and errors of the fresh fraction, in its standard errors, of the true sampler."""
    found, variances = [], np.geomspace(2.0, 2e-6, 48)
    for seed in seeds:
        measured = unseen_history(
            "heun", np.sqrt(variances), fresh=ALPHA, real=2400, trained=800, rounds=8, seed=100 + seed
        ).only(np.array([0, 2, 5, 8, 12, 13, 14, 15]))
        one = hc.diagnose(measured, sampler=SAMPLERS["heun"][1], mechanism="sampler").fits_by_mechanism[
            "sampler"
        ]
        value, error = one.fitted["fresh_fraction"]
        found.append((one.p_value, (value - ALPHA) / error))
    return np.transpose(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_fresh_fraction_is_right_whatever_the_widths_of_directions(monkeypatch):
    """Over 12 histories, whose root of the mean square scatters by a fifth."""
    p, z = verdicts(range(12))
    assert np.sum(p < 0.05) <= 3 and np.sqrt(np.mean(z**2)) < 1.5
    monkeypatch.setattr(MatrixRounds, "scatter", lambda *arguments: None)
    _, without = verdicts(range(12))
    assert np.sqrt(np.mean(without**2)) > 1.6 and without.mean() > 1.0
