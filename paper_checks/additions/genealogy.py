"""The genealogy: how many models lie between a sample and real data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import (
    Claim,
    Outcome,
    agreement,
    all_of,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

# table[i] = (weight of p*, weights of p_0, ..., p_i) for round i
TABLE = (
    (sympy.Rational(1, 2), (sympy.Rational(1, 2),)),
    (sympy.Rational(1, 5), (sympy.Rational(2, 5), sympy.Rational(2, 5))),
    (sympy.Rational(1, 4), (0, sympy.Rational(1, 4), sympy.Rational(1, 2))),
    (
        sympy.Rational(1, 10),
        (sympy.Rational(1, 10), sympy.Rational(3, 10), sympy.Rational(2, 5), sympy.Rational(1, 10)),
    ),
)


def _age_law(index: int, table: Any, per_round: int) -> dict[int, Any]:
    """P(K = k) for p_index, by enumerating every ancestral line."""
    if index == 0:
        return {0: sympy.Integer(1)}
    fresh, earlier = table[index - 1]
    law: dict[int, Any] = {per_round: fresh}
    for j, weight in enumerate(earlier):
        for age, share in _age_law(j, table, per_round).items():
            law[age + per_round] = law.get(age + per_round, 0) + weight * share
    return law


CLAIM = Claim(
    factor=lambda index, table, r: sum(share * r**age for age, share in _age_law(index, table, 1).items()),
    geometric=lambda k, alpha: alpha * (1 - alpha) ** (k - 1),
)

r, alpha = sympy.symbols("r alpha", positive=True)


def _forward(table: Any, r: Any) -> list[Any]:
    # The definition: c_n(p_{i+1}) = a^n c_n(q_i), q_i the mixture of the table; r = a^n.
    f = [r * 0 + 1]
    for fresh, earlier in table:
        f.append(r * (fresh + sum(w * f[j] for j, w in enumerate(earlier))))
    return f


def _any_table(claim: Claim) -> Outcome:
    forward = _forward(TABLE, r)
    return all_of(
        *(
            identity(sympy.expand(forward[i]), sympy.expand(claim.factor(i, TABLE, r)), f"round {i}")
            for i in range(5)
        )
    )


def _symbolic_table(claim: Claim) -> Outcome:
    w = sympy.symbols("w0:9", positive=True)
    table = ((w[0], (w[1],)), (w[2], (w[3], w[4])), (w[5], (w[6], w[7], w[8])))
    forward = _forward(table, r)
    return all_of(
        *(
            identity(
                sympy.expand(forward[i]), sympy.expand(claim.factor(i, table, r)), f"round {i}, any weights"
            )
            for i in range(4)
        )
    )


def _replacement(claim: Claim) -> Outcome:
    k = sympy.Symbol("k", integer=True, positive=True)
    # Last step fresh, or one more model in front of a line of the same law.
    return all_of(
        identity(claim.geometric(sympy.Integer(1), alpha), alpha, "fresh at once"),
        identity(
            claim.geometric(k + 1, alpha), (1 - alpha) * claim.geometric(k, alpha), "one more generation"
        ),
    )


STEPS = (
    Step(
        r"Trace a sample of $p_{i+1}$ back: its training point was real with the weight of $p_\ast$, or an output of $p_j$ with the weight of $p_j$; every step back passes one "
        r"model. Let $K$ be the number of models passed. Induction over $i$, for any weights:",
        r"f_n(i+1)=a^n\left(w_\ast+\sum_{j\leq i}w_jf_n(j)\right)\;\Rightarrow\;f_n(i)=E\,a^{nK_i}",
        _symbolic_table,
    ),
    Step(
        r"The same for an explicit table of weights, with every ancestral line enumerated.",
        r"f_n(i)=\sum_kP(K_i=k)\,a^{nk}",
        _any_table,
    ),
    Step(
        r"Replacement: each step back ends with probability $\alpha$, so $K$ is geometric.",
        r"P(K=k)=\alpha(1-\alpha)^{k-1}",
        _replacement,
    ),
)


@high_precision(
    "law after four rounds of an arbitrary weight table, density by ages against density by rounds"
)
def densities(claim: Claim) -> Outcome:
    time, target = mpf("0.2"), definition.two_modes()
    laws = [target]
    for fresh, earlier in TABLE:
        mixed = [(mpf(fresh.p) / fresh.q * w, m, v) for w, m, v in target]
        for j, share in enumerate(earlier):
            share = sympy.Rational(share)
            mixed += [(mpf(share.p) / share.q * w, m, v) for w, m, v in laws[j]]
        laws.append(definition.truncate(mixed, time))
    polynomial = sympy.Poly(claim.factor(4, TABLE, r), r)
    pairs = []
    for point in (-2, "-0.5", "0.3", 1):
        by_age = sum(
            mpf(sympy.Rational(c).p)
            / sympy.Rational(c).q
            * definition.density(definition.truncate(target, age * time), mpf(point))
            for (age,), c in polynomial.terms()
        )
        pairs.append((by_age, definition.density(laws[4], mpf(point))))
    return agreement(pairs, 24)


@cache
def _walk() -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(4)
    count = 400_000
    # Particles carry x through every round of the table; nobody counts generations.
    pools = [definition.draw(rng, definition.two_modes(), (count,))]
    a, s = np.exp(-0.1), np.sqrt(-np.expm1(-0.2))
    for fresh, earlier in TABLE:
        weights = np.array([float(fresh), *map(float, earlier)])
        source = rng.choice(weights.size, count, p=weights)
        x = definition.draw(rng, definition.two_modes(), (count,))
        for j, pool in enumerate(pools):
            x = np.where(source == j + 1, pool[rng.integers(0, count, count)], x)
        pools.append(a * x + s * rng.standard_normal(count))
    table = definition.hermite_table(pools[-1], 4)[1:]
    # Sharing of ancestors correlates particles; four rounds of it at most quadruple the variance.
    return list(table.mean(-1)), list(2 * table.std(-1) / np.sqrt(count))


@simulated("400 000 particles through four rounds of the table: coefficients of degrees 1 to 4")
def particles(claim: Claim) -> Outcome:
    mean, error = _walk()
    predicted = [
        float(claim.factor(4, TABLE, mpf(np.exp(-0.1 * k))))
        * float(definition.coefficient(definition.two_modes(), k))
        for k in range(1, 5)
    ]
    return scores(mean, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    factors = subject.fetch("mode_factors")
    rows = [[float(fresh), *map(float, earlier)] + [0.0] * (4 - len(earlier)) for fresh, earlier in TABLE]
    table = np.asarray(
        factors([1, 3], fresh_fraction=0.5, truncation_time=0.4, rounds=4, regime=np.array(rows))
    )
    for column, degree in enumerate((1, 3)):
        exact = _forward(
            [(mpf(f.p) / f.q, [mpf(sympy.Rational(w).p) / sympy.Rational(w).q for w in e]) for f, e in TABLE],
            mpf(np.exp(-0.2 * degree)),
        )
        for index in range(5):
            yield f"degree {degree}, round {index}", table[index, column], exact[index]


STATEMENT = Statement(
    id="additions.genealogy",
    title="A model law is the data law at a random age",
    source="new",
    text=(
        r"Whatever the mixing weights, $p_i$ is the law of the data carried through $K$ channels, where $K$ counts the models between a sample and the real data it "
        r"descends from: a Markov chain. One formula covers every regime; for replacement $K$ is geometric."
    ),
    formula=r"p_i=\mathrm{Law}\left(C^{K_i}X_\ast\right),\qquad f_n(i)=E\,a^{nK_i}",
    conditions="equal channels in every round (with unequal ones $a^{K}$ becomes the product along the line)",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "any weights for three rounds, an explicit table for four, replacement", covers="all"),
        densities,
        particles,
    ),
    mutations=(
        Mutation(
            "constant",
            "the last model is not counted",
            {"factor": lambda i, t, r: CLAIM.factor(i, t, r) / r if i else CLAIM.factor(i, t, r)},
        ),
        Mutation(
            "exponent",
            "every model counts twice",
            {"factor": lambda i, t, r: sum(s * r**k for k, s in _age_law(i, t, 2).items())},
        ),
        Mutation("sign", r"$1+\alpha$", {"geometric": lambda k, alpha: alpha * (1 + alpha) ** (k - 1)}),
        Mutation(
            "dropped condition",
            "only real data and the last round count",
            {
                "factor": lambda i, t, r: (
                    r * 0 + 1 if i == 0 else r * (t[i - 1][0] + (1 - t[i - 1][0]) * CLAIM.factor(i - 1, t, r))
                )
            },
        ),
    ),
    expected="holds",
    package=Package("mode_factors", "tests/recursion/test_schedules_regimes.py", _package),
)
