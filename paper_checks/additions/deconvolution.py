"""The data from the limit: one deconvolution, however many rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(inverse=lambda limit, decay, alpha: (limit / decay - (1 - alpha) * limit) / alpha)

c, d, alpha = sympy.symbols("c d alpha", positive=True)


def _solve(claim: Claim) -> Outcome:
    # p_inf = C(alpha p* + (1 - alpha) p_inf), solved for p*.
    limit = sympy.Symbol("L")
    solution = sympy.solve(limit - d * (alpha * c + (1 - alpha) * limit), c)[0]
    return identity(solution, claim.inverse(limit, d, alpha), "fixed point solved for the data")


STEPS = (
    Step(
        r"The limit is the fixed point $p_\infty=C(\alpha p_\ast+(1-\alpha)p_\infty)$. Solve for the data; only one power of $C^{-1}$ appears:",
        r"p_\ast=\frac{C^{-1}-(1-\alpha)}{\alpha}\,p_\infty,\qquad c_k(p_\ast)=\frac{a^{-|k|}-(1-\alpha)}{\alpha}\,c_k(p_\infty)",
        _solve,
    ),
)


@high_precision("limits of two mixtures by 60 rounds of the definition; degrees 1 to 10 recovered")
def recovered(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((mpf("0.6"), mpf("0.2")), (mpf("0.8"), mpf("0.05"))):
        for target in (definition.two_modes(), definition.three_modes()):
            limit = definition.rounds(target, fraction, [time] * 70)[-1]
            for degree in range(1, 11):
                pairs.append(
                    (
                        claim.inverse(
                            definition.coefficient(limit, degree), mpmath.exp(-degree * time), fraction
                        ),
                        definition.coefficient(target, degree),
                    )
                )
    return agreement(pairs, 18)


@simulated("200 runs of 2 000 particles after 20 rounds: coefficients of the data recovered, degrees 1 to 4")
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(97)
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.5,
        [0.1] * 20,
        runs=200,
        count=2000,
        keep=lambda y: definition.hermite_table(y, 4)[1:].mean(-1),
    )[-1]
    decay = np.exp(-0.1 * np.arange(1, 5))[:, None]
    mean, error = definition.over_runs(claim.inverse(kept, decay, 0.5), 1)
    return scores(
        mean, [float(definition.coefficient(definition.two_modes(), k)) for k in range(1, 5)], error
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    operator = subject.fetch("AttenuationOperator")(fresh_fraction=0.6, truncation_time=0.4)
    values = np.asarray(operator.eigenvalues(np.arange(1, 9)))
    for degree, value in zip(range(1, 9), values, strict=True):
        yield f"degree {degree}", 1 / value, CLAIM.inverse(1, mpmath.exp(-degree * mpf(0.4) / 2), mpf(0.6))


STATEMENT = Statement(
    id="additions.deconvolution",
    title="The data are one deconvolution away from the limit",
    source="new",
    text=r"On the degrees that can be resolved, the data law is recovered from the limit law by a single inverse channel, however many rounds led there.",
    formula=r"p_\ast=\frac{1}{\alpha}\left(C^{-1}-(1-\alpha)\right)p_\infty",
    conditions=r"$\alpha>0$; mode by mode, amplified by $1/g_n$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "fixed point solved by sympy"), recovered, particles),
    mutations=(
        Mutation("constant", r"without $1/\alpha$", {"inverse": lambda l, d, a: l / d - (1 - a) * l}),
        Mutation("sign", r"$+(1-\alpha)$", {"inverse": lambda l, d, a: (l / d + (1 - a) * l) / a}),
        Mutation(
            "exponent", r"two inverse channels", {"inverse": lambda l, d, a: (l / d**2 - (1 - a) * l) / a}
        ),
        Mutation(
            "dropped condition", "nothing synthetic to subtract", {"inverse": lambda l, d, a: l / d / a}
        ),
    ),
    expected="holds",
    package=Package("AttenuationOperator", "tests/recursion/test_modes.py", _package),
)
