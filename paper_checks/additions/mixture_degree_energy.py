"""Exact degree energies of Gaussian mixtures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import subject
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

Matrix = Any

M1, S1 = [mpf("0.6"), mpf("-0.4")], [[mpf("0.5"), mpf("0.2")], [mpf("0.2"), mpf("1.3")]]
M2, S2 = [mpf("-0.3"), mpf("0.8")], [[mpf("1.4"), mpf("-0.3")], [mpf("-0.3"), mpf("0.4")]]


def _exponent(r: Any, m: Matrix, n: Matrix, A: Matrix, B: Matrix, eye: Matrix) -> Any:
    left, right = (eye - r * r * B * A) ** -1, (eye - r * r * A * B) ** -1
    # m^T (I - r^2 B A)^{-1} n and the two quadratic forms
    return (
        r * (m.T * left * n)[0] + r * r / 2 * (m.T * B * right * m)[0] + r * r / 2 * (n.T * A * left * n)[0]
    )


CLAIM = Claim(
    exponent=_exponent,
    power=-0.5,
    pair=lambda r, A, B, eye: (
        (eye - r * r * A * B).det() if isinstance(A, sympy.MatrixBase) else mpmath.det(eye - r * r * A * B)
    ),
)

r, m, n, A, B, x, y = sympy.symbols("r m n A B x y", real=True)


def _one_dimension(claim: Claim) -> Outcome:
    # E over X ~ N(m, 1 + A), Y ~ N(n, 1 + B) of Mehler's kernel. In Fourier space the coefficient generating functions are
    # E sum_k c_k s^k/sqrt(k!) = exp(m s + A s^2/2); the pairing sum_k r^k c_k c'_k is the Gaussian expectation of one with
    # the other: with complex Gaussian z, E exp(m r z + A r^2 z^2/2) exp(n zbar + B zbar^2/2). Compare power series in r.
    one = [sympy.Integer(1)]
    two = [sympy.Integer(1)]
    for k in range(6):  # coefficients of exp(m s + A s^2/2) times k!: Appell recursion
        one.append(sympy.expand(m * one[k] + (A * k * one[k - 1] if k else 0)))
        two.append(sympy.expand(n * two[k] + (B * k * two[k - 1] if k else 0)))
    direct = sum(r**k * one[k] * two[k] / sympy.factorial(k) for k in range(7))
    matrix = lambda value: sympy.Matrix([[value]])  # noqa: E731
    logarithm = claim.exponent(r, matrix(m), matrix(n), matrix(A), matrix(B), sympy.eye(1)) + sympy.Rational(
        str(claim.power)
    ) * sympy.log(claim.pair(r, matrix(A), matrix(B), sympy.eye(1)))
    # Both as logarithmic derivatives: G' = G (log G)', coefficient by coefficient.
    derivative = sympy.series(sympy.diff(sympy.simplify(logarithm), r), r, 0, 6).removeO()
    product = sympy.expand(derivative * direct)
    difference = sum(
        (sympy.expand((k + 1) * direct.coeff(r, k + 1) - product.coeff(r, k))) * r**k for k in range(6)
    )
    return identity(sympy.expand(difference), 0, "first seven degrees, all means and variances")


STEPS = (
    Step(
        r"For $N(m,1+A)$ the coefficients obey $\sum_kc_k\frac{s^k}{\sqrt{k!}}=e^{ms+As^2/2}$, an Appell recursion. Pairing two such sequences with $r^k$ is a Gaussian integral of the product of their "
        r"generating functions, with the covariance of a complex normal pair; it gives a determinant and a quadratic form. Checked degree by degree in one dimension:",
        r"\sum_kr^kc_kc'_k=\frac{1}{\sqrt{1-r^2AB}}\exp\frac{r\,mm'+\frac{r^2}{2}(Bm^2+Am'^2)}{1-r^2AB}",
        _one_dimension,
    ),
    Step(
        r"In $d$ dimensions, $A=S-I$, $B=S'-I$, $\mu_j$ the eigenvalues of $AB$:",
        r"\sum_nr^n\langle c_n,c'_n\rangle=\prod_j(1-r^2\mu_j)^{-1/2}\exp\left(r\,m^T(I-r^2BA)^{-1}m'+\dots\right)",
    ),
)


@cache
def _coefficients(which: int, degree: int) -> dict[tuple[int, int], Any]:
    """c_k of N(m, S) in two dimensions from sqrt(k_j + 1) c_{k+e_j} = E[...]: raw moments by Stein's identity, then Hermite sums."""
    mean, S = (M1, S1) if which == 1 else (M2, S2)

    @cache
    def moment(i: int, j: int) -> Any:
        if i < 0 or j < 0:
            return mpf(0)
        if i == 0 and j == 0:
            return mpf(1)
        if i:
            return (
                mean[0] * moment(i - 1, j)
                + S[0][0] * (i - 1) * moment(i - 2, j)
                + S[0][1] * j * moment(i - 1, j - 1)
            )
        return mean[1] * moment(0, j - 1) + S[1][1] * (j - 1) * moment(0, j - 2)

    from ..definition import hermite_polynomial

    table = {}
    for i, j in itertools.product(range(degree + 1), repeat=2):
        if i + j <= degree:
            total = mpmath.fsum(
                a * b * moment(s, t)
                for s, a in enumerate(hermite_polynomial(i))
                for t, b in enumerate(hermite_polynomial(j))
            )
            table[i, j] = total / mpmath.sqrt(mpmath.factorial(i) * mpmath.factorial(j))
    return table


def _energies(first: int, second: int, degree: int) -> list[Any]:
    one, two = _coefficients(first, degree), _coefficients(second, degree)
    return [mpmath.fsum(one[i, k - i] * two[i, k - i] for i in range(k + 1)) for k in range(degree + 1)]


def _generating(claim: Claim, rho: Any, first: int, second: int) -> Any:
    pick = {1: (M1, S1), 2: (M2, S2)}
    (mean, S), (other, T) = pick[first], pick[second]
    eye = mpmath.eye(2)
    u, v = mpmath.matrix(mean), mpmath.matrix(other)
    P, Q = mpmath.matrix(S) - eye, mpmath.matrix(T) - eye
    return claim.pair(rho, P, Q, eye) ** claim.power * mpmath.exp(claim.exponent(rho, u, v, P, Q, eye))


@high_precision(
    "two full 2-D covariances: 70 degrees summed from Stein moments against the closed form, three values of r"
)
def two_dimensions(claim: Claim) -> Outcome:
    pairs = []
    with mpmath.workdps(60):
        for first, second in ((1, 1), (1, 2), (2, 2)):
            energies = _energies(first, second, 44)
            for rho in ("0.1", "-0.15"):
                pairs.append(
                    (
                        mpmath.fsum(mpf(rho) ** k * e for k, e in enumerate(energies)),
                        _generating(claim, mpf(rho), first, second),
                    )
                )
    return agreement(pairs, 18)


@simulated("400 000 independent pairs: mean of Mehler's kernel at r = 0.3 and -0.4")
def kernel_means(claim: Claim) -> Outcome:
    rng = np.random.default_rng(23)

    def sample(mean: Any, S: Any) -> np.ndarray:
        factor = np.linalg.cholesky(np.array([[float(e) for e in row] for row in S]))
        return np.array([float(e) for e in mean]) + rng.standard_normal((400_000, 2)) @ factor.T

    u, v = sample(M1, S1), sample(M2, S2)
    found, error, expected = [], [], []
    for rho in (0.3, -0.4):
        value = np.exp(
            (rho * (u * v).sum(1) - rho**2 * ((u**2).sum(1) + (v**2).sum(1)) / 2) / (1 - rho**2)
        ) / (1 - rho**2)
        found.append(value.mean())
        error.append(value.std() / np.sqrt(len(value)))
        expected.append(float(_generating(claim, mpf(rho), 1, 2)))
    return scores(found, expected, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    energy, mixture = subject.fetch("hermite.degree.mixture_degree_energy"), subject.fetch("GaussianMixture")
    law = mixture([1.0], [[0.6, -0.4]], [[[0.5, 0.2], [0.2, 1.3]]])
    table = np.asarray(energy(law, 10))
    for degree, value in enumerate(_energies(1, 1, 10)):
        yield f"degree {degree}", table[degree], value


STATEMENT = Statement(
    id="additions.mixture_degree_energy",
    title="Degree energies of Gaussian mixtures in closed form",
    source="new",
    text=r"The generating function of the inner products of two normal laws' coefficients, degree by degree, is a determinant times an exponential; mixtures by bilinearity.",
    formula=r"\sum_nr^n\langle c_n,c'_n\rangle=\prod_j(1-r^2\mu_j)^{-\frac12}\exp\left(r\,m^TLm'+\frac{r^2}{2}m^TBRm+\frac{r^2}{2}m'^TALm'\right)",
    conditions=r"$L=(I-r^2BA)^{-1}$, $R=(I-r^2AB)^{-1}$, $A=S-I$, $B=S'-I$, $\mu_j$ eigenvalues of $AB$, $|r|^2<1/\rho(AB)$; for complex $r$ each factor on its principal branch",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "seven degrees in one dimension for symbolic means and variances", covers="cases"),
        two_dimensions,
        kernel_means,
    ),
    mutations=(
        Mutation(
            "constant",
            r"$r^2$ for $\frac{r^2}{2}$",
            {
                "exponent": lambda r, m, n, A, B, e: (
                    2 * _exponent(r, m, n, A, B, e) - r * (m.T * (e - r * r * B * A) ** -1 * n)[0]
                )
            },
        ),
        Mutation(
            "sign",
            r"$r\to-r$ in the cross term",
            {"exponent": lambda r, m, n, A, B, e: _exponent(-r, m, n, A, B, e)},
        ),
        Mutation("exponent", r"determinant to the power $-1$", {"power": -1.0}),
        Mutation(
            "dropped condition",
            "without the quadratic forms",
            {"exponent": lambda r, m, n, A, B, e: r * (m.T * (e - r * r * B * A) ** -1 * n)[0]},
        ),
    ),
    expected="supported",
    package=Package("hermite.degree.mixture_degree_energy", "tests/hermite/test_degree.py", _package),
)
