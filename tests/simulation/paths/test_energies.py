"""Path energies and Girsanov weights against closed forms; wrong signs are caught."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hermite_collapse as hc
from hermite_collapse.bounds.propagation.solvable import SolvableFamily
from hermite_collapse.core.errors import InputError
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.paths.energies import follow_paths, path_energy, weight_check
from hermite_collapse.simulation.paths.perturbations import HyperbolicTangentError, LinearError
from hermite_collapse.simulation.paths.processes import ReverseProcess, time_nodes
from hermite_collapse.simulation.scores import MixtureDenoiser, score_of
from tests.linear_gaussian import LinearGaussianError
from tests.simulation.paths.solvable_paths import BrownianMotion

T, T0 = 4.0, 0.02


def within(estimate, truth, *, sigmas=4.0, bias=0.0):
    return abs(estimate.value - truth) <= sigmas * estimate.error + bias


@pytest.fixture(scope="module")
def gaussian():
    """N(0.7, 0.5) at t0, a linear score error, ideal, learned and wrongly signed paths."""
    exact = LinearGaussianError(0.7, 0.5, 0.08, -0.05, T, T0)

    def score(x, t):
        a = math.exp(-0.5 * (t - T0))
        return -(x - a * 0.7) / (1.0 - 0.5 * a * a)

    diffusion, error = ReverseProcess(score), LinearError(0.08, -0.05)
    a = math.exp(-0.5 * (T - T0))
    normal = np.random.default_rng(5).standard_normal((20000, 1))
    start = torch.from_numpy(a * 0.7 + math.sqrt(1.0 - 0.5 * a * a) * normal)
    clocks, e = time_nodes(T, T0, 64), diffusion.relative(error)
    ideal = follow_paths(diffusion, e, start, clocks)
    learned = follow_paths(diffusion, e, start, clocks, drift=diffusion.learned(error).drift)
    wrong = follow_paths(
        diffusion, e, start, clocks, drift=diffusion.learned(lambda x, t: -error(x, t)).drift
    )
    rough = follow_paths(diffusion, e, start, time_nodes(T, T0, 16))
    return SimpleNamespace(exact=exact, ideal=ideal, learned=learned, wrong=wrong, rough=rough)


def test_energies_of_a_linear_error(gaussian):
    for paths, truth in (
        (gaussian.ideal, gaussian.exact.ideal_energy),
        (gaussian.learned, gaussian.exact.learned_energy),
    ):
        result = path_energy(paths)
        # Second-order remainder of the extrapolation: of the order of step_change^2 / energy.
        assert within(result.energy, truth, bias=4 * result.step_change**2 / truth)
        assert result.paths == 20000
    gap = gaussian.exact.learned_energy - gaussian.exact.ideal_energy
    assert gap > 10 * path_energy(gaussian.ideal).energy.error  # the two energies are told apart


def test_extrapolation_removes_the_step(gaussian):
    """Coupled coarse and fine means: fine alone is off by the reported change, which extrapolation takes away."""
    result = path_energy(gaussian.rough)
    assert abs(result.step_change) > 4 * result.energy.error
    plain = float(gaussian.rough.fine.energy.mean()) - gaussian.exact.ideal_energy
    assert abs(plain) > 0.5 * abs(result.step_change)
    assert abs(result.energy.value - gaussian.exact.ideal_energy) < 0.5 * abs(plain)


def test_weights_have_mean_one_and_a_wrong_sign_is_exposed(gaussian):
    assert weight_check(gaussian.ideal, learned=False).accepted
    assert weight_check(gaussian.learned, learned=True).accepted
    wrong = weight_check(gaussian.wrong, learned=True)
    assert not wrong.accepted
    assert wrong.mean.value == pytest.approx(math.exp(2 * gaussian.exact.ideal_energy), rel=0.1)
    # Claimed to be ideal, learned paths are refused too; so is a weight with its compensator's sign turned.
    assert not weight_check(gaussian.learned, learned=False).accepted
    fine = gaussian.ideal.fine
    turned = dataclasses.replace(fine, quadratic_variation=-fine.quadratic_variation)
    flipped = dataclasses.replace(gaussian.ideal, fine=turned)
    assert not weight_check(flipped, learned=False).accepted


def test_weight_moves_the_end_point_law(gaussian):
    """E_ideal[L Y^2] = E_learned[Y^2]: the weight is the density ratio, not merely something of mean one."""
    ideal, learned = gaussian.ideal.fine.end[:, 0] ** 2, gaussian.learned.fine.end[:, 0] ** 2
    # Both sets of paths share their Brownian motion: differences path by path have the smaller error.
    for values, same in (
        (torch.exp(gaussian.ideal.fine.log_weight) * ideal - learned, True),
        (ideal - learned, False),
    ):
        error = float(values.std()) / math.sqrt(len(values))
        assert (abs(float(values.mean())) < 4 * error) is same


def test_solvable_family_paths():
    """X + W_t with a time-only drift error: energy beta^2, end point moved by beta sqrt(rho)."""
    family = SolvableFamily(hc.EmpiricalLaw([0.0]), 0.6, 0.4)
    diffusion = BrownianMotion()

    def error(y, t):
        return torch.full_like(y, float(family.drift_error(t)))

    start = torch.zeros(20000, 1, dtype=torch.float64)
    clocks = time_nodes(0.0, 1.0, 64, grading=1.0)
    paths = follow_paths(diffusion, error, start, clocks, drift=error)
    assert path_energy(paths).energy.value == pytest.approx(family.energy, rel=1e-12)
    mean = float(paths.fine.end.mean())
    assert abs(mean - family.shift) < 4 / math.sqrt(20000)
    assert weight_check(paths, learned=True).accepted


@pytest.fixture(scope="module")
def mixture():
    """The exact reverse diffusion of the ten-dimensional five-mode mixture."""
    law = hc.presets.load("five_modes_10d")
    denoiser = MixtureDenoiser(components_of(law, torch.device("cpu")))
    process = hc.OrnsteinUhlenbeck()
    rng = np.random.default_rng(2)
    start = torch.from_numpy(law.through(process.channel(T)).sample(8192, rng))
    diffusion = ReverseProcess(lambda x, t: score_of(denoiser, x, t))
    return SimpleNamespace(diffusion=diffusion, start=start, end=law.through(process.channel(T0)))


def second_moment_scores(paths, end):
    """z-scores of the extrapolated second moments of the ten coordinates."""
    square = 2 * paths.fine.end**2 - paths.coarse.end**2
    exact = np.diag(end.covariance) + np.asarray(end.mean) ** 2
    error = square.std(dim=0) / math.sqrt(square.shape[0])
    return ((square.mean(dim=0) - torch.from_numpy(exact)) / error).numpy()


def test_ten_dimensional_mixture_has_its_second_moment(mixture):
    zero = lambda x, t: torch.zeros_like(x)  # noqa: E731
    paths = follow_paths(mixture.diffusion, zero, mixture.start, time_nodes(T, T0, 64))
    assert np.abs(second_moment_scores(paths, mixture.end)).max() < 4.0

    # A wrong sign in front of the score explodes, and is caught by the same statistic.
    def wrong(y, t):
        return 0.5 * y - mixture.diffusion.score(y, t)

    short = mixture.start[:512]
    broken = follow_paths(mixture.diffusion, zero, short, time_nodes(T, T0, 64), drift=wrong)
    assert float((broken.fine.end**2).mean()) > 1e3 * float((paths.fine.end**2).mean())
    # So is a score a tenth too short.
    weak = follow_paths(
        mixture.diffusion,
        zero,
        mixture.start,
        time_nodes(T, T0, 64),
        drift=lambda y, t: 0.5 * y + 0.9 * mixture.diffusion.score(y, t),
    )
    assert np.abs(second_moment_scores(weak, mixture.end)).max() > 6.0


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.3])
def test_learned_path_energies_of_tanh_errors(mixture, strength):
    """Ten dimensions, strength * tanh(x): standard error below 0.5 %, weight of mean one, energy below its supremum."""
    error = HyperbolicTangentError(strength, 10)
    paths = follow_paths(
        mixture.diffusion,
        mixture.diffusion.relative(error),
        mixture.start[:4096],
        time_nodes(T, T0, 64),
        drift=mixture.diffusion.learned(error).drift,
    )
    result = path_energy(paths)
    assert result.energy.error < 0.005 * result.energy.value
    assert weight_check(paths, learned=True).accepted
    assert 0.2 < result.energy.value / (error.supremum(0.0) * (T - T0)) < 1.0


def test_results_do_not_depend_on_the_chunk():
    diffusion = BrownianMotion(0.7)
    start = torch.zeros(20000, 2, dtype=torch.float64)
    runs = [
        follow_paths(diffusion, lambda y, t: torch.sin(y), start, time_nodes(0.0, 1.0, 4), chunk=size)
        for size in (8192, 65536)
    ]
    assert torch.equal(runs[0].fine.end, runs[1].fine.end)
    assert torch.equal(runs[0].fine.log_weight, runs[1].fine.log_weight)


def test_time_nodes_and_input_errors():
    nodes = time_nodes(T, T0, 8)
    assert nodes[0] == T and nodes[-1] == T0 and np.all(np.diff(nodes) < 0)
    np.testing.assert_allclose(time_nodes(T, T0, 16)[::2], nodes)
    with pytest.raises(InputError, match="must differ"):
        time_nodes(1.0, 1.0, 4)
    with pytest.raises(InputError, match="even number of steps"):
        follow_paths(BrownianMotion(), lambda y, t: y, torch.zeros(4, 1), np.linspace(0, 1, 4))


def test_scores_of_another_law_attain_proposition_3_1():
    """If the learned score is exact for another law, KL(end) = KL(start) + eps_hat^2/2: an oracle without paths."""
    process, rng = hc.OrnsteinUhlenbeck(), np.random.default_rng(11)
    ideal = hc.GaussianMixture([0.4, 0.6], [-1.0, 1.2], [0.3, 0.5])
    learned = hc.GaussianMixture([0.5, 0.5], [-0.8, 1.3], [0.5, 0.6])

    def score(law):
        denoiser = MixtureDenoiser(components_of(law, torch.device("cpu")))
        return lambda x, t: score_of(denoiser, x, t)

    diffusion, other = ReverseProcess(score(ideal)), ReverseProcess(score(learned))
    start = torch.from_numpy(learned.through(process.channel(3.0)).sample(16384, rng))
    paths = follow_paths(
        diffusion,
        diffusion.relative(lambda x, t: other.score(x, t) - diffusion.score(x, t)),
        start,
        time_nodes(3.0, 0.05, 64),
        drift=other.drift,
    )
    gains = [
        hc.distances.kl(learned.through(process.channel(t)), ideal.through(process.channel(t))).value
        for t in (0.05, 3.0)
    ]
    result = path_energy(paths)
    truth = 2 * (gains[0] - gains[1])
    assert within(result.energy, truth, bias=4 * result.step_change**2 / truth)
    assert result.energy.error < 0.02 * truth
    assert weight_check(paths, learned=True).accepted


def test_public_names_measure_a_known_error():
    """As a user would: an error added to an exact score, its energy, and what of it the end point shows."""
    from hermite_collapse import simulation

    assert all(hasattr(simulation, name) for name in simulation.__all__)
    target = hc.GaussianMixture([1.0], [0.0], [1.0])  # a stationary path: the energy is (T - T0) size^2
    ideal = simulation.ReverseProcess(lambda x, t: -x)
    error = simulation.TimeOnlyError([0.1])
    start = torch.from_numpy(target.sample(4096, np.random.default_rng(0)))
    paths = simulation.follow_paths(
        ideal,
        ideal.relative(error),
        start,
        simulation.time_nodes(T, T0, 32),
        drift=ideal.learned(error).drift,
    )
    assert simulation.path_energy(paths).energy.value == pytest.approx(0.01 * (T - T0), rel=1e-9)
    assert simulation.weight_check(paths, learned=True).accepted
