"""Every propagation bound in runs where everything is known, with negative controls."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.bounds.propagation.innovation import (
    PropagationRecord,
    PropagationRound,
    discounted_divergence,
    innovation_bounds,
    persistence_floor,
    refreshed_divergence,
)
from hermite_collapse.bounds.propagation.rows import bound_columns, bound_row, propagation_table
from hermite_collapse.bounds.propagation.solvable import SolvableFamily, SolvableRecursion
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.estimates import Estimate
from tests.linear_gaussian import LinearGaussianError

TARGET = hc.GaussianMixture(np.array([0.4, 0.6]), np.array([-1.5, 1.0]), np.array([1.0, 1.2]))


def signs(kind: str, rounds: int) -> np.ndarray:
    return {
        "coherent": np.ones(rounds),
        "alternating": (-1.0) ** np.arange(rounds),
        "random": np.random.default_rng(3).choice([-1.0, 1.0], rounds),
    }[kind]


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["coherent", "alternating", "random"])
def test_every_bound_holds(alpha, kind, capsys):
    record = SolvableRecursion(TARGET, alpha, 0.25 * signs(kind, 10), 0.9).record()
    rows = propagation_table(record)
    statements = {row.statement for row in rows}
    assert statements >= {
        "Prop 3.1", "Prop 3.3", "Prop 3.3 (proved)", "Prop 3.3 (small)", "Thm 3.4", "Thm 3.4 (proved)", "refresh",
        "residual", "innovation", "triangle", "Thm 4.2 (coherent)", "Prop 4.1", "Prop 4.1 (improved)",
    }  # fmt: skip
    assert [row for row in rows if row.verdict in ("refused", "infinite")] == []
    with capsys.disabled():
        print(f"\n  fresh fraction {alpha}, {kind} defects: bound / measured")
        for name in sorted(statements):
            ratios = [row.ratio for row in rows if row.statement == name]
            verdicts = sorted({row.verdict for row in rows if row.statement == name})
            print(f"    {name:20s} {min(ratios):10.4g} .. {max(ratios):10.4g}   {', '.join(verdicts)}")


@pytest.mark.parametrize("amplitude", [0.05, 0.2])
def test_tightened_bounds_are_refused(amplitude):
    """1.1 eta eps^2 as a lower bound and 0.5 eps^2 as an upper one: the data say no."""
    target = hc.GaussianMixture(np.array([0.4, 0.6]), np.array([-0.3, 0.3]), np.array([1.0, 1.05]))
    record = SolvableRecursion(target, 0.3, amplitude * signs("random", 6), 1.0).record()
    for entry in record.rounds:
        visible = entry.observability.value * entry.ideal_energy.value
        row = bound_row(0, "tightened", "I", "below", 1.1 * visible, entry.innovation)
        assert row.verdict == "refused"
        row = bound_row(0, "tightened", "I", "above", 0.5 * entry.ideal_energy.value, entry.innovation)
        assert row.verdict == "refused"
        row = bound_row(0, "tightened", "KL", "above", 0.2 * entry.learned_energy.value, entry.innovation_kl)
        assert row.verdict == "refused"


@pytest.mark.parametrize(
    ("field", "factor", "statement"),
    [
        ("residual", 1.001, "refresh"),
        ("cross", 1.01, "refresh"),
        ("divergence_before", 1.01, "refresh"),
        ("innovation", 12.0, "residual"),
        ("innovation_kl", 6.0, "Prop 3.1"),
        ("innovation", 0.1, "Prop 3.3"),
        ("innovation", 10.0, "Thm 3.4 (proved)"),
        ("divergence_after", 1.2, "Thm 4.2 (coherent)"),
        ("divergence_after", 0.5, "triangle"),
    ],
)
def test_a_changed_quantity_is_refused(field, factor, statement):
    """Each row must be able to fail: one recorded number changed, and the row that depends on it says refused."""
    record = SolvableRecursion(TARGET, 0.3, 0.25 * signs("coherent", 4), 1.0).record()
    rounds = []
    for entry in record.rounds:
        old = getattr(entry, field)
        changed = Estimate(old.value * factor, old.error, old.kind, old.route)
        rounds.append(dataclasses.replace(entry, **{field: changed}))
    rows = propagation_table(PropagationRecord(0.3, rounds))
    assert any(row.verdict == "refused" for row in rows if row.statement == statement)


@given(
    beta=st.floats(0.01, 2.0),
    rho=st.floats(0.0, 1.0),
    variance=st.floats(0.0, 2.0),
    gap=st.floats(0.0, 4.0),
)
def test_proved_constants_on_the_solvable_family(beta, rho, variance, gap):
    start = hc.GaussianMixture([0.5, 0.5], [0.0, gap], variance)
    family = SolvableFamily(start, beta, rho)
    value, eta = family.chi_square().value, min(1.0, family.observability().value)
    bounds = innovation_bounds(family.energy, eta, supremum_energy=family.energy)
    slack = 1e-11 * (1.0 + value)
    assert bounds.lower - slack <= value <= bounds.upper + slack
    assert bounds.published_lower - slack <= value <= bounds.published_upper + slack
    assert bounds.published_lower <= bounds.lower + slack
    square = family.energy**2
    assert bounds.published_lower == pytest.approx(
        eta * family.energy / 4 - bounds.lower_constant * square,
        abs=1e-9 * (1 + bounds.lower_constant * square),
    )
    if family.energy <= bounds.smallness:
        assert value >= eta * family.energy / 8 - slack


def test_the_proved_tail_is_attained():
    """rho = 1, X constant: norm(L - 1 - M)^2 = exp(B) - 1 - B exactly, so tau cannot be lowered in general."""
    normal = np.random.default_rng(0).standard_normal(2_000_000)
    beta = 0.5
    tail = (np.exp(beta * normal - beta**2 / 2) - 1 - beta * normal) ** 2
    error = tail.std() / math.sqrt(tail.size)
    expected = math.expm1(beta**2) - beta**2
    assert abs(tail.mean() - expected) < 4 * error
    assert abs(tail.mean() - 0.9 * expected) > 4 * error


def test_persistence_floor_and_its_improvement():
    assert persistence_floor(0.1, 0.5, fresh_fraction=0.4) == pytest.approx(
        (0.4 * 0.05 / (16 * 1.36), 0.4 * 0.05 / (8 * 1.6**2))
    )
    for alpha in np.linspace(0.01, 1.0, 50):
        published, improved = persistence_floor(1.0, 1.0, fresh_fraction=alpha)
        assert published <= improved <= 2.0 * published * (1 + 1e-12)


def test_discounts_coherent_and_incoherent():
    """The same defect every round: R/alpha^2 against R/(alpha (2 - alpha)), 19 times apart at alpha = 0.1."""
    coherent = discounted_divergence([1.0] * 2000, fresh_fraction=0.1)[-1]
    incoherent = discounted_divergence([1.0] * 2000, fresh_fraction=0.1, coherence="incoherent")[-1]
    assert coherent == pytest.approx(100.0)
    assert incoherent == pytest.approx(1.0 / 0.19)
    assert coherent / incoherent == pytest.approx(19.0)


def test_cross_term_tells_which_discount_applies():
    """Random signs: D averages to the squared discount.  One sign: D follows the coherent one, cross terms positive."""
    measured, squared, coherent = [], [], []
    for seed in range(48):
        sign = np.random.default_rng(seed).choice([-1.0, 1.0], 8)
        record = SolvableRecursion(TARGET, 0.2, 0.02 * sign, 1.0).record()
        residuals = [entry.residual.value for entry in record.rounds]
        measured.append(record.rounds[-1].divergence_after.value)
        coherent.append(discounted_divergence(residuals, fresh_fraction=0.2)[-1])
        squared.append(discounted_divergence(residuals, fresh_fraction=0.2, coherence="incoherent")[-1])
    gap = np.array(measured) - np.array(squared)
    error = gap.std(ddof=1) / math.sqrt(len(gap))
    assert abs(gap.mean()) < 4 * error
    assert np.mean(coherent) - np.mean(measured) > 4 * error
    record = SolvableRecursion(TARGET, 0.2, np.full(8, 0.02), 1.0).record()
    residuals = [entry.residual.value for entry in record.rounds]
    value = record.rounds[-1].divergence_after.value
    assert all(entry.cross.value > 0 for entry in record.rounds[1:])
    assert value == pytest.approx(discounted_divergence(residuals, fresh_fraction=0.2)[-1], rel=0.05)
    assert value > 3 * discounted_divergence(residuals, fresh_fraction=0.2, coherence="incoherent")[-1]


def test_columns_for_a_figure():
    rows = propagation_table(SolvableRecursion(TARGET, 0.3, 0.2 * signs("random", 5), 0.8).record())
    columns = bound_columns(rows, "I_i")
    assert len(columns.measured) == 5 and set(columns.upper) == {"Thm 3.4", "Thm 3.4 (proved)"}
    assert set(columns.lower) == {"Prop 3.3", "Prop 3.3 (proved)", "Prop 3.3 (small)"}
    for name, column in columns.lower.items():
        assert all(b <= m for b, m in zip(column, columns.measured) if not math.isnan(b)), name
    from hermite_collapse.figures.propagation import draw_bounds

    axes = draw_bounds(
        measured=columns.measured, errors=columns.errors, lower=columns.lower, upper=columns.upper, ylabel="I"
    )
    assert axes.get_yscale() == "log"
    axes.figure.clear()
    with pytest.raises(InputError, match="quantity"):
        bound_columns(rows, "J")


@given(
    alpha=st.floats(0.05, 1.0),
    amplitudes=st.lists(st.floats(-0.4, 0.4), min_size=2, max_size=5),
    rho=st.floats(0.0, 1.0),
    gap=st.floats(0.0, 3.0),
)
def test_no_bound_is_refused_in_any_run(alpha, amplitudes, rho, gap):
    target = hc.GaussianMixture(np.array([0.3, 0.7]), np.array([0.0, gap]), np.array([1.0, 1.5]))
    rows = propagation_table(SolvableRecursion(target, alpha, amplitudes, rho).record())
    assert [row for row in rows if row.verdict == "refused"] == []


def test_refresh_is_exact():
    """chi2(alpha p* + (1-alpha) p against p*) from the mixture itself."""
    run = SolvableRecursion(TARGET, 0.35, [0.4, 0.0], 1.0)
    record = run.record()
    # The second round has no error: p_2 = q_1.
    assert record.rounds[1].divergence_after.value == pytest.approx(
        refreshed_divergence(record.rounds[0].divergence_after.value, fresh_fraction=0.35), rel=1e-11
    )
    assert refreshed_divergence(math.inf, fresh_fraction=1.0) == 0.0
    assert math.isinf(refreshed_divergence(math.inf, fresh_fraction=0.5))


def test_linear_errors_have_no_proved_row_and_say_empirical():
    error = LinearGaussianError(0.3, 0.7, 0.05, -0.02, 4.0, 0.02)
    entry = PropagationRound(
        ideal_energy=Estimate(error.ideal_energy, 0.0),
        learned_energy=Estimate(error.learned_energy, 0.0),
        observability=error.observability,
        innovation=error.chi_square(),
        innovation_kl=error.kl(),
    )
    rows = propagation_table(PropagationRecord(0.5, [entry]))
    assert {row.statement for row in rows} == {"Prop 3.1", "Prop 3.3", "Prop 3.3 (small)", "Thm 3.4"}
    assert {row.constant for row in rows if row.statement != "Prop 3.1"} == {"empirical"}
    assert all(row.verdict == "holds" for row in rows)


def test_verdicts():
    value = Estimate(1.0, 0.1, "standard_error", "samples")
    assert bound_row(0, "s", "q", "above", 0.7, value).verdict == "holds"  # three errors off
    assert bound_row(0, "s", "q", "above", 0.5, value).verdict == "refused"
    assert bound_row(0, "s", "q", "below", 1.5, value).verdict == "refused"
    assert bound_row(0, "s", "q", "above", 200.0, value).verdict == "vacuous"
    assert bound_row(0, "s", "q", "below", 1e-3, value).verdict == "vacuous"
    assert bound_row(0, "s", "q", "below", -1.0, value).verdict == "vacuous"
    assert bound_row(0, "s", "q", "above", 0.1, value, met=False).verdict == "does not apply"
    assert bound_row(0, "s", "q", "above", 2.0, Estimate(math.inf, 0.0)).verdict == "infinite"
    assert bound_row(0, "s", "q", "above", 0.0, Estimate(0.0, 0.0)).verdict == "holds"


def test_infinite_divergence_is_reported_and_nothing_is_proved_from_it():
    entry = PropagationRound(
        ideal_energy=Estimate(0.1, 0.0),
        observability=Estimate(0.5, 0.0),
        innovation=Estimate(0.06, 0.0),
        divergence_before=Estimate(math.inf, 0.0),
        divergence_after=Estimate(math.inf, 0.0),
    )
    rows = propagation_table(PropagationRecord(0.5, [entry, entry]))
    assert {row.verdict for row in rows if row.statement in ("innovation", "Prop 4.1")} == {"infinite"}


def test_input_errors():
    with pytest.raises(InputError, match="supremum_energy must be at least"):
        innovation_bounds(1.0, 0.5, supremum_energy=0.5)
    with pytest.raises(InputError, match="observability"):
        innovation_bounds(1.0, 1.5)
    with pytest.raises(InputError, match="PropagationRecord"):
        propagation_table([])
    with pytest.raises(InputError, match="coherence"):
        discounted_divergence([1.0], fresh_fraction=0.1, coherence="some")
