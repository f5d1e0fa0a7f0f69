"""Training on n images a round: a Gaussian fit loses no variance in total, it moves it into the drift of the mean."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, all_of, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # variance within a fit and mean square of the drift of its mean, shares of the data's variance
    within=lambda D: 1 - 1 / D,
    drift=lambda D: 1 / D,
    fixed=lambda alpha, n: 1 - alpha + alpha * n * (2 - alpha),
    binomial=lambda alpha, n: (1 - alpha) ** 2 + alpha * n * (2 - alpha),
    fresh_images=lambda loss: (1 - loss) / (2 * loss),
)

alpha, n, S, M, loss = sympy.symbols("alpha n S M loss", positive=True)


def _fit(kind: str) -> tuple[Any, Any]:
    """Expected variance of the n points and mean square of their mean, from counts, by the law of total variance.

    With k fresh points, the mean of the n points is (n - k) m / n plus noise; k is alpha n, or binomial.
    """
    old_squared = (1 - alpha) ** 2 + (alpha * (1 - alpha) / n if kind == "binomial" else 0)  # E ((n-k)/n)^2
    pool = alpha + (1 - alpha) * S
    mean = old_squared * M + pool / n
    second = alpha + (1 - alpha) * (S + M)  # E of a squared point about the data's mean
    return second - mean, mean


def _stationary(kind: str, denominator: str) -> Any:
    def check(claim: Claim) -> Outcome:
        variance, mean = _fit(kind)
        solved = sympy.solve([S - variance, M - mean], [S, M], dict=True)[0]
        D = getattr(claim, denominator)(alpha, n)
        return all_of(
            identity(solved[M], claim.drift(D), "drift"), identity(solved[S], claim.within(D), "variance")
        )

    return check


def _total(claim: Claim) -> Outcome:
    variance, mean = _fit("fixed")
    return all_of(
        identity(variance + mean - 1, (1 - alpha) * (S + M - 1), "total"),
        identity(
            variance, (1 - 1 / n) * (alpha + (1 - alpha) * S) + alpha * (1 - alpha) * M, "variance of the fit"
        ),
    )


def _real_images(claim: Claim) -> Outcome:
    count = sympy.solve(claim.fixed(alpha, n) - 1 / loss, n)[0] * alpha
    return identity(sympy.limit(count, alpha, 0), claim.fresh_images(loss), "fresh images for a loss")


STEPS = (
    Step(
        r"$\alpha n$ of the $n$ points are fresh, the others come from $N(m,S)$ with $E(m-m_d)^2=M$. Data variance 1, $\bar S=\alpha+(1-\alpha)S$. A squared point has mean $\alpha+(1-\alpha)(S+M)$, their average $(1-\alpha)^2M+\bar S/n$; a Gaussian fit takes over both, so that the distance of $S+M$ from one shrinks by $1-\alpha$ a round:",
        r"S'+M'-1=(1-\alpha)(S+M-1)",
        _total,
    ),
    Step(
        r"The two linear equations have one solution:",
        r"M=\frac1D,\qquad S=1-\frac1D,\qquad D=1-\alpha+\alpha n(2-\alpha)",
        _stationary("fixed", "fixed"),
    ),
    Step(
        r"If every point is fresh with probability $\alpha$, independently, the number of old ones has variance $n\alpha(1-\alpha)$:",
        r"D=(1-\alpha)^2+\alpha n(2-\alpha)",
        _stationary("binomial", "binomial"),
    ),
    Step(
        r"A loss $\varepsilon=1/D$ at a small share of fresh data needs a number of real images a round, not a share:",
        r"\alpha n\to\frac{1-\varepsilon}{2\varepsilon}",
        _real_images,
    ),
)

COUNTS = ((mpf("0.1"), 100), (mpf("0.5"), 6), (mpf("0.01"), 5000))


@high_precision("two points of one round, followed back to a common fit: their correlation iterated")
def correlations(claim: Claim) -> Outcome:
    # Points of one fit have correlation c = M; the next mean square of the pool's mean is read off pairs of points.
    pairs = []
    for share, count in COUNTS:
        old = (1 - share) * count
        for D, same_old in (
            (claim.fixed(share, mpf(count)), old * (old - 1)),
            (claim.binomial(share, mpf(count)), mpf(count) * (count - 1) * (1 - share) ** 2),
        ):
            c = mpf(0)
            for _ in range(4000):
                c = (count + same_old * c) / count**2
            pairs += [(c, claim.drift(D)), (1 - c, claim.within(D))]
    return agreement(pairs, 20)


SHARE, POINTS = 0.25, 20


@cache
def _runs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of the fit's variance and of its squared mean after 30 rounds."""
    rng = np.random.default_rng(73)
    runs = 10_000
    mean, deviation = np.zeros((runs, 1)), np.ones((runs, 1))
    for _ in range(30):
        if kind == "fixed":
            fresh = np.arange(POINTS) < SHARE * POINTS
        else:
            fresh = rng.random((runs, POINTS)) < SHARE
        noise = rng.standard_normal((runs, POINTS))
        points = np.where(fresh, noise, mean + deviation * noise)
        mean, deviation = points.mean(1, keepdims=True), points.std(1, keepdims=True)
    return definition.over_runs(np.stack([deviation[:, 0] ** 2, mean[:, 0] ** 2]), 1)


@simulated("10 000 runs of fits to 20 points, fixed and binomial numbers of fresh ones, 30 rounds")
def fits(claim: Claim) -> Outcome:
    outcomes = []
    for kind in ("fixed", "binomial"):
        value, error = _runs(kind)
        D = getattr(claim, kind)(SHARE, POINTS)
        outcomes.append(scores(value, [claim.within(D), claim.drift(D)], error))
    return all_of(*outcomes)


@high_precision("a tenth, a hundredth and a thousandth lost: real images a round as the share of them falls")
def real_images(claim: Claim) -> Outcome:
    pairs = []
    for lost in (mpf("0.1"), mpf("0.01"), mpf("0.001")):
        share = mpf(10) ** -9
        low, high = mpf(1), mpf(10) ** 16
        for _ in range(
            120
        ):  # the number of points at which the correlation of two of them settles at the loss
            middle = (low + high) / 2
            correlation = 1 / (middle * (1 - (1 - share) ** 2) + 1 - share)
            low, high = (middle, high) if correlation > lost else (low, middle)
        pairs.append((share * low, claim.fresh_images(lost)))
    return agreement(pairs, 7)


def _package() -> Iterator[tuple[str, Any, Any]]:
    pipeline = subject.fetch("Pipeline")
    for share, count in COUNTS:
        run = pipeline([], fresh_fraction=float(share), images=count)
        c = mpf(0)
        for _ in range(4000):
            c = (1 + ((1 - share) * count - 1) * (1 - share) * c) / count
        yield f"variance, {count} images", subject.number(run.limit(0.25)), (1 - c) / 4
        yield f"drift, {count} images", subject.number(run.mean_drift(0.25)), c / 4


STATEMENT = Statement(
    id="additions.finite_images",
    title="Finite images move variance into the drift of the mean",
    source="new",
    text=r"A Gaussian fitted to $n$ points a round, $\alpha n$ of them real, keeps the data's variance exactly, when the drift of its mean is counted: the fit has $S$, its mean drifts by $M$, and $S+M=\Sigma$. The loss depends on the number of real images a round: about $1/(2\varepsilon)$ of them keep it below $\varepsilon$.",
    formula=r"S=\left(1-\frac1D\right)\Sigma,\qquad M=\frac{\Sigma}{D},\qquad D=1-\alpha+\alpha n(2-\alpha)",
    conditions=r"the sampler is exact; variance by the number of points, mean square by $n$; binomial counts: $D=(1-\alpha)^2+\alpha n(2-\alpha)$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "second moments of the pool, solved by sympy"), correlations, real_images, fits),
    mutations=(
        Mutation("constant", r"$\alpha n$ for $\alpha n(2-\alpha)$", {"fixed": lambda a, n: 1 - a + a * n}),
        Mutation("sign", r"$1+\alpha$", {"fixed": lambda a, n: 1 + a + a * n * (2 - a)}),
        Mutation(
            "exponent",
            "binomial counts as fixed ones",
            {"binomial": lambda a, n: 1 - a + a * n * (2 - a)},
        ),
        Mutation("dropped condition", "the mean does not drift", {"drift": lambda D: 0 * D}),
        Mutation(
            "constant", r"$1/\varepsilon$ real images", {"fresh_images": lambda loss: (1 - loss) / loss}
        ),
    ),
    expected="holds",
    package=Package(
        "Pipeline.limit, Pipeline.mean_drift",
        "tests/pipeline/test_pipeline.py",
        _package,
        digits=8,
    ),
)
