"""Errors that are larger than what values scatter are said to be, and no others."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.diagnosis.fits.round_models import AffineModel
from hermite_collapse.diagnosis.remarks import on_large_errors
from tests.diagnosis.observed_arrays import observed

FRESH, LOSS, WIDTHS = 0.25, 1.0 - np.exp(-0.1), np.array([1.6, 0.3, 0.05])
SAID = "times what the values scatter"


def truncated(rounds=12, widths=WIDTHS):
    values = [widths]
    for _ in range(rounds):
        values.append((1.0 - LOSS) * (FRESH * widths + (1.0 - FRESH) * values[-1]) + LOSS)
    return np.array(values)


def table(seed, *, overstated=1.0):
    """Values whose independent errors are so many times what they scatter."""
    exact = truncated()
    scatter = 0.02 * exact
    return exact + scatter * np.random.default_rng(seed).standard_normal(exact.shape), overstated * scatter


def is_said(seed, *, widths=1):
    """Whether it is said of so many curves with right errors."""
    values, errors = (one[:, :widths] for one in table(seed))
    curves = observed(values, errors)
    return bool(on_large_errors({"affine": fit(AffineModel(), curves)}, curves))


def test_errors_that_are_right_are_seldom_called_large():
    assert sum(is_said(seed) for seed in range(80)) <= 3  # 0.4 are expected


@pytest.mark.slow
@pytest.mark.parametrize("widths", [1, 3])
def test_right_errors_are_called_large_in_half_a_per_cent(widths):
    assert (
        6 <= sum(is_said(seed, widths=widths) for seed in range(4000)) <= 34
    )  # of 20, by 3 standard deviations


@pytest.mark.slow
def test_half_a_per_cent_is_also_that_of_whole_answers():
    count = 0
    for seed in range(120):
        values, errors = table(seed)
        count += (
            SAID in hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=FRESH).text
        )
    assert count <= 3


@pytest.mark.parametrize("seed", range(2))
def test_doubled_errors_are_said_to_be_twice_as_large(seed):
    values, errors = table(seed, overstated=2.0)
    told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": FRESH}
    for noise in ({}, {"noise": "independent"}):
        text = hc.diagnose(values, **told, **noise).text
        assert SAID in text and text.count("standard deviations") == 1
        ratio = float(text.split("Errors are about ")[1].split()[0])
        assert 1.5 < ratio < 2.8


def test_runs_that_pass_their_noise_on_are_not_said_to_have_large_errors():
    said, independent = 0, 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        last = np.tile(WIDTHS, (3, 1))
        curves = [last]
        for _ in range(12):
            trained = FRESH * WIDTHS + (1.0 - FRESH) * curves[-1]
            curves.append(((1.0 - LOSS) * trained + LOSS) * (1.0 + 0.03 * rng.standard_normal(last.shape)))
        values = np.array(curves)
        errors = values.std(axis=1, ddof=1) / np.sqrt(3.0)
        told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": FRESH, "runs": 3}
        alone = hc.diagnose(values.mean(axis=1), **told, noise="independent", mechanism="affine")
        one = alone.fits_by_mechanism["affine"]
        independent += one.p_value > 0.9
        said += SAID in alone.text or bool(
            on_large_errors({"affine": one.replace(chi_square=1.0)}, alone.observations)
        )
    assert independent >= 2 and said == 0  # as if these errors were larger than what scatters


@pytest.mark.parametrize("runs", [None, 5])
def test_standard_deviations_of_five_runs_are_noticed(runs):
    exact = truncated()
    each = exact * (1.0 + 0.04 * np.random.default_rng(4).standard_normal((5, *exact.shape)))
    told = {"kind": "variances", "fresh_fraction": FRESH, "runs": runs, "noise": "independent"}
    values, deviations = each.mean(axis=0), each.std(axis=0, ddof=1)
    assert SAID in hc.diagnose(values, standard_errors=deviations, **told).text
    assert SAID not in hc.diagnose(values, standard_errors=deviations / np.sqrt(5.0), **told).text


def test_it_is_not_said_where_something_else_says_it(tmp_path):
    values, _ = table(0)
    lines = [f"{i},{value:.2f},{0.02 if i else 0}" for i, value in enumerate(truncated()[:, 1])]
    one_digit = tmp_path / "one_digit.csv"
    one_digit.write_text("\n".join(["round,variance 1,error", *lines]) + "\n")
    printed = hc.diagnose(hc.read_curve(one_digit), fresh_fraction=FRESH)
    assert printed.observations.are_rounded and SAID not in printed.text
    shrinking = np.array([WIDTHS * 0.95**i for i in range(12)])
    steady = hc.diagnose(shrinking, kind="variances", standard_errors=0.02 * shrinking, fresh_fraction=0.0)
    assert "Refits to sets of" in steady.text and SAID not in steady.text
    assert SAID not in hc.diagnose(values, kind="variances", fresh_fraction=FRESH).text  # without errors


def test_measured_generations_have_errors_of_their_own():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 1))
    generations = [real[:200] * 0.9**k for k in range(5)]
    diagnosis = hc.diagnose(hc.measure(real, generations, degrees=0), fresh_fraction=0.0)
    close = {"affine": diagnosis.fits_by_mechanism["affine"].replace(chi_square=1e-6, freedom=9)}
    assert on_large_errors(close, diagnosis.observations) == []
    assert SAID in on_large_errors(close, diagnosis.observations.replace(measured=None))[0]
