"""What generations can show, before they are made: against simulated data sets and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.power import variance_covariance

MECHANISMS = hc.mechanisms
LOOP = {"fresh_fraction": 0.2, "images": 2000, "rounds": 9}


def test_errors_fall_with_the_root_of_the_images_and_with_known_shares():
    few = hc.detection_power(MECHANISMS.Truncation(0.05), [1.5, 0.3, 0.05], **LOOP)
    many = hc.detection_power(MECHANISMS.Truncation(0.05), [1.5, 0.3, 0.05], **(LOOP | {"images": 8000}))
    for name, error in few.errors.items():
        assert many.errors[name] == pytest.approx(error / 2.0, rel=1e-4)
        assert few.smallest[name] == pytest.approx((1.9600 + 1.2816) * error, rel=1e-4)
    known = hc.detection_power(
        MECHANISMS.Truncation(0.05), [1.5, 0.3, 0.05], fresh_fraction_known=True, **LOOP
    )
    assert set(known.errors) == {"truncation_time"}
    assert known.errors["truncation_time"] < few.errors["truncation_time"]
    assert many.rejection["blur"] > few.rejection["blur"] > 0.05


def test_one_direction_tells_truncation_and_blur_apart_by_chance_only():
    one = hc.detection_power(MECHANISMS.Truncation(0.05), 0.3, **LOOP)
    assert one.rejection["blur"] == pytest.approx(0.05, abs=1e-3)
    assert "blur 5 %" in one.text and "2\u202f000 images, 1 direction and 9 rounds" in one.text


def test_what_is_not_determined_is_infinite():
    refit = hc.detection_power(MECHANISMS.Refit(50), [1.5, 0.3, 0.05], **LOOP)
    assert (
        np.isinf(refit.errors["samples"])
        and "samples by no size, since such curves do not determine it" in refit.text
    )
    sampler = hc.detection_power(
        MECHANISMS.SamplerSteps.ddim(steps=50), [1.5, 0.3], fresh_fraction_known=True, **LOOP
    )
    assert not sampler.errors and "nothing is fitted" in sampler.text


def test_the_covariance_is_that_of_gaussian_histories():
    """Variances of N values each round, drawn from a law whose variance the last round's sample moved."""
    rng, images, alpha = np.random.default_rng(0), 400, 0.3
    repeats, rounds, data = 20_000, 3, 0.5
    mechanism = MECHANISMS.ScoreError(-0.1, 0.05)
    law, measured = np.full(repeats, data), [data * rng.chisquare(images, repeats) / images]
    for i in range(rounds):
        previous = law if i == 0 else measured[-1]
        law = np.asarray(mechanism.variance(alpha * data + (1 - alpha) * previous))
        measured.append(law * rng.chisquare(images, repeats) / images)
    exact = np.cov(np.array(measured))
    pipeline = hc.Pipeline([mechanism], fresh_fraction=alpha)
    curve = pipeline.trajectory([data], rounds)
    predicted = variance_covariance(curve, pipeline.rate(np.array([data])), images)
    assert np.all(
        np.abs(exact - predicted) < 0.05 * np.sqrt(np.outer(np.diag(predicted), np.diag(predicted)))
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": 1}, "images must be an integer >= 2"),
        ({"rounds": 1}, "rounds must be an integer >= 2"),
        ({"data_variances": [0.3, 0.0]}, "data_variances must be a non-empty vector of numbers > 0"),
        ({"mechanism": "blur"}, "mechanism must be a round map of hc.mechanisms, got 'blur'"),
        ({"power": 1.0}, "power must lie in (0, 1)"),
    ],
)
def test_bad_questions(changes, words):
    arguments = {"mechanism": MECHANISMS.Truncation(0.05), "data_variances": [0.3], **LOOP} | changes
    with pytest.raises(hc.InputError) as problem:
        hc.detection_power(arguments.pop("mechanism"), arguments.pop("data_variances"), **arguments)
    assert words in str(problem.value)
