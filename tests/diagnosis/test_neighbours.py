"""A special case is named only where curves tell it from the law that contains it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, minimize_scalar

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.neighbours import separation
from tests.diagnosis.affine_histories import FAR, SPECIAL, curve, histories, shares

STARTS, FRESH = np.array([0.3, 0.9]), 0.25
RISE = 2.7055
DIRECTIONS = {  # slope and offset of a law at the part r, for each unit of its amount
    "truncation": lambda r, starts: (-1.0, 1.0 + r),
    "blur": lambda r, starts: (r, starts.max()),
    "refit": lambda r, starts: (-1.0, r * starts.min()),
}


def noisy(name, *, amount, part=0.0, error=0.004, starts=STARTS, seed=0):
    slope, offset = DIRECTIONS[name](part, starts)
    exact = np.stack([curve(v, 1.0 + slope * amount, offset * amount, FRESH) for v in starts], axis=1)
    errors = error * exact * (np.arange(len(exact)) > 0)[:, None]
    return exact + errors * np.random.default_rng(seed).normal(size=exact.shape), errors


def diagnosed(values, errors):
    return hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=FRESH, runs=np.inf)


def bound_by_hand(name, values, errors, starts, widths):
    """The larger part at which the best law of that part has risen by 2.71, from sums of squares alone."""

    def misfit(slope, added):
        exact = np.stack([curve(v, 1.0 + slope, added, FRESH) for v in starts], axis=1)
        return float((((values - exact)[1:] / errors[1:]) ** 2).sum())

    def profile(part):
        slope, offset = DIRECTIONS[name](part, widths)
        best = minimize_scalar(
            lambda a: misfit(slope * a, offset * a),
            bounds=(0.0, 0.6),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return best.fun

    slope, offset = DIRECTIONS[name](0.0, widths)
    start = np.array([slope, offset]) * 0.08
    least = minimize(
        lambda p: misfit(p[0], max(p[1], 0.0)),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-9},
    ).fun
    sides = (1,) if name == "refit" else (1, -1)
    return max(brentq(lambda r, s=side: profile(s * r) - least - RISE, 1e-4, 1.0) for side in sides)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_bound_is_where_the_best_law_of_that_part_is_rejected(name):
    values, errors = noisy(name, amount=0.08)
    result = diagnosed(values, errors)
    assert (result.verdict, result.leading.name) == ("identified", name)
    apart = separation(result.leading, result.fits_by_mechanism, result.observations)
    one = result.leading
    # What a blur leaves out is most where a curve is widest, in the end.
    widths = np.append(STARTS, one.plateau) if name == "blur" else STARTS
    by_hand = bound_by_hand(name, values, errors, STARTS, widths)
    assert apart.is_told and apart.bound == pytest.approx(by_hand, rel=0.05)
    said = re.search(
        r"What .* leaves out is at most ([0-9.]+) % of what it does, in every curve\.", result.text
    )
    assert float(said.group(1)) == pytest.approx(100.0 * apart.bound, rel=0.06)


@pytest.mark.parametrize(("name", "error"), [("truncation", 0.08), ("blur", 0.05), ("refit", 0.08)])
def test_a_law_at_half_of_it_is_named_in_one_case_of_twenty_at_most(name, error):
    """With errors at which the mechanism itself is often not rejected; a limit of 1 names 4 to 11 of these."""
    accepted = named = 0
    for seed in range(16):
        result = diagnosed(*noisy(name, amount=0.08, part=0.5, error=error, seed=seed))
        accepted += name in result.accepted
        named += result.verdict == "identified" and result.leading.name == name
    assert named <= 2 and accepted >= 5  # 0.8 expected at most


def test_general_laws_are_no_special_cases():
    """Before what is left out was weighed, a sixth of these were named truncation, blur or refit."""
    wrong = [one for one in histories("general", 2, 0.03, 30, 5) if one.name in SPECIAL and one.part > FAR]
    assert len(wrong) <= 3


def test_what_would_have_to_be_known_better_is_said():
    start = np.array([0.6])
    values, errors = noisy("blur", amount=0.25, error=0.08, starts=start, seed=2)
    result = diagnosed(values, errors)
    assert result.verdict == "undetermined" and result.fits is None and "blur" in result.accepted
    assert "Of the special cases blur alone fits as well as the law that contains it" in result.text
    assert "the slope A of a round, which is 1 for a blur, is known too little" in result.text
    needed, given = map(
        float,
        re.search(
            r"standard errors of ([0-9.]+) % of the values in place of ([0-9.]+) %", result.text
        ).groups(),
    )
    assert given == pytest.approx(8.0, rel=0.15) and needed < 4.0


@pytest.mark.slow
def test_the_errors_that_are_asked_for_do_in_nine_cases_of_ten():
    start = np.array([0.6])
    result = diagnosed(*noisy("blur", amount=0.25, error=0.08, starts=start, seed=2))
    needed = float(re.search(r"standard errors of ([0-9.]+) % of the values", result.text).group(1)) / 100.0
    named = 0
    for seed in range(200):
        sharper = diagnosed(*noisy("blur", amount=0.25, error=needed, starts=start, seed=seed))
        named += sharper.verdict == "identified" and sharper.leading.name == "blur"
    assert 155 <= named <= 194  # 180 expected, less some of the one in twenty that is rejected


def test_factors_are_told_by_what_a_round_adds_to_a_degree():
    rounds = np.arange(13)
    root, degrees = np.sqrt(0.9), np.array([1, 2])
    verdicts = {}
    for added in (0.0, 0.05):  # of degree 2, where truncation takes away 0.1
        exact = np.stack([curve(1.0, root**n, added * (n == 2), FRESH, rounds[-1]) for n in degrees], axis=1)
        values = exact + 0.004 * np.random.default_rng(1).normal(size=exact.shape)
        result = hc.diagnose(values, degrees=degrees, standard_errors=np.full(exact.shape, 0.004))
        verdicts[added] = result
    assert verdicts[0.0].leading.name == "truncation" and verdicts[0.0].verdict == "identified"
    assert "in every curve, if nothing else moves the means." in verdicts[0.0].text
    assert verdicts[0.05].verdict != "identified"


PAGE = Path(hc.__file__).parents[1] / "docs" / "questions.md"
ROWS = [
    ("truncation", "right", "truncation, by its name"),
    ("blur", "right", "a blur, by its name"),
    ("refit", "right", "refitting, by its name"),
    ("general", "near", "any such law, by a special case that leaves out less than a third"),
    ("general", "far", "any such law, by one that leaves out more"),
]


def shares_of_the_page(words):
    line = next(line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| {words} |"))
    return [float(cell) / 100.0 for cell in line.split("|")[2:-1]]


def test_the_page_promises_few_wrong_names():
    stated = {words: shares_of_the_page(words) for _, _, words in ROWS}
    assert all(len(row) == 6 for row in stated.values())
    assert max(stated[ROWS[-1][2]]) <= 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["truncation", "blur", "refit", "general"])
def test_two_hundred_histories_of_each_kind(kind):
    for index, (columns, error) in enumerate((c, e) for c in (1, 2, 4) for e in (0.03, 0.01)):
        found = shares(kind, columns, error, 200, 17)
        assert max(found["far"], found["outside"]) <= 0.05 and found["beyond"] <= 0.02
        for name, key, words in ROWS:
            if name == kind:
                assert found[key] == pytest.approx(shares_of_the_page(words)[index], abs=0.02)
