"""The degree kernel: all Hermite modes of one degree by a four-term recursion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
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

CLAIM = Claim(
    # (n + 1) K_{n+1} from K_n, K_{n-1}, K_{n-2}, K_{n-3}
    step=lambda n, d, A, b, K, K1, K2, K3: b * K + (2 * (n - 1) + d - 2 * A) * K1 + b * K2 - (n - 3 + d) * K3,
    exponent=lambda r, A, b: (r * b - r**2 * A) / (1 - r**2),
)

r, x, y, z, w, A, b, d = sympy.symbols("r x y z w A b d", real=True)
n = sympy.Symbol("n", integer=True, positive=True)


def _mehler(claim: Claim) -> Outcome:
    # One coordinate: h_n(x)h_n(y) summed with r^n, from the Fourier form h_n(x) e^{-x^2/2} ~ int (i s)^n e^{isx - s^2/2}.
    # Equivalent and checkable: the kernel solves the heat-like equation r dG/dr = L_x G with L h_n = n h_n, G(0) = 1.
    R = sympy.Symbol("r", positive=True)
    G = sympy.exp(claim.exponent(R, (x**2 + y**2) / 2, x * y)) / sympy.sqrt(1 - R**2)
    number = x * sympy.diff(G, x) - sympy.diff(G, x, 2)
    return all_of(
        identity(sympy.simplify((R * sympy.diff(G, R) - number) / G), 0, "degrees counted twice"),
        identity(G.subs(R, 0), 1, "degree zero"),
        identity(sympy.series(G, R, 0, 2).coeff(R, 1), x * y, "degree one"),
    )


def _recursion(claim: Claim) -> Outcome:
    # Multiply d/dr log G by (1 - r^2)^2 and compare the coefficients of r^n.
    logarithmic = sympy.diff(-d / 2 * sympy.log(1 - r**2) + claim.exponent(r, A, b), r)
    polynomial = sympy.expand(sympy.simplify(logarithmic * (1 - r**2) ** 2))
    K = sympy.symbols("K_{-3} K_{-2} K_{-1} K_0")  # K_{n-3}, ..., K_n
    # (1 - r^2)^2 G' = polynomial G: coefficient of r^n.
    left = 2 * (n - 1) * K[2] - (n - 3) * K[0]  # moved to the right: -(-2)(n - 1)K_{n-1} - (n - 3)K_{n-3}
    right = sum(polynomial.coeff(r, power) * K[3 - power] for power in range(4))
    return identity(
        sympy.expand(right + left),
        sympy.expand(claim.step(n, d, A, b, K[3], K[2], K[1], K[0])),
        "coefficient of r^n",
    )


STEPS = (
    Step(
        r"$K_n(x,y)=\sum_{|k|=n}h_k(x)h_k(y)$. In one coordinate $G=\sum_nr^nh_n(x)h_n(y)$ obeys $r\partial_rG=(x\partial_x-\partial_x^2)G$ (both sides multiply the "
        r"$n$-th term by $n$) and starts $1+rxy+\dots$; coordinates multiply:",
        r"\sum_nr^nK_n=(1-r^2)^{-d/2}\exp\frac{r\,b-r^2A}{1-r^2},\qquad b=x\cdot y,\;A=\frac{|x|^2+|y|^2}{2}",
        _mehler,
    ),
    Step(
        r"Take the logarithmic derivative, multiply by $(1-r^2)^2$, compare the coefficients of $r^n$:",
        r"(n+1)K_{n+1}=bK_n+(2(n-1)+d-2A)K_{n-1}+bK_{n-2}-(n-3+d)K_{n-3}",
        _recursion,
    ),
)


def recursive(claim: Claim, u: list[Any], v: list[Any], degree: int) -> list[Any]:
    A_ = (sum(t * t for t in u) + sum(t * t for t in v)) / 2
    b_ = sum(s * t for s, t in zip(u, v, strict=True))
    K = [mpf(1)]
    for k in range(degree):
        earlier = [K[k - j] if k - j >= 0 else mpf(0) for j in range(4)]
        K.append(claim.step(k, len(u), A_, b_, *earlier) / (k + 1))
    return K


@high_precision("dimensions 1 to 4, degrees to 10, every multi-index summed")
def direct(claim: Claim) -> Outcome:
    pairs = []
    rng = np.random.default_rng(2)
    for dimension in (1, 2, 3, 4):
        u, v = ([mpf(float(t)) for t in rng.standard_normal(dimension) * 1.5] for _ in range(2))
        K = recursive(claim, u, v, 10)
        for degree in range(11):
            total = mpf(0)
            for index in itertools.product(range(degree + 1), repeat=dimension):
                if sum(index) == degree:
                    total += mpmath.fprod(
                        definition.hermite(k, s) * definition.hermite(k, t)
                        for k, s, t in zip(index, u, v, strict=True)
                    )
            pairs.append((K[degree], total))
    return agreement(pairs, 20)


@cache
def _energies() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs from a 3-D mixture: samples x, y and the exact degree energies by multi-indices."""
    rng = np.random.default_rng(19)
    means = np.array([[1.0, 0.5, -0.4], [-0.8, 0.2, 0.6]])

    def sample(count: int) -> np.ndarray:
        return means[rng.integers(0, 2, count)] + 0.7 * rng.standard_normal((count, 3))

    exact = []
    for degree in range(1, 5):
        total = mpf(0)
        for index in itertools.product(range(degree + 1), repeat=3):
            if sum(index) == degree:
                c = (
                    sum(
                        mpmath.fprod(
                            definition.coefficient([(mpf(1), mpf(float(m)), mpf("0.49"))], k)
                            for k, m in zip(index, mean, strict=True)
                        )
                        for mean in means
                    )
                    / 2
                )
                total += c * c
        exact.append(float(total))
    return sample(400_000), sample(400_000), np.array(exact)


@simulated("400 000 independent pairs of a 3-D mixture: mean kernel against exact energies of degrees 1 to 4")
def pairs_of_samples(claim: Claim) -> Outcome:
    u, v, exact = _energies()
    A_, b_ = ((u**2).sum(1) + (v**2).sum(1)) / 2, (u * v).sum(1)
    K = [np.ones(len(u))]
    for k in range(4):
        earlier = [K[k - j] if k - j >= 0 else np.zeros(len(u)) for j in range(4)]
        K.append(claim.step(k, 3, A_, b_, *earlier) / (k + 1))
    found = np.array([value.mean() for value in K[1:]])
    error = np.array([value.std() / np.sqrt(len(u)) for value in K[1:]])
    return scores(found, exact, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    kernel = subject.fetch("degree_kernel")
    rng = np.random.default_rng(3)
    u, v = rng.standard_normal((2, 2)) * 1.3
    table = np.asarray(kernel(u, v, 8)).reshape(-1)
    for degree in range(9):
        total = sum(
            definition.hermite(k, mpf(u[0]))
            * definition.hermite(k, mpf(v[0]))
            * definition.hermite(degree - k, mpf(u[1]))
            * definition.hermite(degree - k, mpf(v[1]))
            for k in range(degree + 1)
        )
        yield f"degree {degree}", table[degree], total


STATEMENT = Statement(
    id="additions.degree_kernel",
    title="All modes of one degree, in any dimension, by a four-term recursion",
    source="new",
    text=(
        r"The sum of $h_k(x)h_k(y)$ over all multi-indices of degree $n$ depends on $x\cdot y$ and $|x|^2+|y|^2$ alone and obeys a four-term recursion, so degree energies $E_n(p)=E\,K_n(X,X')$ can be "
        r"estimated without bias in any dimension."
    ),
    formula=r"(n+1)K_{n+1}=bK_n+(2(n-1)+d-2A)K_{n-1}+bK_{n-2}-(n-3+d)K_{n-3}",
    conditions=r"$K_0=1$, $K_{<0}=0$; $b=x\cdot y$, $2A=|x|^2+|y|^2$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "Mehler's kernel from its differential equation, then the recursion"),
        direct,
        pairs_of_samples,
    ),
    mutations=(
        Mutation(
            "constant",
            r"$2n+d-2A$",
            {
                "step": lambda n, d, A, b, K, K1, K2, K3: (
                    b * K + (2 * n + d - 2 * A) * K1 + b * K2 - (n - 3 + d) * K3
                )
            },
        ),
        Mutation(
            "sign",
            r"$+(n-3+d)K_{n-3}$",
            {
                "step": lambda n, d, A, b, K, K1, K2, K3: (
                    b * K + (2 * (n - 1) + d - 2 * A) * K1 + b * K2 + (n - 3 + d) * K3
                )
            },
        ),
        Mutation(
            "exponent",
            r"$A$ for $2A$",
            {
                "step": lambda n, d, A, b, K, K1, K2, K3: (
                    b * K + (2 * (n - 1) + d - A) * K1 + b * K2 - (n - 3 + d) * K3
                )
            },
        ),
        Mutation(
            "dropped condition",
            "without the dimension",
            {
                "step": lambda n, d, A, b, K, K1, K2, K3: (
                    b * K + (2 * (n - 1) + 1 - 2 * A) * K1 + b * K2 - (n - 2) * K3
                )
            },
        ),
    ),
    expected="holds",
    package=Package("degree_kernel", "tests/hermite/test_degree.py", _package),
)
