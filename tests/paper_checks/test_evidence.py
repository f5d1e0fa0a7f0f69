"""The comparisons and the verdicts themselves: each must be able to say no."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy

from paper_checks import enclosures, evidence, runner
from paper_checks.evidence import (
    REFUTES,
    SILENT,
    SUPPORTS,
    Claim,
    Evidence,
    Outcome,
    agreement,
    all_of,
    attained,
    identity,
    ordered,
    scores,
)
from paper_checks.registry import Displayed, Mutation, Statement, Step, Weaker, statements
from paper_checks.report.typeset import Typesetter, braced
from paper_checks.verdicts import Finding, judge

alpha, x = sympy.symbols("alpha x", positive=True)
k = sympy.Symbol("k", integer=True, positive=True)


class TestComparisons:
    def test_identity(self):
        assert identity((1 - alpha) ** (k + 1), (1 - alpha) * (1 - alpha) ** k).status == SUPPORTS
        assert identity(sympy.sin(x) ** 2 + sympy.cos(x) ** 2, 1).status == SUPPORTS
        assert identity((1 - alpha) ** (k + 1), (1 - alpha) ** k).status == REFUTES
        assert identity(x, x + sympy.Rational(1, 10**12)).status == REFUTES

    def test_agreement(self):
        third = mpmath.mpf(1) / 3
        assert agreement([(third, third)], 25).status == SUPPORTS
        assert agreement([(third, third * (1 + mpmath.mpf("1e-9")))], 12).status == REFUTES
        assert agreement([(1.0, math.nan)], 1).status == REFUTES
        with pytest.raises(ValueError, match="no numbers"):
            agreement([], 3)

    def test_ordered_and_attained(self):
        assert ordered([(1, 2), (2, 2)]).status == SUPPORTS
        assert ordered([(1, 2), (2.001, 2)]).status == REFUTES
        assert attained([(1.0, 2.0)], 1e-3).status == REFUTES
        assert attained([(1.0, 2.0), (1.9999, 2.0)], 1e-3).status == SUPPORTS

    def test_scores(self):
        draws = np.random.default_rng(1).standard_normal(500)
        assert scores(draws, 0.0, 1.0).status == SUPPORTS
        assert scores(draws + 9, 0.0, 1.0).status == REFUTES
        assert scores([4.4], [0.0], [1.0]).status == SILENT
        with pytest.raises(ValueError, match="positive standard errors"):
            scores([1.0], [1.0], [0.0])

    def test_all_of_prefers_refutation(self):
        yes, no, silent = (Outcome(status, status) for status in (SUPPORTS, REFUTES, SILENT))
        assert all_of(yes, silent, no).status == REFUTES
        assert all_of(yes, silent).status == SILENT
        assert all_of(yes, yes).status == SUPPORTS

    def test_numerical_evidence_is_no_proof(self):
        with pytest.raises(ValueError, match="instances"):
            Evidence("simulated", "dice", lambda claim: Outcome(SUPPORTS, ""), covers="all")


class TestEnclosures:
    flint = pytest.importorskip("flint")

    def test_subdivision_proves_and_refutes(self):
        def parabola(u, v):
            return (u - v) ** 2 + self.flint.arb(1) / 100

        assert enclosures.positive_on(parabola, [(0.0, 1.0), (0.0, 1.0)]).status == SUPPORTS
        assert enclosures.positive_on(lambda u: u * u - self.flint.arb(1) / 4, [(0.0, 1.0)]).status == REFUTES

    def test_an_undecided_case_stays_undecided(self):
        assert (
            enclosures.positive_on(lambda u: (u - self.flint.arb(1) / 3) ** 2, [(0.0, 1.0)], most=300).status
            == SILENT
        )

    def test_remainder_of_the_exponential(self):
        value = enclosures.exponential_remainder(self.flint.arb(1) / 2, 3, lambda j: 1)
        exact = (math.exp(0.5) - 1 - 0.5 - 0.125) / 0.125
        assert abs(float(value.mid()) - exact) < 1e-12
        assert float(value.rad()) < 1e-13


def finding(kind="symbolic", status=SUPPORTS, covers="cases", role="truth"):
    return Finding(kind, "", covers, role, Outcome(status, ""), 0.0)


class TestVerdicts:
    def test_every_word(self):
        proof, digits = finding(covers="all"), finding("high_precision")
        extremal = finding("high_precision", role="sharpness")
        against = finding("simulated", REFUTES)
        assert judge([proof, digits]).word == "holds"
        assert judge([proof, digits]).because.startswith("derived, algebra checked")
        enclosed = finding("certified", covers="all")
        assert judge([enclosed, digits]).because.startswith("proved by enclosures")
        assert judge([proof, digits, extremal]).word == "sharp"
        assert judge([digits, finding("simulated")]).word == "supported"
        assert judge([proof, digits, finding("simulated", role="vacuity")]).word == "vacuous here"
        assert judge([proof, against]).word == "false as displayed"
        assert judge([proof, digits], [against]).word == "false as displayed"
        assert judge([proof, digits], [digits]).word == "open"
        assert judge([proof]).word == "open"
        assert judge([finding(status=SILENT), digits]).word == "open"

    def test_sharpness_without_proof_is_only_support(self):
        assert judge([finding("simulated"), finding("high_precision", role="sharpness")]).word == "supported"


def statement(**changes) -> Statement:
    claim = Claim(value=lambda n: n * n)
    check = Evidence("high_precision", "squares", lambda c: agreement([(c.value(3), 9)], 10))
    proof = Evidence("symbolic", "square", lambda c: identity(c.value(x), x**2), covers="all")
    fields = {
        "id": "limit.square", "title": "t", "source": "s", "text": "t", "formula": "x", "conditions": "c",
        "derivation": (Step("s"),), "claim": claim, "evidence": (check, proof), "expected": "holds",
        "mutations": (Mutation("constant", "twice", {"value": lambda n: 2 * n * n}),),
    }  # fmt: skip
    return Statement(**{**fields, **changes})


class TestRunner:
    def test_as_expected(self):
        row = runner.run(statement())
        assert row.as_expected
        assert row.verdict.word == "holds"
        assert row.rejections[0].rejected

    def test_a_mutation_that_changes_nothing_is_a_complaint(self):
        row = runner.run(statement(mutations=(Mutation("sign", "same", {"value": lambda n: n * n}),)))
        assert not row.as_expected
        assert "not rejected" in row.complaints[0]

    def test_another_verdict_is_a_complaint(self):
        assert not runner.run(statement(expected="sharp")).as_expected

    def test_a_counter_example_needs_a_displayed_form_that_fails(self):
        wrong = Displayed("somebody", "d", "x", {"value": lambda n: n**3}, "c")
        row = runner.run(statement(displayed=wrong, expected="false as displayed"))
        assert row.as_expected
        assert row.verdict.because.startswith("somebody: counter-example (high precision)")
        right = Displayed("somebody", "d", "x", {"value": lambda n: n * n}, "c")
        assert runner.run(statement(displayed=right, expected="false as displayed")).verdict.word == "open"

    def test_an_exception_is_an_error_and_no_rejection(self):
        def broken(claim):
            raise RuntimeError("broken")

        row = runner.run(statement(evidence=(Evidence("symbolic", "", broken, covers="all"),)))
        assert row.verdict.word == "open"
        assert "broken" in row.complaints[0]

    def test_a_warning_is_an_error(self):
        noisy = Evidence("high_precision", "", lambda c: agreement([(float(np.log(np.zeros(1))[0]), 0)], 1))
        assert runner.run(statement(evidence=(noisy,))).error

    def test_a_package_that_differs_is_a_complaint(self):
        from paper_checks.registry import Package

        def compare():
            yield "a number", 1.0, 1.1

        row = runner.run(statement(package=Package("f", "t", compare)))
        assert row.package.status == "differs"
        assert not row.as_expected

    def test_a_name_that_the_package_lost_is_a_complaint(self):
        from paper_checks import subject
        from paper_checks.registry import Package

        def compare():
            yield "a number", subject.fetch("no.such.name"), 1.0

        row = runner.run(statement(package=Package("no.such.name", "t", compare)))
        assert row.package.status == "absent"
        assert not row.as_expected

    def test_without_flint_certified_evidence_is_skipped_and_says_so(self, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "flint", None)
        chosen = next(item for item in statements() if item.id == "limit.attenuation")
        row = runner.run(chosen, quick=True)
        certified = [item for item in row.findings if item.kind == "certified"]
        assert certified[0].outcome.status == SILENT
        assert "python-flint" in certified[0].outcome.closeness
        assert row.as_expected


def multiples(row) -> dict[tuple[str, float], str]:
    return {(item.formula, item.factor): item.outcome for item in row.scalings}


class TestMultiples:
    def test_every_formula_is_multiplied_and_rejected(self):
        row = runner.run(statement())
        assert multiples(row) == {("value", factor): "rejected" for factor in (1.01, 0.99, 1.5, 0.6)}
        assert not runner.run(statement(), quick=True).scalings

    def test_a_formula_that_no_evidence_is_tied_to_is_a_complaint(self):
        loose = Claim(value=lambda n: n * n, extra=lambda n: 1.0 * n, loose=lambda n: 2.0 * n)
        check = Evidence(
            "high_precision", "", lambda c: agreement([(c.value(3), 9), (c.loose(1) > 0, True)], 10)
        )
        proof = Evidence("symbolic", "square", lambda c: identity(c.value(x), x**2), covers="all")
        row = runner.run(statement(claim=loose, evidence=(check, proof)))
        found = multiples(row)
        assert found["extra", 1.5] == "unused"
        assert found["loose", 1.5] == "survives"
        assert not row.as_expected
        assert "loose times 1.01: survives" in row.complaints

    def test_a_bound_says_which_true_statement_it_became(self):
        claim = Claim(value=lambda n: n * n, bound=lambda n: 2.0 * n)
        above = Evidence("high_precision", "", lambda c: ordered([(1, c.bound(1)), (c.value(3), 9)]))
        proof = Evidence("symbolic", "square", lambda c: identity(c.value(x), x**2), covers="all")
        weaker = (Weaker("bound", "above", "a larger bound"), Weaker("bound", "below", "still a bound"))
        row = runner.run(statement(claim=claim, evidence=(above, proof), weaker=weaker[:1]))
        assert multiples(row)["bound", 1.5] == "weaker"
        assert multiples(row)["bound", 0.6] == "survives"
        assert runner.run(statement(claim=claim, evidence=(above, proof), weaker=weaker)).as_expected

    def test_decisions_and_counts_are_no_numbers(self):
        claim = Claim(value=lambda n: n * n, finite=lambda n: n < 4)
        check = Evidence(
            "high_precision",
            "",
            lambda c: all_of(agreement([(c.value(3.0), 9)], 10), evidence.decided(c.finite(3), "")),
        )
        proof = Evidence("symbolic", "square", lambda c: identity(c.value(x), x**2), covers="all")
        row = runner.run(statement(claim=claim, evidence=(check, proof)))
        assert multiples(row)["finite", 1.5] == "no number"
        assert row.as_expected

    @pytest.mark.parametrize("value", [2, 2.0, np.arange(3.0), mpmath.mpf(2), x, (2.0, x), {"key": 2.0}])
    def test_every_number_system_is_multiplied(self, value):
        from paper_checks.scalings import Scaled

        formula = Scaled(lambda: value, 3, 2)
        found = formula()
        assert formula.calls == 1
        if isinstance(value, int):
            assert found == 2 and formula.numbers == 0
        elif isinstance(value, tuple):
            assert found == (3.0, sympy.Rational(3, 2) * x)
        elif isinstance(value, dict):
            assert found == {"key": 3.0}
        else:
            assert np.all(found == value * (sympy.Rational(3, 2) if value is x else 1.5))


class TestTypesetting:
    def test_bare_arguments_get_braces(self):
        assert braced(r"\frac12") == r"\frac{1}{2}"
        assert braced(r"\sqrt\alpha x") == r"\sqrt{\alpha} x"
        assert braced(r"\frac{\frac12}\theta") == r"\frac{\frac{1}{2}}{\theta}"

    @pytest.mark.parametrize("item", statements(), ids=lambda item: item.id)
    def test_every_formula_can_be_drawn(self, item):
        setter = Typesetter()
        assert "<svg" in setter.formula(item.formula, display=True)
        for step in item.derivation:
            setter.text(step.text)
            if step.formula:
                setter.formula(step.formula, display=True)
        for text in (item.text, item.conditions, item.remark, *(m.text for m in item.mutations)):
            setter.text(text)
        assert all(path.startswith("M") for path in setter.glyphs.values() if path)

    def test_arithmetic_agrees_across_number_systems(self):
        from paper_checks.arithmetic import FLOAT, MPMATH, SYMPY

        for name in ("exp", "expm1", "log", "log1p", "sqrt", "gamma"):
            values = [float(getattr(m, name)(m.number(3, 10))) for m in (FLOAT, MPMATH, SYMPY)]
            assert np.ptp(values) < 1e-14


def test_kinds_are_the_four():
    assert evidence.KINDS == ("symbolic", "certified", "high_precision", "simulated")
