"""The ledger of a pipeline, and what suffices for a tolerance."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.pipeline.ledger import Ledger
from hermite_collapse.pipeline.mechanism import Mechanism
from hermite_collapse.pipeline.mechanisms import (
    Autoencoder,
    Blur,
    FinalStep,
    Guidance,
    Refit,
    Rounding,
    SamplerSteps,
    ScoreError,
    Truncation,
)
from hermite_collapse.pipeline.pipeline import Pipeline
from hermite_collapse.pipeline.requirements import (
    deviation,
    guidance_for,
    holds,
    images_for,
    sensitivity,
    share_for,
)
from hermite_collapse.pipeline.step_search import steps_for

REAL = np.array([0.242, 0.0248, 0.00322])  # percentiles 90, 50, 10 of the variances of Fashion-MNIST
SD = {"schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "offset": 1}
SAMPLERS = {
    "EDM Heun 18": SamplerSteps.edm(steps=18),
    "EDM Heun 40": SamplerSteps.edm(steps=40),
    "EDM Euler 18": SamplerSteps.edm(steps=18, method="euler"),
    "DDPM small 1000": SamplerSteps.ddpm(),
    "DDPM large 1000": SamplerSteps.ddpm(variance="beta"),
    "SD1.5 DDIM 20": SamplerSteps.ddim(steps=20, set_alpha_to_one=False, **SD),
    "SD1.5 DDIM 50": SamplerSteps.ddim(steps=50, set_alpha_to_one=False, **SD),
}
# Exact and last step alone: one round, then limits at fresh fraction .1, .5, .9, of the three directions.
ROWS = {
    "EDM Heun 18": "1.11/1 1.16/1 1.23/.999 5.43/1 18.8/.998 106/.988 1.25/1 1.38/1 1.55/.998 1.13/1 1.18/1 1.26/.999",
    "EDM Heun 40": "1.02/1 1.03/1 1.04/.999 1.23/1 1.35/.998 1.5/.988 1.04/1 1.06/1 1.07/.998 1.02/1 1.03/1 1.04/.999",
    "EDM Euler 18": "0.715/1 0.674/1 0.634/0.999 0.183/1 0.154/0.998 0.131/0.988 0.552/1 0.502/1 0.456/0.998 "
    "0.693/1 0.65/1 0.608/0.999",
    "DDPM small 1000": "0.984/1 0.954/0.996 0.874/0.97 0.855/0.996 0.625/0.96 0.274/0.702 0.969/0.999 0.91/0.992 "
    "0.763/0.94 0.983/1 0.949/0.996 0.861/0.967",
    "DDPM large 1000": "1/1 1.01/0.996 1.02/0.97 1.03/0.996 1.12/0.96 1.2/0.702 1.01/0.999 1.02/0.992 1.03/0.94 "
    "1/1 1.01/0.996 1.02/0.967",
    "SD1.5 DDIM 20": "0.804/1 0.566/1.03 0.723/1.27 0.159/1.04 0.133/1.35 0.55/3.66 0.649/1.01 0.375/1.07 0.648/1.53 "
    "0.785/1 0.537/1.04 0.711/1.3",
    "SD1.5 DDIM 50": "0.915/1 0.77/1.03 0.875/1.27 0.419/1.04 0.23/1.34 0.722/3.65 0.837/1.01 0.61/1.07 0.819/1.53 "
    "0.906/1 0.75/1.04 0.867/1.29",
}


@pytest.mark.parametrize("name", ROWS)
def test_recorded_rows_of_real_settings(name):
    """Three digits were recorded, from tables in float32: half a unit of the last, and 2e-3 beside it."""
    recorded = np.array([[float(x) for x in cell.split("/")] for cell in ROWS[name].split()])
    ledgers = [Pipeline([SAMPLERS[name]], fresh_fraction=alpha).ledger(REAL) for alpha in (0.1, 0.5, 0.9)]
    exact = np.concatenate([np.exp(ledgers[0].log_ratio), *(ledger.limit for ledger in ledgers)])
    last = np.concatenate([ledgers[0].last_step[0], *(ledger.last_step[1] for ledger in ledgers)])
    half = 0.5 * 10.0 ** (np.floor(np.log10(recorded)) - 2)
    assert np.all(np.abs(exact - recorded[:, 0]) <= half[:, 0] + 2e-3 * recorded[:, 0])
    assert np.all(np.abs(last - recorded[:, 1]) <= half[:, 1] + 2e-3 * recorded[:, 1])


PARTS = [SamplerSteps.ddim(steps=20), Autoencoder(0.98, 1e-4), Rounding()]


def test_each_row_is_the_mechanism_by_itself_and_the_rest_closes_the_sum():
    pipeline = Pipeline(PARTS, fresh_fraction=0.2, images=1000)
    ledger = pipeline.ledger(REAL)
    assert ledger.names == ("finite images", "sampler steps", "autoencoder", "rounding")
    for k, part in enumerate(PARTS, start=1):
        np.testing.assert_allclose(np.exp(ledger.log_ratios[k]), part.variance(REAL) / REAL, rtol=1e-12)
        state = REAL.copy()
        for _ in range(400):
            state = part.variance(0.2 * REAL + 0.8 * state)
        np.testing.assert_allclose(ledger.limits[k], state / REAL, rtol=1e-9)
    np.testing.assert_allclose(np.exp(ledger.log_ratios[0]), 0.999, rtol=1e-12)
    together = REAL * 0.999
    for part in PARTS:
        together = part.variance(together)
    np.testing.assert_allclose(np.exp(ledger.log_ratio), together / REAL, rtol=1e-12)
    np.testing.assert_allclose(ledger.log_ratios.sum(axis=0) + ledger.rest, ledger.log_ratio, rtol=1e-13)
    np.testing.assert_allclose(ledger.limit * REAL, pipeline.limit(REAL), rtol=1e-14)
    assert np.all(ledger.interplay == 0.0) and np.all(np.abs(ledger.rest) > 1e-6)


def test_first_order_terms_add_in_the_inverse_of_the_limit():
    parts = [Blur(1e-3), ScoreError(-1e-5), Truncation(1e-6)]
    ledger = Pipeline(parts, fresh_fraction=0.1).ledger([0.3])
    inverse = 1.0 / ledger.limits[:, 0] - 1.0
    together = 1.0 / ledger.limit[0] - 1.0
    assert np.all(np.abs(inverse) > 1e-6)
    assert together == pytest.approx(inverse.sum(), abs=20 * float(np.max(inverse**2)))


def test_guidance_in_a_sampler_is_split_and_its_interplay_named():
    guidance = Guidance(1.5, 0.75)
    sampler = SamplerSteps.ddim(steps=20, guidance=guidance)
    plain = SamplerSteps.ddim(steps=20)
    ledger = Pipeline([sampler], fresh_fraction=0.9).ledger([0.25])
    assert ledger.names == ("sampler steps", "guidance")
    assert np.exp(ledger.log_ratios[0, 0]) == pytest.approx(plain.variance(0.25) / 0.25, rel=1e-12)
    assert np.exp(ledger.log_ratios[1, 0]) == pytest.approx(0.25**0.5, rel=1e-12)  # (w / (w + b))^omega
    assert np.exp(ledger.log_ratio[0]) == pytest.approx(sampler.variance(0.25) / 0.25, rel=1e-12)
    assert ledger.interplay[0] == pytest.approx(ledger.rest[0], rel=1e-10) and abs(ledger.rest[0]) > 0.01
    assert ledger.limits[1, 0] * 0.25 == pytest.approx(0.11673, abs=6e-6)  # recorded, class means moving


def test_guidance_of_several_directions_is_that_of_each():
    v, between = np.array([0.25, 0.1, 0.25]), (0.75, 0.2, 0.01)
    for share in (0.25, 0.9):
        sampler = SamplerSteps.ddim(steps=20, guidance=Guidance(1.5, between))
        together = Pipeline([sampler, Rounding()], fresh_fraction=share).ledger(v)
        alone = [
            Pipeline(
                [SamplerSteps.ddim(steps=20, guidance=Guidance(1.5, b)), Rounding()], fresh_fraction=share
            ).ledger([w])
            for w, b in zip(v, between, strict=True)
        ]
        joined = Ledger.joined(alone)
        for name in ("log_ratios", "limits", "limit", "interplay"):
            np.testing.assert_allclose(getattr(together, name), getattr(joined, name), rtol=1e-10)
    # Critical shares are .2168, .2205 and .2217.
    growing = np.isinf(Pipeline([Guidance(1.5, between)], fresh_fraction=0.2186).limit(v))
    assert growing.tolist() == [False, True, True]
    with pytest.raises(
        InputError, match=r"w must hold the 3 directions of the class means' variances, got shape \(2,\)"
    ):
        Pipeline([Guidance(1.5, between)], fresh_fraction=0.9).limit(v[:2])
    with pytest.raises(InputError, match="between must be >= 0, got -0.1"):
        Guidance(1.5, (0.1, -0.1))


def test_the_dominant_mechanism_of_each_direction():
    pipeline = Pipeline([SamplerSteps.edm(), Rounding()], fresh_fraction=0.1)
    dominant = pipeline.ledger([0.25, 1e-5]).dominant
    assert dominant.in_round == ("sampler steps", "rounding")
    assert Pipeline([], fresh_fraction=0.1).ledger([0.25]).dominant.in_limit == ("",)
    growing = Pipeline([ScoreError(0.5), Blur(10.0)], fresh_fraction=0.1)
    assert growing.ledger([0.25]).dominant.in_limit == (
        "score error",
    )  # without bound, against a finite limit
    assert growing.ledger([0.25]).dominant.in_round == ("blur",)


def test_what_dominates_real_settings():
    """Steps in EDM and DDIM; the last step where levels end far from the data."""
    for name in ("EDM Heun 18", "SD1.5 DDIM 20"):
        ledger = Pipeline([SAMPLERS[name]], fresh_fraction=0.1).ledger(REAL)
        assert abs(ledger.log_ratio[1]) > 10 * abs(np.log(ledger.last_step[0, 1]))
    early = SamplerSteps.edm(steps=60, sigma_min=0.2)
    ledger = Pipeline([early], fresh_fraction=0.1).ledger(REAL)
    np.testing.assert_allclose(np.exp(ledger.log_ratio), ledger.last_step[0], rtol=0.05)
    np.testing.assert_allclose(ledger.last_step[0], FinalStep(0.2).variance(REAL) / REAL, rtol=1e-9)


def test_ledgers_are_values_and_join():
    one = Pipeline(PARTS, fresh_fraction=0.2).ledger(REAL)
    assert pickle.loads(pickle.dumps(one)) == one
    parts = [Pipeline(PARTS, fresh_fraction=0.2).ledger([v]) for v in REAL]
    joined = Ledger.joined(parts)
    assert joined == one or np.allclose(joined.limits, one.limits, rtol=1e-12)
    other = Pipeline([Autoencoder(0.9), Rounding()], fresh_fraction=0.2).ledger([0.1])
    with pytest.raises(InputError, match="pipelines must hold the same mechanisms"):
        Ledger.joined([one, other])
    moved = Pipeline([*PARTS[:1], Autoencoder(0.9), Rounding()], fresh_fraction=0.2).ledger([0.1])
    assert "another in each direction" in Ledger.joined([one, moved]).descriptions[1]


def test_the_table_fits_a_terminal_and_holds_the_numbers():
    table = Pipeline(PARTS, fresh_fraction=0.2, images=1000).ledger(REAL).table()
    assert all(len(line) <= 80 for line in table.splitlines())
    assert table.splitlines()[-1].startswith("all together") and "last step alone" in table


@pytest.mark.parametrize("v", [[0.0, 1.0], [[1.0]], []])
def test_a_ledger_needs_variances_above_zero(v):
    with pytest.raises(InputError, match="v must be one axis of variances > 0, got"):
        Pipeline([], fresh_fraction=0.5).ledger(v)


def test_the_smallest_number_of_steps():
    def build(count: int) -> Pipeline:
        return Pipeline([SamplerSteps.edm(steps=count)], fresh_fraction=0.1)

    steps = steps_for(build, REAL, tolerance=0.2).first
    assert holds(build(steps), REAL, 0.2) and not holds(build(steps - 1), REAL, 0.2)
    answer = steps_for(build, REAL, tolerance=1e-3, most=64)
    assert answer.first is None and answer.nearest == 64 == max(answer.tried)
    assert answer.deviation == pytest.approx(np.abs(build(64).limit(REAL) / REAL - 1).max())

    def only_few(count: int) -> Pipeline:
        if count > 20:
            raise InputError("steps must be at most 20.")
        return build(count)

    answer = steps_for(only_few, REAL, tolerance=0.2)
    assert answer.first is None and max(answer.tried) <= 20


def test_a_window_of_steps_between_too_few_and_too_many():
    """A gain r that falls as log K and is right about K = 90 only: limit/v = alpha r / (1 - (1-alpha) r)."""
    alpha, tolerance = 0.1, 0.1

    def ratio(count: int) -> float:
        return 1.0 - 0.05 * np.log(count / 90.0)

    def build(count: int) -> Pipeline:
        return Pipeline([ScoreError(ratio(count) - 1.0)], fresh_fraction=alpha)

    counts = np.arange(1, 1001)
    r = np.array([ratio(k) for k in counts])
    with np.errstate(divide="ignore"):
        limit = np.where((1 - alpha) * r < 1, alpha * r / (1 - (1 - alpha) * r), np.inf)
    good = counts[np.abs(limit - 1) <= tolerance]
    answer = steps_for(build, [1.0, 0.1], tolerance=tolerance, most=1000)
    assert answer.windows == ((75, 112),) and (good[0], good[-1]) == (75, 112)
    assert len(answer.tried) < 40


def test_a_second_window_is_named_where_larger_numbers_hold_again():
    """DDIM rounds 1000 / K down: from 334 steps on it skips one time in two, and starts later than at 360."""
    data = np.array([1.0, 0.5, 0.27, 0.14])

    def build(count: int) -> Pipeline:
        return Pipeline([SamplerSteps.ddim(steps=count)], fresh_fraction=0.1)

    answer = steps_for(build, data, tolerance=0.1, most=1000)
    good = {k for k in (*range(320, 380, 4), *range(400, 1000, 40), 1000) if holds(build(k), data, 0.1)}
    (first, last), (again, none) = answer.windows
    assert none is None
    assert {k for k in range(320, 1001) if answer.includes(k)} >= good
    assert not any(k in good for k in range(last + 1, int(again / 1.04)))
    assert good >= set(range(680, 1000, 40))
    assert not answer.includes(500) and answer.includes(700) and not answer.includes(first - 1)


def plain_limit(v: np.ndarray, alpha: float, count: int, bar: np.ndarray, trailing: bool) -> np.ndarray:
    """Limits of DDIM by plain rounds: every level goes down by T // K training steps."""
    total = len(bar)
    times = np.round(np.arange(total, 0, -total / count)).astype(int) - 1
    if not trailing:
        times = np.arange(count)[::-1] * (total // count)
    earlier = times - total // count
    now, then = bar[times][:, np.newaxis], np.where(earlier < 0, 1.0, bar[earlier])[:, np.newaxis]
    model = v
    for _ in range(round(60 / alpha)):
        w = alpha * v + (1 - alpha) * model
        gain = (np.sqrt(then * now) * w + np.sqrt((1 - then) * (1 - now))) / (now * w + 1 - now)
        x = np.prod(gain, axis=0) ** 2
        if np.allclose(x, model, rtol=1e-9):
            break
        model = x
    return model


@pytest.mark.parametrize("trailing", [False, True])
def test_numbers_between_those_where_levels_jump(trailing):
    """4000 training steps jump elsewhere than 1000, and levels that are rounded one by one jump twice as often."""
    alpha, tolerance = (0.1, 0.3) if trailing else (0.9, 0.02)
    if trailing:
        bar, setting = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)), {"spacing": "trailing"}
    else:
        t = np.cos((np.arange(4001) / 4000 + 0.008) / 1.008 * np.pi / 2) ** 2
        bar = np.cumprod(1 - np.minimum(1 - t[1:] / t[:-1], 0.999))
        setting = {"train_steps": 4000, "schedule": "squaredcos_cap_v2"}
    data = np.array([1.0, 0.1, 0.01])

    def build(count: int) -> Pipeline:
        return Pipeline([SamplerSteps.ddim(steps=count, **setting)], fresh_fraction=alpha)

    answer = steps_for(build, data, tolerance=tolerance, most=400)
    numbers = (
        range(286, 335) if trailing else range(334, 371)
    )  # from a jump, or two, to one behind the window
    limits = {k: plain_limit(data, alpha, k, bar, trailing) for k in numbers}
    good = [k for k in numbers if np.max(np.abs(limits[k] / data - 1)) <= tolerance]
    assert (good[0], good[-1]) in answer.windows and good == list(range(good[0], good[-1] + 1))
    assert answer.first == good[0]


def test_irregular_small_numbers_and_those_asked_for():
    """Gains of 1 but for a few numbers: 12 among the first, and 57, which no grid has."""

    def build(count: int) -> Pipeline:
        return Pipeline([ScoreError(0.5 if count < 10 or count in (12, 57) else 0.0)], fresh_fraction=0.5)

    answer = steps_for(build, 1.0, tolerance=0.1, most=1000)
    assert answer.windows == ((10, 11), (13, None))
    assert not answer.includes(12) and answer.includes(57)
    told = steps_for(build, 1.0, tolerance=0.1, most=1000, also=[57])
    assert not told.includes(57) and told.includes(1000)
    assert told.windows == ((10, 11), (13, 56), (58, None))


_SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SEARCHED: dict[str, Callable[[int], Mechanism]] = {
    "DDIM": lambda k: SamplerSteps.ddim(steps=k),
    "DDPM": lambda k: SamplerSteps.ddpm(steps=k),
    "EDM": lambda k: SamplerSteps.edm(steps=k),
    "EDM Euler": lambda k: SamplerSteps.edm(steps=k, method="euler"),
    "flow": lambda k: SamplerSteps.flow(steps=k, shift=3.0),
    "Heun": lambda k: SamplerSteps.of_scheduler({"_class_name": "HeunDiscreteScheduler", **_SCALED}, steps=k),
    "Euler": lambda k: SamplerSteps.of_scheduler(
        {"_class_name": "EulerDiscreteScheduler", **_SCALED, "timestep_spacing": "leading"}, steps=k
    ),
    "UniPC": lambda k: SamplerSteps.of_scheduler(
        {"_class_name": "UniPCMultistepScheduler", **_SCALED}, steps=k
    ),
}


def ranges_by_trying_all(sizes: dict[int, float], tolerance: float) -> tuple[tuple[int, int | None], ...]:
    """The ranges of numbers that suffice, all of which were tried."""
    good, most = {k for k, size in sizes.items() if size <= tolerance}, max(sizes)
    starts = [k for k in sorted(good) if k - 1 not in good]
    ends = [k for k in sorted(good) if k + 1 not in good]
    return tuple((a, None if b == most else b) for a, b in zip(starts, ends, strict=True))


@pytest.mark.slow  # 300 samplers of each kind
@pytest.mark.parametrize("name", SEARCHED)
def test_ends_against_every_number_of_steps(name):
    if name in ("Heun", "Euler", "UniPC"):
        pytest.importorskip("diffusers")
    samplers = {k: SEARCHED[name](k) for k in range(1, 301)}
    for alpha in (0.1, 0.9):
        pipelines = {k: Pipeline([sampler], fresh_fraction=alpha) for k, sampler in samplers.items()}
        for data in (np.geomspace(1.0, 0.01, 9), REAL, np.array([0.25])):
            sizes = {k: deviation(pipeline, data) for k, pipeline in pipelines.items()}
            for tolerance in (0.03, 0.1, 0.3):
                answer = steps_for(pipelines.__getitem__, data, tolerance=tolerance, most=300)
                assert answer.windows == ranges_by_trying_all(sizes, tolerance), (alpha, tolerance, data)


def test_all_that_is_answered_was_tried_where_levels_are_rounded():
    """DDIM from the last training step down rounds the distance of its levels: dozens of windows of one number."""

    @cache
    def build(count: int) -> Pipeline:
        spaced = {
            "spacing": "trailing",
            "schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
        }
        return Pipeline([SamplerSteps.ddim(steps=count, **spaced)], fresh_fraction=0.5)

    data = np.array([1.0, 0.3, 0.1])
    answer = steps_for(build, data, tolerance=0.1, most=100)
    good = [k for k in range(1, 101) if holds(build(k), data, 0.1)]
    starts, ends = ([k for k in good if k + step not in good] for step in (-1, 1))
    assert answer.windows[:-1] == tuple(zip(starts, ends, strict=True))[:-1] and len(starts) > 2
    assert answer.windows[-1] == (starts[-1], None if ends[-1] == 100 else ends[-1])


def test_the_least_fresh_fraction_of_an_affine_map():
    """V = A w: limit/v = alpha A / (1 - (1-alpha) A), so alpha = (1-A) (1-eps) / (A eps) at a loss eps."""
    slope, eps = 0.99, 0.05
    pipeline = Pipeline([ScoreError(slope - 1.0)], fresh_fraction=0.5)
    expected = (1 - slope) * (1 - eps) / (slope * eps)
    assert share_for(pipeline, [1.0, 0.1], tolerance=eps) == pytest.approx(expected, rel=1.2e-3)
    assert share_for(Pipeline([ScoreError(-0.2)], fresh_fraction=0.5), 1.0, tolerance=0.1) is None


@pytest.mark.parametrize(
    ("alpha", "eps"),
    [(0.1, 0.01), (0.1, 1e-3), (0.5, 0.01), (0.5, 1e-3), (0.02, 0.01), (0.02, 0.05), (0.5, 0.05)],
)
def test_images_enough_are_a_number_of_real_ones(alpha, eps):
    """S = (1 - 1/D) v with D = 1 - alpha + alpha n (2 - alpha), so that D = 1/eps."""
    expected = (1 / eps - 1 + alpha) / (alpha * (2 - alpha))
    count = images_for(Pipeline([], fresh_fraction=alpha), 1.0, tolerance=eps)
    assert count == np.ceil(expected - 1e-9)
    if alpha == 0.1:
        assert alpha * count == pytest.approx(1 / (2 * eps), rel=0.1)


def test_the_largest_guidance():
    guided = Pipeline([Guidance(2.0, 0.05)], fresh_fraction=0.9)
    scale = guidance_for(guided, 0.25, tolerance=0.1)
    assert holds(Pipeline([Guidance(scale, 0.05)], fresh_fraction=0.9), 0.25, 0.1)
    assert not holds(Pipeline([Guidance(1 + 1.02 * (scale - 1), 0.05)], fresh_fraction=0.9), 0.25, 0.1)
    with pytest.raises(InputError, match="pipeline must hold guidance"):
        guidance_for(Pipeline([], fresh_fraction=0.9), 0.25, tolerance=0.1)
    spoiled = Pipeline([Guidance(2.0, 0.05), ScoreError(0.5)], fresh_fraction=0.9)
    assert guidance_for(spoiled, 0.25, tolerance=0.1) is None


def test_sensitivities_of_affine_mechanisms():
    """v = B/(1 - (1-alpha) A) + ...: a factor on what the last makes moves the limit by 1/(1 - (1-alpha) A)."""
    alpha, blur, v = 0.1, 0.2, 0.7
    result = sensitivity(Pipeline([Blur(blur), ScoreError(-0.05)], fresh_fraction=alpha), [v])
    slope = 0.95
    assert result[:, 0] == pytest.approx(1 / (1 - (1 - alpha) * slope), rel=2e-5)
    # Of the first of two that do not commute: only what passes through the second is multiplied.
    limit = (alpha * v * slope + blur**2) / (1 - (1 - alpha) * slope)
    first = sensitivity(Pipeline([ScoreError(-0.05), Blur(blur)], fresh_fraction=alpha), [v])[0, 0]
    w = alpha * v + (1 - alpha) * limit
    assert first == pytest.approx(slope * w / limit / (1 - (1 - alpha) * slope), rel=2e-5)
    assert np.isnan(sensitivity(Pipeline([ScoreError(0.5)], fresh_fraction=0.1), [v])).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: images_for(Pipeline([Refit(10)], fresh_fraction=0.5), 1.0, tolerance=0.1),
            "images must be left",
        ),
        (
            lambda: steps_for(lambda k: Pipeline([], fresh_fraction=1.0), 1.0, tolerance=0.0),
            "tolerance must be",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")


@pytest.mark.parametrize("most", [2, 3, 21, 22, 47, 333, 334, 999])
def test_the_last_number_before_those_that_are_refused(most):
    def build(count):
        if count > most:
            raise InputError(f"steps must be <= {most}, got {count}.")
        return Pipeline([], fresh_fraction=0.1)

    answer = steps_for(build, 0.25, tolerance=0.1, most=1000)
    assert answer.windows == ((1, most),)
