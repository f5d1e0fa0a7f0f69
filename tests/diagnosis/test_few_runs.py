"""Tables of means of a few runs, with and without their number; refits that few runs would scatter more."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from scipy.special import polygamma

import hermite_collapse as hc
from hermite_collapse.diagnosis.observed.few_runs import apparent_runs
from hermite_collapse.storage.runs import inverse_trigamma
from tests.diagnosis.observed_arrays import observed

EXAMPLES = files("hermite_collapse.diagnosis") / "examples"

FRESH, LOSS = 0.25, 1.0 - np.exp(-0.05)
TIME = 0.05
ONE, TWO = np.array([0.09]), np.array([0.6, 0.05])


def curve(starts, slope, added, rounds, fresh=FRESH):
    values = [starts]
    for _ in range(rounds):
        values.append(slope * (fresh * starts + (1.0 - fresh) * values[-1]) + added)
    return np.array(values)


def means_of_runs(exact, runs, seed, *, proportional=True):
    """Means of runs and their standard errors."""
    scatter = 0.03 * (exact if proportional else exact.mean() * np.ones_like(exact))
    values = exact + scatter * np.random.default_rng(seed).standard_normal((runs, *exact.shape))
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(runs)


def truncated(runs, seed, starts, given, *, proportional=True):
    values, errors = means_of_runs(curve(starts, 1.0 - LOSS, LOSS, 12), runs, seed, proportional=proportional)
    return hc.diagnose(
        values,
        kind="variances",
        standard_errors=errors,
        fresh_fraction=FRESH,
        mechanism="truncation",
        runs=given,
        noise="independent",
    )


def calibration(runs, starts, count, given, *, proportional=True):
    """Share of histories that reject the truth, and the root of the mean square of its pulls."""
    rejected, pulls = 0, []
    for seed in range(count):
        one = truncated(runs, seed, starts, given, proportional=proportional).fits_by_mechanism["truncation"]
        rejected += one.is_rejected
        value = one.parameters["truncation_time"]
        if value is not None:
            pulls.append((value.value - TIME) / value.error)
    return rejected / count, float(np.sqrt(np.mean(np.square(pulls))))


@pytest.mark.parametrize("runs", [3, 5])
def test_the_truth_is_not_rejected_by_errors_of_few_runs(runs):
    exact, _ = calibration(runs, ONE, 30, np.inf)
    rejected, pull = calibration(runs, ONE, 30, float(runs))
    assert exact > 0.15 and rejected <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 30)
    assert 0.6 < pull < 1.4


@pytest.mark.slow
@pytest.mark.parametrize("proportional", [True, False])
@pytest.mark.parametrize("starts", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_levels_and_errors_are_those_promised(runs, said, starts, proportional):
    count = 400
    rejected, pull = calibration(
        runs, starts, count, float(runs) if said else None, proportional=proportional
    )
    assert rejected <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / count)
    # A constant scatter beside values that change: which law holds is itself estimated, and pulls reach 1.2.
    low, high = (0.87, 1.13) if proportional else (0.87, 1.33)
    assert low < pull < high


@pytest.mark.parametrize("runs", [3, 5])
def test_errors_of_few_runs_are_noticed(runs):
    text = [truncated(runs, seed, TWO, None).text for seed in range(10)]
    assert sum("Errors scatter from round to round" in one for one in text) >= 9


@pytest.mark.parametrize("starts", [ONE, TWO], ids=["one", "two"])
def test_errors_that_are_known_are_not_called_those_of_few_runs(starts):
    exact = curve(starts, 1.0 - LOSS, LOSS, 10)
    wrong = dict.fromkeys(("stated", "of values", "equal", "uneven", "digits", "growing"), 0)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        values = exact * (1.0 + 0.05 * rng.standard_normal(exact.shape))
        digits = np.array([float(f"{0.02 * value:.1g}") for value in values.ravel()]).reshape(values.shape)
        growing = 0.02 * exact * np.sqrt(np.arange(len(exact)))[:, None]
        for name, errors in {
            "stated": 0.02 * exact,
            "of values": 0.05 * values,
            "equal": np.full_like(exact, 0.002),
            "uneven": 0.02 * exact * (1.0 + 0.1 * rng.standard_normal(exact.shape)),
            "digits": digits,
            "growing": growing,
        }.items():
            wrong[name] += apparent_runs(observed(values, errors)) is not None
    assert max(wrong.values()) <= 5


def test_numbers_of_runs_are_estimated_from_the_scatter_of_errors():
    found = [
        apparent_runs(observed(*means_of_runs(curve(TWO, 1.0 - LOSS, LOSS, 40), 4, seed)))
        for seed in range(20)
    ]
    assert 3 <= np.median(found) <= 5
    for x in (0.5, 1.0, 7.0):
        assert inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-9)


TABLES = {
    "column": ("round,variance,sem,num_seeds", ",3"),
    "letter": ("round,variance,sem,n", ",3"),
    "brackets": ("round,variance,sem (n=3)", ""),
    "aggregated": ("round,variance mean,variance sem,variance count", ",3"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_say_the_number_of_runs(tmp_path, name):
    heading, end = TABLES[name]
    values, errors = means_of_runs(curve(ONE, 1.0 - LOSS, LOSS, 12), 3, 0)
    rows = [f"{i},{values[i, 0]:.17g},{errors[i, 0]:.17g}{end}" for i in range(13)]
    (tmp_path / "c.csv").write_text("\n".join([heading, *rows]))
    read = hc.read_curve(tmp_path / "c.csv")
    assert np.all(read.runs == 3.0)
    told = hc.diagnose(read, fresh_fraction=FRESH)
    by_hand = hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=FRESH, runs=3)
    assert (
        told.chi_square == pytest.approx(by_hand.chi_square, rel=1e-9) and told.accepted == by_hand.accepted
    )


def test_counts_of_something_else_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("round,variance,sem,n\n0,1,.1,50000\n1,.9,.1,50000\n2,.8,.1,50000\n")
    with pytest.raises(
        hc.InputError, match="whether 'n' counts the runs whose mean each value is, got 50000"
    ):
        hc.read_curve(tmp_path / "c.csv")
    with pytest.raises(hc.InputError, match="numbers of runs within 1 and 1000 in 'n', got '50000' in row 1"):
        hc.read_curve(tmp_path / "c.csv", {"n": "runs"})


@pytest.mark.parametrize("runs", [0.0, 2.5, -3.0, np.nan])
def test_numbers_of_runs_are_whole(runs):
    with pytest.raises(hc.InputError, match="runs must be"):
        hc.diagnose(np.ones(5), standard_errors=np.full(5, 0.1), runs=runs)


def shrinking(seed, starts=TWO, fresh=FRESH):
    exact = curve(starts, 0.95, 0.0, 10, fresh)
    errors = 0.02 * exact
    return exact + errors * np.random.default_rng(seed).standard_normal(exact.shape), errors


@pytest.mark.parametrize("fresh", [FRESH, 0.0])
def test_what_only_shrinks_is_not_called_a_refit(fresh):
    for seed in range(3):
        values, errors = shrinking(seed, fresh=fresh)
        told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": fresh}
        unsaid = hc.diagnose(values, **told)
        refit = unsaid.fits_by_mechanism["refit"]
        assert unsaid.verdict != "identified" and refit.is_accepted and 60.0 < refit.mean_of_runs < 900.0
        assert "Refits to sets of" in unsaid.text and "give their number (runs, --runs)" in unsaid.text
        few = hc.diagnose(values, runs=1, **told)
        assert few.fits_by_mechanism["refit"].scatters_too_little and "refit" not in few.accepted
        assert "too steady" in few.text and few.verdict != "identified"
        many = hc.diagnose(values, runs=np.inf, **told)
        assert (many.verdict, many.leading.name) == ("identified", "refit")


def refits(samples, runs, seed, rounds=10):
    """Means over runs of the sample variances of Gaussians refitted to so many samples, and their errors."""
    rng = np.random.default_rng(seed)
    values = [np.tile(TWO, (runs, 1))]
    for _ in range(rounds):
        training = FRESH * TWO + (1.0 - FRESH) * values[-1]
        values.append(training * rng.chisquare(samples - 1, size=training.shape) / samples)
    curves = np.array(values)
    errors = curves.std(axis=1, ddof=1) / np.sqrt(runs)
    errors[0] = 0.0
    return curves.mean(axis=1), errors


@pytest.mark.parametrize("samples", [15, 40])
def test_true_refits_scatter_enough_whatever_the_number_of_runs(samples):
    for runs in (10, 50):
        for seed in range(4):
            values, errors = refits(samples, runs, seed)
            told = {"kind": "variances", "standard_errors": errors, "fresh_fraction": FRESH}
            one = hc.diagnose(values, runs=runs, mechanism="refit", **told).fits_by_mechanism["refit"]
            assert not one.scatters_too_little and one.mean_of_runs is None


def test_runs_are_said_once_and_are_whole(tmp_path):
    refits = hc.read_curve(EXAMPLES / "gaussian_refits_100.csv")
    with pytest.raises(
        hc.InputError,
        match=r"^runs .* has a column of them \(say --columns 'runs=ignore' to correct it\), got 3",
    ):
        hc.diagnose(refits, runs=3)
    for header, cells, way_out in (
        ("round,variance (5 seeds),sem", "", "says their number in a name or a cell (change it there to"),
        (
            "round,variance,sem,seed",
            ",42",
            "has a column of them (say --columns 'seed=ignore' to correct it)",
        ),
    ):
        rows = [f"{i},{0.3 + 0.05 * i},0.01{cells}" for i in range(5)]
        (tmp_path / "c.csv").write_text("\n".join([header, *rows]))
        with pytest.raises(hc.InputError) as problem:
            hc.diagnose(hc.read_curve(tmp_path / "c.csv"), runs=3)
        assert way_out in str(problem.value)
    ring = hc.read_curve(EXAMPLES / "ring.csv")
    for wrong in (0, -1, np.nan, 2.5, True, "3"):
        with pytest.raises(
            hc.InputError, match="^runs must be a whole number >= 1, or infinite where errors are"
        ):
            hc.diagnose(ring, runs=wrong)
