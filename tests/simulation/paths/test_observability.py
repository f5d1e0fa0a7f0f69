"""Observability: paired, lower and upper estimates against closed forms; directions of the bias."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hermite_collapse as hc
from hermite_collapse.bounds.propagation.innovation import (
    PropagationRecord,
    PropagationRound,
    innovation_bounds,
)
from hermite_collapse.bounds.propagation.rows import bound_row, propagation_table
from hermite_collapse.bounds.propagation.solvable import SolvableFamily
from hermite_collapse.core.errors import InputError
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.paths.energies import follow_paths, path_energy, weight_check
from hermite_collapse.simulation.paths.ideal import draw_ideal_paths
from hermite_collapse.simulation.paths.observability import (
    observability_bounds,
    observability_of,
    paired_observability,
)
from hermite_collapse.simulation.paths.perturbations import (
    AlignedError,
    HyperbolicTangentError,
    LinearError,
    RandomFeatureError,
    TimeOnlyError,
    supremum_energy,
)
from hermite_collapse.simulation.paths.processes import ReverseProcess, time_nodes
from hermite_collapse.simulation.scores import MixtureDenoiser, score_of
from tests.linear_gaussian import LinearGaussianError
from tests.simulation.paths.solvable_paths import SolvablePaths


def law(weights, means, variances):
    return hc.GaussianMixture(weights, means, variances)


STARTS = {
    "point": law([1.0], [0.0], [0.0]),
    "mixture": law([0.4, 0.6], [-1.5, 1.0], [0.1, 0.3]),
    "atoms": law([0.4, 0.6], [-1.5, 1.0], [0.1, 0.0]),
}


def solvable(name, rho, n=16000, beta=0.5, steps=48):
    family = SolvableFamily(STARTS[name], beta, rho)
    process = SolvablePaths(family)
    paths = draw_ideal_paths(
        process,
        process.error,
        process.draw_end(n, seed=3),
        time_nodes(1.0, 0.0, steps),
        divergence=lambda y, t: y.new_zeros(len(y)),
        seed=7,
    )
    return family, paths


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", STARTS)
def test_solvable_family_by_every_estimator(name, rho):
    family, paths = solvable(name, rho, n=32000 if rho == 1.0 else 16000)
    eta, chi = family.observability().value, family.chi_square().value
    paired = paired_observability(paths)
    assert abs(paired.observability.value - eta) < 4 * paired.observability.error
    assert abs(paired.innovation.value - chi) < 4 * paired.innovation.error
    # The energy does not fluctuate here; what is left is quadrature of sin^2 on the graded grid.
    assert paired.energy.value == pytest.approx(family.energy, rel=2e-3)
    assert paired.observability.error < 0.02
    bounds = observability_of(paths, degree=5)
    assert bounds.lower.value < eta + 4 * bounds.lower.error
    assert bounds.upper.value > eta - 4 * bounds.upper.error
    assert (
        bounds.lower.value > eta - 4 * bounds.lower.error - 0.05
    )  # and the features are rich enough to be near
    if rho == 1.0:  # an error of a tenth would show: eight standard errors
        assert abs(paired.observability.value - 1.1 * eta) > 4 * paired.observability.error


def test_time_only_errors_are_judged_by_their_integral():
    """rho = 0: nothing is visible; rho > 0: a time-only error *is* visible."""
    _, silent = solvable("mixture", 0.0)
    _, loud = solvable("mixture", 0.5)
    assert abs(paired_observability(silent).observability.value) < 0.01
    visible = paired_observability(loud).observability
    assert visible.value > 10 * visible.error


@pytest.fixture(scope="module")
def gaussian():
    exact = LinearGaussianError(0.7, 0.5, 0.08, -0.05, 4.0, 0.02)

    def score(x, t):
        a = math.exp(-0.5 * (t - 0.02))
        return -(x - a * 0.7) / (1.0 - 0.5 * a * a)

    error, diffusion = LinearError(0.08, -0.05), ReverseProcess(score)
    end = torch.from_numpy(0.7 + math.sqrt(0.5) * np.random.default_rng(8).standard_normal((16000, 1)))
    paths = draw_ideal_paths(
        diffusion,
        diffusion.relative(error),
        end,
        time_nodes(0.02, 4.0, 128),
        divergence=diffusion.relative(error.divergence),
        time_bins=16,
    )
    return SimpleNamespace(exact=exact, paths=paths)


def test_linear_gaussian_by_every_estimator(gaussian):
    eta = gaussian.exact.observability.value
    paired = paired_observability(gaussian.paths)
    for estimate, truth in (
        (paired.observability, eta),
        (paired.energy, gaussian.exact.ideal_energy),
        (paired.innovation, gaussian.exact.chi_square().value),
    ):
        assert abs(estimate.value - truth) < 4 * estimate.error
    bounds = observability_of(gaussian.paths, degree=2)
    assert bounds.lower.value < eta + 4 * bounds.lower.error
    assert bounds.upper.value > eta - 4 * bounds.upper.error
    # E[M given Y] has degree 2 and the residual noise is linear: here both sides close in.
    assert bounds.upper.value < eta + 0.09
    assert bounds.lower.value > eta - 0.02


def test_stein_form_has_the_conditional_mean_of_the_integral(gaussian):
    """M by forward sums and A differ by something of conditional mean zero: against any function of the end point."""
    paths = gaussian.paths
    fine, coarse = paths.fine, paths.coarse
    gap = 2 * (fine.integral - fine.stein) - (coarse.integral - coarse.stein)
    y = (paths.end[:, 0] - 0.7) / math.sqrt(0.5)
    for function in (torch.ones_like(y), y, y**2 - 1):
        values = gap.mean(dim=0) * function
        assert abs(float(values.mean())) < 4 * float(values.std()) / math.sqrt(len(y))
        flipped = (fine.integral + fine.stein).mean(dim=0) * function
        if function is not y and float(function.std()) > 0:
            assert abs(float(flipped.mean())) > 4 * float(flipped.std()) / math.sqrt(len(y))


def test_martingales_have_conditional_mean_zero(gaussian):
    values = gaussian.paths.martingales[0]
    y = (gaussian.paths.end[:, 0] - 0.7) / math.sqrt(0.5)
    for function in (torch.ones_like(y), y, y**2 - 1):
        products = values * function[:, None]
        scores = products.mean(dim=0) / (products.std(dim=0) / math.sqrt(len(y)))
        assert float(scores.abs().max()) < 4.5


def test_lower_estimate_never_errs_upward_where_there_is_nothing_to_find():
    """M independent of the end point: in-sample fits find variance, the cross-fitted estimate finds none."""
    rng = np.random.default_rng(1)
    lower, naive = [], []
    for _ in range(40):
        y, m = rng.standard_normal((400, 2)), rng.standard_normal(400)
        result = observability_bounds(y, m, np.ones(400), degree=6)
        lower.append(result.lower.value)
        features = np.vander(y[:, 0], 12)
        fit = features @ np.linalg.lstsq(features, m, rcond=None)[0]
        naive.append((fit**2).mean())
    assert np.mean(lower) < 0.0 < np.mean(naive)
    assert np.mean(naive) > 0.02


def test_upper_estimate_is_one_without_noise_integrals():
    rng = np.random.default_rng(1)
    y = rng.standard_normal((200, 1))
    result = observability_bounds(y, y[:, 0], y[:, 0] ** 2)
    assert (result.upper.value, result.upper.error) == (1.0, 0.0)
    assert result.lower.value == pytest.approx(1.0, abs=0.01)


def test_ten_dimensional_mixture_with_a_bounded_error():
    """Proved bounds around the measured innovation, and lower <= paired <= upper observability."""
    mixture = hc.presets.load("five_modes_10d")
    denoiser = MixtureDenoiser(components_of(mixture, torch.device("cpu")))
    diffusion = ReverseProcess(lambda x, t: score_of(denoiser, x, t))
    error = HyperbolicTangentError(0.1, 10)
    end = mixture.through(hc.OrnsteinUhlenbeck().channel(0.02)).sample(6000, np.random.default_rng(4))
    clocks = time_nodes(0.02, 4.0, 48)
    paths = draw_ideal_paths(
        diffusion,
        diffusion.relative(error),
        torch.from_numpy(end),
        clocks,
        divergence=diffusion.relative(error.divergence),
        time_bins=3,
    )
    paired = paired_observability(paths)
    bounds = observability_of(paths, degree=1)
    eta = paired.observability
    assert bounds.lower.value < eta.value + 4 * math.hypot(eta.error, bounds.lower.error)
    assert bounds.upper.value > eta.value - 4 * math.hypot(eta.error, bounds.upper.error)
    assert eta.value > 10 * eta.error
    proved = innovation_bounds(paired.energy.value, eta.value, supremum_energy=supremum_energy(error, clocks))
    innovation = paired.innovation
    print(f"\n  I = {innovation}, proved {proved.lower:.4g} .. {proved.upper:.4g}, eta = {eta}")
    assert proved.lower - 4 * innovation.error < innovation.value < proved.upper + 4 * innovation.error
    assert innovation.value < 4 * paired.energy.value  # Theorem 3.4, leading term
    # The tightened upper bound 0.5 eta eps^2 is refused.
    assert innovation.value - 4 * innovation.error > 0.5 * paired.visible.value


def test_small_error_law_refuses_tightened_bounds():
    """Sampled I of a linear error on N(0, 4): neither 1.1 eta eps^2 below it nor 0.5 eps^2 above it survives."""
    exact = LinearGaussianError(0.0, 4.0, -0.03, 0.02, 4.0, 0.02)

    def score(x, t):
        return -x / (1.0 + 3.0 * math.exp(-(t - 0.02)))

    error, diffusion = LinearError(-0.03, 0.02), ReverseProcess(score)
    end = torch.from_numpy(2.0 * np.random.default_rng(3).standard_normal((16000, 1)))
    paths = draw_ideal_paths(
        diffusion,
        diffusion.relative(error),
        end,
        time_nodes(0.02, 4.0, 64),
        divergence=diffusion.relative(error.divergence),
    )
    paired = paired_observability(paths)
    innovation = paired.innovation
    assert abs(innovation.value - exact.chi_square().value) < 4 * innovation.error
    visible = exact.observability.value * exact.ideal_energy
    assert bound_row(0, "below", "I", "below", 1.1 * visible, innovation).verdict == "refused"
    assert bound_row(0, "above", "I", "above", 0.5 * exact.ideal_energy, innovation).verdict == "refused"
    assert bound_row(0, "below", "I", "below", visible / 4, innovation).verdict == "holds"
    assert bound_row(0, "above", "I", "above", 4 * exact.ideal_energy, innovation).verdict == "holds"


@pytest.mark.parametrize("kind", ["time", "aligned", "tanh", "features", "linear"])
def test_every_bound_for_every_error(kind, capsys):
    """A two-dimensional mixture, each error on purpose: paired I and eta, and every row of the table."""
    mixture = hc.GaussianMixture([0.5, 0.5], [[-1.2, 0.0], [1.2, 0.4]], 0.4)
    denoiser = MixtureDenoiser(components_of(mixture, torch.device("cpu")))

    def score(x, t):
        return score_of(denoiser, x, t)

    error = {
        "time": TimeOnlyError([0.12, -0.05], lambda t: math.exp(-t)),
        "aligned": AlignedError(score, 0.04),
        "tanh": HyperbolicTangentError(0.1, 2),
        "features": RandomFeatureError(2, features=30, strength=0.15, seed=2),
        "linear": LinearError(np.array([[0.04, 0.02], [0.0, -0.03]]), [0.05, 0.0]),
    }[kind]
    diffusion = ReverseProcess(score)
    process, rng = hc.OrnsteinUhlenbeck(), np.random.default_rng(6)
    clocks = time_nodes(0.05, 3.0, 32)
    paths = draw_ideal_paths(
        diffusion,
        diffusion.relative(error),
        torch.from_numpy(mixture.through(process.channel(0.05)).sample(8192, rng)),
        clocks,
        divergence=None if kind == "aligned" else diffusion.relative(error.divergence),
        time_bins=4,
    )
    learned = follow_paths(
        diffusion,
        diffusion.relative(error),
        torch.from_numpy(mixture.through(process.channel(3.0)).sample(8192, rng)),
        clocks[::-1],
        drift=diffusion.learned(error).drift,
    )
    paired = paired_observability(paths)
    assert weight_check(learned, learned=True).accepted
    supremum = supremum_energy(error, clocks)
    entry = PropagationRound(
        ideal_energy=paired.energy,
        learned_energy=path_energy(learned).energy,
        observability=paired.observability,
        supremum_energy=supremum,
        innovation=paired.innovation,
    )
    rows = propagation_table(PropagationRecord(0.5, [entry]))
    with capsys.disabled():
        shown = ", ".join(f"{row.statement} {row.ratio:.3g} {row.verdict}" for row in rows)
        print(
            f"\n  {kind}: eta = {paired.observability.value:.3f}, eps^2 = {paired.energy.value:.4f}: {shown}"
        )
    assert {row.statement for row in rows} >= {"Prop 3.3", "Thm 3.4"}
    assert ("Thm 3.4 (proved)" in {row.statement for row in rows}) == math.isfinite(supremum)
    assert not [row for row in rows if row.verdict == "refused"]
    assert -0.02 < paired.observability.value < 1.05


def test_same_seed_same_bytes_whatever_the_chunk():
    family = SolvableFamily(STARTS["mixture"], 0.5, 0.5)
    process = SolvablePaths(family)
    end = process.draw_end(20000)
    runs = [
        draw_ideal_paths(process, process.error, end, time_nodes(1.0, 0.0, 4), chunk=size)
        for size in (8192, 65536)
    ]
    assert torch.equal(runs[0].fine.integral, runs[1].fine.integral)
    assert not torch.equal(runs[0].fine.integral[0], runs[0].fine.integral[1])


def test_input_errors():
    y = np.zeros((50, 1))
    with pytest.raises(InputError, match="one entry an end point"):
        observability_bounds(y, np.zeros(49), np.ones(50))
    with pytest.raises(InputError, match="at least"):
        observability_bounds(
            np.random.default_rng(0).standard_normal((50, 5)), np.zeros(50), np.ones(50), degree=4
        )
