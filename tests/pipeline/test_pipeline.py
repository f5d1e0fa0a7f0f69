"""Limits of pipelines: recorded values, plain iteration, identities at fixed points, finite images by simulation."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.pipeline.guided import GuidedRecursion
from hermite_collapse.pipeline.interpolant import Interpolant
from hermite_collapse.pipeline.mechanism import Mechanism
from hermite_collapse.pipeline.mechanisms import (
    Autoencoder,
    Blur,
    CappedSlope,
    FinalStep,
    FlowStop,
    Guidance,
    Refit,
    Rounding,
    SamplerSteps,
    ScoreError,
    Truncation,
    mixture_rounds,
)
from hermite_collapse.pipeline.pipeline import Pipeline
from hermite_collapse.pipeline.stationary import State
from tests.processor_time import is_kept, seconds_of

EDM = SamplerSteps.edm()


@pytest.mark.parametrize(
    ("sampler", "v", "alpha", "value"),
    [
        (EDM, 0.25, 0.1, 5.35743697),
        (EDM, 0.25, 0.5, 1.25091870),
        (EDM, 0.25, 0.9, 1.12752397),
        (SamplerSteps.edm(steps=40), 0.25, 0.1, 1.23005098),
        (SamplerSteps.ddpm(), 1.0, 0.1, 0.91521813),
        (SamplerSteps.ddpm(), 0.01, 0.1, 0.47617039),
        (SamplerSteps.ddpm(variance="beta"), 0.01, 0.1, 1.170749441),
        (SamplerSteps.ddim(), 1.0, 0.1, 0.53056168),
        (SamplerSteps.ddim(), 0.01, 0.1, 0.05728723),
        (FlowStop(0.01), 1.0, 0.1, 0.83207531),
    ],
)
def test_recorded_limits(sampler, v, alpha, value):
    assert Pipeline([sampler], fresh_fraction=alpha).limit(v) / v == pytest.approx(value, abs=6e-9)


@pytest.mark.parametrize(
    "parts",
    [
        [EDM],
        [SamplerSteps.ddim(steps=20), Autoencoder(0.99, 1e-4), Rounding()],
        [FinalStep(0.03), ScoreError(0.01, 1e-4)],
        [Blur(0.05), CappedSlope(3.0)],
        [Truncation(0.02)],
    ],
    ids=str,
)
def test_limits_are_those_of_ten_thousand_plain_rounds(parts):
    v = np.exp(np.linspace(np.log(1e-6), np.log(5.0), 60))
    pipeline = Pipeline(parts, fresh_fraction=0.1)
    state = v.copy()
    earlier: set[bytes] = set()
    for _ in range(10_000):
        state = np.asarray(pipeline.variance(0.1 * v + 0.9 * state))
        if state.tobytes() in earlier:
            break  # from here on the rounds repeat themselves, bit for bit
        earlier.add(state.tobytes())
    tolerance = 1e-9 if not any(isinstance(p, CappedSlope) for p in parts) else 1e-4
    np.testing.assert_allclose(pipeline.limit(v), state, rtol=tolerance)


def test_a_million_directions_take_a_second_or_two():
    pipeline = Pipeline([EDM], fresh_fraction=0.1)
    pipeline.limit(0.25)  # compiles
    v = np.exp(np.random.default_rng(0).uniform(np.log(1e-7), np.log(10.0), 10**6))
    assert is_kept(lambda: seconds_of(lambda: pipeline.limit(v)) < 8.0)
    limit = pipeline.limit(v)
    w = 0.1 * v + 0.9 * limit
    np.testing.assert_allclose(pipeline.variance(w[::1000]), limit[::1000], rtol=1e-10)


def test_the_identity_at_a_fixed_point():
    pipeline, v = Pipeline([SamplerSteps.ddim()], fresh_fraction=0.2), np.array([0.01, 0.3, 2.0])
    limit = pipeline.limit(v)
    w = 0.2 * v + 0.8 * limit
    r = limit / w
    np.testing.assert_allclose(limit / v, 0.2 * r / (1 - 0.8 * r), rtol=1e-10)


def test_affine_laws_and_their_critical_share():
    """V = A w + B: limit (A alpha v + B)/(1 - (1-alpha) A), none below the critical share 1 - 1/A."""
    error = ScoreError(0.1, 0.02)
    for alpha in (0.2, 0.6, 1.0):
        pipeline = Pipeline([error], fresh_fraction=alpha)
        exact = (1.1 * alpha * 0.3 + 0.02) / (1 - (1 - alpha) * 1.1)
        assert pipeline.limit(0.3) == pytest.approx(exact, rel=1e-12)
        assert pipeline.rate(0.3) == pytest.approx((1 - alpha) * 1.1, abs=1e-10)
    critical = 1 - 1 / 1.1
    assert Pipeline([error], fresh_fraction=critical - 1e-3).limit(0.3) == np.inf
    assert np.isfinite(Pipeline([error], fresh_fraction=critical + 1e-3).limit(0.3))


def test_truncation_agrees_with_the_exact_theory():
    target = hc.GaussianMixture([1.0], [0.0], 0.25)
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1)
    pipeline = Pipeline([Truncation(0.1)], fresh_fraction=0.3)
    assert pipeline.limit(0.25) == pytest.approx(recursion.limit().covariance[0, 0], rel=1e-11)
    exact = [recursion.law(i).covariance[0, 0] for i in range(6)]
    np.testing.assert_allclose(pipeline.trajectory(0.25, 5), exact, rtol=1e-13)


def test_the_empty_pipeline_is_the_identity():
    pipeline = Pipeline([], fresh_fraction=0.1)
    assert pipeline.limit(0.3) == pytest.approx(0.3, rel=1e-12) and pipeline.variance(0.3) == 0.3


def test_all_limits_with_their_stability():
    without = Pipeline([EDM], fresh_fraction=0.0).limits(1.0)
    assert [point.stable for point in without] == [False, True]
    assert without[0].variance == pytest.approx(6.7556e-6, rel=1e-4)
    assert without[1].variance == pytest.approx(242.463254, abs=1e-5)
    assert without[1].rate == pytest.approx(0.956, abs=5e-4)
    assert Pipeline([EDM], fresh_fraction=0.1).rate(0.25) == pytest.approx(0.96718492, abs=5e-9)


def test_fold_points_part_directions_with_one_limit_from_those_with_three():
    for alpha, data in ((0.1, 1.2412e-5), (0.05, 2.2965e-5)):
        pipeline = Pipeline([EDM], fresh_fraction=alpha)
        (fold,) = pipeline.folds()
        assert fold[1] == pytest.approx(data, rel=5e-5)
        below, above = pipeline.limits(0.98 * fold[1]), pipeline.limits(1.02 * fold[1])
        assert [point.stable for point in below] == [True, False, True] and len(above) == 1
        assert below[0].training_variance < fold[0] < below[1].training_variance


def test_the_limit_from_the_data_is_decided_by_the_first_round():
    """Below the unstable root of V(w) = w directions die, above it they grow, both at a tenth of fresh data."""
    pipeline = Pipeline([EDM], fresh_fraction=0.1)
    low, high = pipeline.limit([6.6e-6, 6.9e-6])
    assert low < 1e-6 and high > 0.05


@pytest.mark.parametrize(
    ("images", "alpha", "variance"),
    [(100, 0.1, 0.9497487437), (100, 0.5, 0.98675497), (1000, 0.1, 0.99476166)],
)
def test_finite_images_move_the_split_and_lose_nothing(images, alpha, variance):
    pipeline = Pipeline([], fresh_fraction=alpha, images=images)
    assert pipeline.limit(1.0) == pytest.approx(variance, abs=6e-9)
    assert pipeline.limit(1.0) + pipeline.mean_drift(1.0) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(pipeline.trajectory(1.0, 20_000)[-1], pipeline.limit(1.0), rtol=1e-10)


def test_finite_images_by_simulation():
    """Gaussian refits of 60 points, a fifth of them fresh, 3000 histories: variance and drift of the mean."""
    rng, n, alpha, histories = np.random.default_rng(1), 60, 0.2, 3000
    fresh = int(alpha * n)
    mean, deviation = np.zeros(histories), np.ones(histories)
    variances, drifts = [], []
    for i in range(160):
        old = mean[:, None] + deviation[:, None] * rng.standard_normal((histories, n - fresh))
        pool = np.concatenate([rng.standard_normal((histories, fresh)), old], axis=1)
        mean, deviation = pool.mean(axis=1), pool.std(axis=1)
        if i >= 60:
            variances.append(deviation**2)
            drifts.append(mean**2)
    pipeline = Pipeline([], fresh_fraction=alpha, images=n)
    for measured, exact in ((variances, pipeline.limit(1.0)), (drifts, pipeline.mean_drift(1.0))):
        by_history = np.mean(measured, axis=0)
        assert abs(by_history.mean() - exact) < 4.0 * by_history.std() / np.sqrt(histories)
    assert (
        abs(np.mean(variances) - Pipeline([Refit(n)], fresh_fraction=alpha).limit(1.0)) > 0.002
    )  # without the drift


def test_a_sampler_after_a_refit_moves_the_mean_too():
    pipeline = Pipeline([SamplerSteps.ddim(steps=20)], fresh_fraction=0.1, images=100)
    assert pipeline.limit(1.0) == pytest.approx(0.24879, abs=6e-6)
    assert pipeline.mean_drift(1.0) == pytest.approx(0.01617, abs=6e-6)
    assert pipeline.trajectory(1.0, 3000)[-1] == pytest.approx(pipeline.limit(1.0), rel=1e-9)


@pytest.mark.parametrize(
    ("scale", "alpha", "variance", "spread"),
    [(1.5, 0.9, 0.11673, 1.2619), (1.5, 0.5, 0.07779, 1.4357), (7.5, 0.9, 1.49e-5, 1.440)],
)
def test_guidance_with_moving_class_means(scale, alpha, variance, spread):
    pipeline = Pipeline([Guidance(scale, 0.75)], fresh_fraction=alpha)
    assert pipeline.limit(0.25) == pytest.approx(variance, rel=2e-3)
    assert pipeline.spread(0.25) == pytest.approx(spread, abs=6e-4)


@pytest.mark.parametrize(
    ("omega", "share"),
    [(0.5, 0.216755170491), (1.0, 0.3388988), (0.1, 0.053330158139)],
)
def test_guidance_has_a_critical_share(omega, share):
    pipeline = Pipeline([Guidance(1.0 + omega, 0.75)], fresh_fraction=0.5)
    assert pipeline.critical_share(0.25) == pytest.approx(share, abs=1e-7 if omega == 1.0 else 1e-11)
    below = Pipeline([Guidance(1.0 + omega, 0.75)], fresh_fraction=share - 0.01)
    assert below.limit(0.25) == np.inf and below.spread(0.25) == np.inf


def test_critical_shares_of_other_guided_pipelines():
    assert Pipeline([Guidance(7.5, 0.75)], fresh_fraction=0.5).critical_share(0.25) == 0.0
    # Inside the steps of a sampler, as found by plain rounds at shares on both sides.
    steps = SamplerSteps.flow(steps=28, guidance=Guidance(1.5, 0.1))
    assert Pipeline([steps], fresh_fraction=0.5).critical_share(0.25) == pytest.approx(0.222724809, abs=1e-8)
    for share, grows in ((0.22, True), (0.226, False)):
        assert np.isinf(Pipeline([steps], fresh_fraction=share).spread(0.25)) == grows
    # Behind a fit to images the fold moves a little.
    share = Pipeline([Guidance(1.5, 0.75)], fresh_fraction=0.5, images=10_000).critical_share(0.25)
    assert 1e-7 < abs(share - 0.2167552) < 2e-5


def test_large_guidance_of_few_steps_may_wander():
    """Gains of either sign: no limit, and none is reported."""
    sampler = SamplerSteps.ddim(steps=25, guidance=Guidance(7.5, 0.0004729))
    pipeline = Pipeline([sampler], fresh_fraction=0.1)
    path = pipeline.trajectory(0.0047287, 200)[-100:]
    assert path.max() > 3.0 * path.min()
    assert np.isnan(pipeline.limit(0.0047287)) and np.isnan(pipeline.spread(0.0047287))
    milder = Pipeline([sampler.replace(guidance=Guidance(2.0, 0.0004729))], fresh_fraction=0.1)
    assert milder.trajectory(0.0047287, 800)[-1] == pytest.approx(milder.limit(0.0047287), rel=1e-6)


class Falling(Mechanism):
    """A map that falls, steeply enough for a cycle."""

    exactness = "model"

    def _variance(self, w):
        return 1.0 / (0.05 + w) ** 2

    def describe(self):
        return "a falling map"


def test_maps_that_fall_may_end_in_a_cycle():
    pipeline = Pipeline([Falling()], fresh_fraction=0.02)
    assert not Interpolant.of(Falling()).is_nondecreasing
    assert np.isnan(pipeline.limit(1.2))
    cycle = pipeline.cycle(1.2)
    assert len(cycle) == 2 and cycle[0] != pytest.approx(cycle[1], rel=0.1)
    assert not any(point.stable for point in pipeline.limits(1.2))
    assert len(Pipeline([EDM], fresh_fraction=0.1).cycle(0.25)) == 1


def test_many_directions_of_a_map_that_falls_are_those_of_plain_rounds():
    pipeline = Pipeline([Falling()], fresh_fraction=0.02)
    v = np.geomspace(1e-3, 1e3, 200)
    last = pipeline.trajectory(v, 6001)[-8:]
    settles = np.ptp(last, axis=0) <= 1e-9 * last[-1]
    assert 10 < settles.sum() < 190
    limit = pipeline.limit(v)
    assert np.array_equal(np.isnan(limit), ~settles)
    np.testing.assert_allclose(limit[settles], last[-1][settles], rtol=1e-7)


def test_rounds_to_a_tolerance():
    pipeline = Pipeline([Truncation(0.1)], fresh_fraction=0.3)
    path = pipeline.trajectory(0.25, 60)
    rounds = pipeline.rounds_to(0.25, 1e-3)
    near = np.abs(path - pipeline.limit(0.25)) <= 1e-3 * pipeline.limit(0.25)
    assert near[int(rounds) :].all() and not near[int(rounds) - 1]
    assert Pipeline([ScoreError(0.5)], fresh_fraction=0.1).rounds_to(0.25, 1e-3) == np.inf


def test_pipelines_are_picklable_values():
    pipeline = Pipeline([EDM, Autoencoder(0.99)], fresh_fraction=0.1, images=1000)
    back = pickle.loads(pickle.dumps(pipeline))
    assert back == pipeline and back.limit(0.25) == pipeline.limit(0.25)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Pipeline([EDM, FinalStep(0.1)], fresh_fraction=0.1),
            "mechanisms must not hold full last step",
        ),
        (lambda: Pipeline([EDM, Truncation(0.1)], fresh_fraction=0.1), "mechanisms must not hold truncation"),
        (
            lambda: Pipeline([EDM, Guidance(2.0, 0.5)], fresh_fraction=0.1),
            "mechanisms must not hold guidance",
        ),
        (lambda: Pipeline([EDM, EDM], fresh_fraction=0.1), "mechanisms must hold one sampler, got 2"),
        (lambda: Pipeline([Refit(10)], fresh_fraction=0.1, images=10), "images must be left out"),
        (lambda: Pipeline([0.1], fresh_fraction=0.1), "mechanisms must hold round maps"),
        (lambda: Pipeline([], fresh_fraction=1.1), "fresh_fraction must lie in"),
        (lambda: Pipeline([], fresh_fraction=0.1, images=1), "images must be an integer >= 2"),
        (
            lambda: Pipeline([Guidance(2.0, 0.5)], fresh_fraction=0.1).limits(0.1),
            "mechanisms must hold no guidance",
        ),
        (lambda: Pipeline([EDM], fresh_fraction=0.1).critical_share(0.1), "mechanisms must hold guidance"),
        (lambda: Pipeline([EDM], fresh_fraction=0.1).limit(-1.0), "v must hold variances >= 0"),
        (
            lambda: Pipeline([EDM], fresh_fraction=0.1).limit(1e300),
            r"v must be 0 or lie in \[1e-12, 1e\+06\]",
        ),
        (lambda: Pipeline([EDM], fresh_fraction=0.1).limits(1e-20), "v must be 0 or lie in"),
        (lambda: Pipeline(None, fresh_fraction=0.1), "mechanisms must be a sequence, got None"),
        (
            lambda: Pipeline([Guidance(2.0, (0.1, 0.2))], fresh_fraction=0.1).critical_share(0.1),
            "guidance along one direction",
        ),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(hc.InputError, match=words) as refused:
        make()
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_ends_of_the_scale():
    dying = Pipeline([EDM], fresh_fraction=0.1)
    assert dying.limit(0.0) == 0.0 and dying.limit([0.0, 0.25])[1] == dying.limit(0.25)
    noisy = Pipeline([Truncation(0.1)], fresh_fraction=0.1)
    assert noisy.limit(0.0) == pytest.approx(noisy.trajectory(0.0, 2000)[-1], rel=1e-9)
    # Without fresh data the identity keeps whatever it starts from, and says so.
    nothing = Pipeline([], fresh_fraction=0.0)
    assert nothing.limit([1e-9, 0.5, 1e5]) == pytest.approx([1e-9, 0.5, 1e5], rel=1e-11)
    (only,) = nothing.limits(0.5)
    assert only.variance == 0.5 and only.rate == pytest.approx(1.0, abs=1e-9)
    # A sampler that makes one point leaves exactly nothing.
    assert Pipeline([SamplerSteps.flow(steps=1)], fresh_fraction=0.3).limit(0.5) == 0.0


def test_guidance_of_classes_that_share_a_mean_moves_nothing():
    pipeline = Pipeline([Guidance(3.0, 0.0)], fresh_fraction=0.2)
    assert pipeline.limit(0.3) == pytest.approx(0.3, rel=1e-12) and pipeline.spread(0.3) == 1.0
    assert pipeline.critical_share(0.3) == 0.0


def fitted_classes(data, between, scale, alpha, images, rounds, classes=4000):
    """Classes fitted one by one to so many points each, and the exact guided flow: (v, mean square of means)."""
    rng = np.random.default_rng(0)
    centres = np.sqrt(between) * rng.standard_normal(classes)
    means, variances, fresh = centres, np.full(classes, data), round(alpha * images)
    generated = images - fresh
    for _ in range(rounds):
        own = centres + np.sqrt(data / fresh) * rng.standard_normal(classes)
        other = means + np.sqrt(variances / generated) * rng.standard_normal(classes)
        within = alpha * data * rng.chisquare(fresh - 1, classes) / fresh
        within += (1.0 - alpha) * variances * rng.chisquare(generated - 1, classes) / generated
        within += alpha * (1.0 - alpha) * (own - other) ** 2
        means = alpha * own + (1.0 - alpha) * other
        guidance = Guidance(scale, float(np.mean(means**2)))
        means = means * guidance.gain(within.mean())
        variances = np.full(classes, guidance.variance(within.mean()))
    return float(variances.mean()), float(np.mean(means**2))


@pytest.mark.parametrize(("between", "scale"), [(0.0, 1.5), (0.0, 2.0), (0.3, 1.5)])
def test_guidance_parts_classes_that_drift_with_finite_images(between, scale):
    pipeline = Pipeline([Guidance(scale, between)], fresh_fraction=0.5, images=200)
    state = State.of_data(np.array([0.3]))
    for _ in range(8):
        state = pipeline.step(np.array([0.3]), state)
    variance, square = fitted_classes(0.3, between, scale, 0.5, 200, 8)
    assert state.variance[0] == pytest.approx(variance, rel=5e-3)
    # The mean square of 4000 means varies by sqrt(2 / 4000) = 0.022.
    assert state.drift[0] + state.spread[0] ** 2 * between == pytest.approx(square, rel=0.09)


def test_drift_of_guided_classes_settles():
    pipeline = Pipeline([Guidance(1.5, 0.0)], fresh_fraction=0.5, images=200)
    state = State.of_data(np.array([0.3]))
    for _ in range(400):
        state = pipeline.step(np.array([0.3]), state)
    assert pipeline.limit(0.3) == pytest.approx(state.variance[0], rel=1e-9)
    assert pipeline.mean_drift(0.3) == pytest.approx(state.drift[0], rel=1e-9)


def test_rounding_is_no_wandering():
    """Strong guidance amplifies rounding: changes of 1e-9 go on for ever around a limit."""
    sampler = SamplerSteps.ddim(steps=50, guidance=Guidance(100.0, 1.0))
    assert Pipeline([sampler], fresh_fraction=0.5).limit(1.0) == pytest.approx(8.73074e-7, rel=1e-5)


@pytest.mark.parametrize(
    ("mechanism", "alpha", "images", "rounds"),
    [
        (
            SamplerSteps.ddim(steps=25, guidance=Guidance(7.5, 0.3)),
            0.01,
            None,
            3000,
        ),  # to which rounding adds 1e-4
        (
            SamplerSteps.flow(steps=28, guidance=Guidance(1.5, 0.1)),
            0.23,
            None,
            3000,
        ),  # near its critical share
        (Guidance(1.5, 0.01), 0.5, 200, 3000),
        (Guidance(2.0, 0.2), 0.45, 2000, 3000),
    ],
)
def test_where_guided_rounds_lead_is_where_plain_rounds_go(mechanism, alpha, images, rounds):
    """Newton's method takes less than a fifth of the rounds."""
    pipeline, data = Pipeline([mechanism], fresh_fraction=alpha, images=images), np.array([0.25, 0.2])
    plain = State.of_data(data)
    for _ in range(rounds):
        plain = pipeline.step(data, plain)
    count = 0

    def advance(*arguments):
        nonlocal count
        count += 1
        return pipeline._step(*arguments)

    between = np.full(2, pipeline.guidance.between)
    settled = GuidedRecursion(advance).settled(data, np.full(2, alpha), between)
    trained = alpha * data + (1.0 - alpha) * plain.variance
    assert np.all(np.abs(settled.variance - plain.variance) < 1e-7 * trained)
    np.testing.assert_allclose(settled.spread, plain.spread, rtol=1e-7)
    np.testing.assert_allclose(settled.drift, plain.drift, rtol=1e-6)
    assert count < rounds / 5


def test_rounds_after_the_first_are_a_closure_unless_the_map_is_affine():
    """A pool of fresh and generated Gaussians of other variance is no Gaussian: played out on a grid."""
    law = hc.GaussianMixture([1.0], [0.0], 1.0)
    steps = SamplerSteps.ddim(steps=20)
    exact = [done.after.variance for done in mixture_rounds(steps, law, fresh_fraction=0.3, rounds=2)]
    closure = Pipeline([steps], fresh_fraction=0.3).trajectory(1.0, 2)[1:]
    assert exact[0] == pytest.approx(closure[0], rel=1e-9)
    assert exact[1] == pytest.approx(0.7307212, abs=2e-7) and closure[1] == pytest.approx(0.7310961, abs=2e-7)
