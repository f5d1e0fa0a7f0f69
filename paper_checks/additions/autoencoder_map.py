"""Decode and encode in several dimensions: a Lyapunov equation, its stability, and what single directions miss."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, all_of, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # Sigma = kept R Sigma R^T + source
    kept=lambda alpha: 1 - alpha,
    source=lambda R, N, data, alpha: alpha * (R * data * R.T) + N,
    rate=lambda radius, alpha: (1 - alpha) * radius**2,
    critical=lambda radius: 1 - 1 / radius**2,
    along=lambda gain, noise, data, alpha: (alpha * gain**2 * data + noise) / (1 - (1 - alpha) * gain**2),
    # what R_12 = shear adds to direction 1, W_22 the training variance of direction 2
    missed=lambda a, b, shear, W, kept: (
        shear**2 * W * (1 + kept * a * b) / ((1 - kept * a * b) * (1 - kept * a**2))
    ),
)

alpha = sympy.Symbol("alpha", positive=True)
a, b, c = sympy.symbols("a b c", positive=True)
v1, v2, n1, n2 = sympy.symbols("v_1 v_2 n_1 n_2", positive=True)


def _sheared() -> tuple[Any, Any, Any]:
    return sympy.Matrix([[a, c], [0, b]]), sympy.diag(n1, n2), sympy.diag(v1, v2)


def _solved(claim: Claim) -> tuple[Any, Any, Any]:
    """Entries 11, 12 and 22 of the limit of a sheared pair, from the claim's equation."""
    R, N, data = _sheared()
    s11, s12, s22 = sympy.symbols("s11 s12 s22")
    unknown = sympy.Matrix([[s11, s12], [s12, s22]])
    equation = claim.kept(alpha) * (R * unknown * R.T) + claim.source(R, N, data, alpha) - unknown
    solved = sympy.solve([equation[0, 0], equation[0, 1], equation[1, 1]], [s11, s12, s22], dict=True)[0]
    return solved[s11], solved[s12], solved[s22]


def _step(claim: Claim) -> Outcome:
    R, N, data = _sheared()
    model = sympy.Matrix(2, 2, sympy.symbols("s11 s12 s12 s22"))
    training = alpha * data + (1 - alpha) * model
    difference = (
        R * training * R.T + N - claim.kept(alpha) * (R * model * R.T) - claim.source(R, N, data, alpha)
    )
    return all_of(*(identity(sympy.expand(entry), 0, "one round") for entry in difference))


def _radius(claim: Claim) -> Outcome:
    R, _, _ = _sheared()
    linear = sympy.Matrix(sympy.kronecker_product(R, R))
    values = sorted(linear.eigenvals(), key=str)
    largest = next(value for value in values if value == a**2)
    share = sympy.solve((1 - alpha) * a**2 - 1, alpha)[0]
    return all_of(
        identity(sympy.prod(values), a**2 * b**2 * a * b, "products of eigenvalues"),
        identity((1 - alpha) * largest, claim.rate(a, alpha), "rate"),
        identity(share, claim.critical(a), "critical share"),
    )


def _missed(claim: Claim) -> Outcome:
    first, _, second = _solved(claim)
    W = alpha * v2 + (1 - alpha) * second
    return all_of(
        identity(sympy.factor(second), claim.along(b, n2, v2, alpha), "direction 2"),
        identity(
            sympy.factor(first - claim.along(a, n1, v1, alpha)),
            sympy.factor(claim.missed(a, b, c, W, 1 - alpha)),
            "direction 1",
        ),
    )


STEPS = (
    Step(
        r"One decode and encode is $RX+c+e$ with $\mathrm{Cov}(e)=N$, on the training covariance $\alpha\Sigma_d+(1-\alpha)\Sigma$; a fixed covariance solves a discrete Lyapunov equation:",
        r"\Sigma=(1-\alpha)R\Sigma R^T+\alpha R\Sigma_dR^T+N",
        _step,
    ),
    Step(
        r"$\Sigma\mapsto R\Sigma R^T$ has the products $\lambda_i\lambda_j$ of eigenvalues of $R$ as its eigenvalues, the largest in size $\rho(R)^2$, so that the covariance settles from every start if and only if",
        r"(1-\alpha)\rho(R)^2<1,\qquad\text{that is}\qquad\alpha>1-\rho(R)^{-2}",
        _radius,
    ),
    Step(
        r"Where $R$ is diagonal, every direction is an affine map of its own. An entry $R_{12}=c$ beside the diagonal adds to direction 1, with $\kappa=1-\alpha$ and $W_{22}$ the training variance of direction 2, always",
        r"\frac{c^2W_{22}}{1-\kappa a^2}\,\frac{1+\kappa ab}{1-\kappa ab}",
        _missed,
    ),
)


def _settings() -> tuple[Any, Any, Any]:
    R = mpmath.matrix([["0.9", "0.15", "-0.05"], ["-0.1", "0.7", "0.2"], ["0.05", "-0.1", "0.6"]])
    data = mpmath.matrix([["1", "0.2", "0"], ["0.2", "0.5", "0.1"], ["0", "0.1", "0.2"]])
    return R, mpmath.matrix([["0.02", "0.005", "0"], ["0.005", "0.03", "0"], ["0", "0", "0.01"]]), data


def _limit(claim: Claim, R: Any, N: Any, data: Any, share: Any) -> Any:
    """The claim's Lyapunov equation, solved as one linear system."""
    d = R.rows
    system, right = mpmath.eye(d * d), mpmath.matrix(d * d, 1)
    source, kept = claim.source(R, N, data, share), claim.kept(share)
    for i in range(d):
        for j in range(d):
            right[d * i + j] = source[i, j]
            for k in range(d):
                for m in range(d):
                    system[d * i + j, d * k + m] -= kept * R[i, k] * R[j, m]
    solved = mpmath.lu_solve(system, right)
    return mpmath.matrix([[solved[d * i + j] for j in range(d)] for i in range(d)])


def _round(R: Any, N: Any, data: Any, model: Any, share: Any) -> Any:
    return R * (share * data + (1 - share) * model) * R.T + N


@cache
def _ages(share: Any) -> Any:
    """The limit as a sum over ages: data and residuals carried through R once for every round since."""
    R, N, data = _settings()
    total, carried_data, carried_noise = mpmath.zeros(3), R * data * R.T, N
    for age in range(400):
        weight = (1 - share) ** age
        total += weight * (share * carried_data + carried_noise)
        carried_data, carried_noise = R * carried_data * R.T, R * carried_noise * R.T
    return total


@high_precision("three full directions: the limit as a sum over ages of the data and residuals")
def ages(claim: Claim) -> Outcome:
    pairs = []
    for share in (mpf("0.2"), mpf("0.6")):
        limit = _limit(claim, *_settings(), share)
        pairs += [(_ages(share)[i, j], limit[i, j]) for i in range(3) for j in range(3)]
    return agreement(pairs, 20)


@high_precision(
    "a rotation and a full matrix: growth of covariances round by round, and the share at which it stops"
)
def growth(claim: Claim) -> Outcome:
    pairs = []
    turn = mpf("1.3") * mpmath.matrix([["0.6", "-0.8"], ["0.8", "0.6"]])  # eigenvalues 1.3 e^{+-i theta}
    full = mpmath.matrix([["1.1", "0.3"], ["0.2", "0.9"]])
    larger = 1 + mpmath.sqrt(mpf("0.07"))  # the roots of x^2 - 2 x + 0.93
    for R, radius in ((turn, mpf("1.3")), (full, larger)):
        ratios = []
        for share in (mpf("0.2"), mpf("0.5")):
            model, increments = mpmath.eye(2), []
            for _ in range(70):
                following = _round(R, mpmath.eye(2), mpmath.eye(2), model, share)
                increments.append(mpmath.fsum(abs(following[i, i] - model[i, i]) for i in range(2)))
                model = following
            ratios.append(increments[-1] / increments[-2])
            pairs.append((ratios[-1], claim.rate(radius, share)))
        slope = (ratios[1] - ratios[0]) / mpf("0.3")
        pairs.append((mpf("0.2") + (1 - ratios[0]) / slope, claim.critical(radius)))
    return agreement(pairs, 12)


@high_precision("sheared pairs iterated: each direction alone, and what it misses")
def directions(claim: Claim) -> Outcome:
    pairs = []
    for entries in (("0.9", "0.3", "0.6"), ("0.95", "-0.1", "-0.4")):
        first, shear, second = (mpf(entry) for entry in entries)
        R = mpmath.matrix([[first, shear], [0, second]])
        N, data, share = (
            mpmath.diag([mpf("0.02"), mpf("0.05")]),
            mpmath.diag([mpf(1), mpf("0.4")]),
            mpf("0.1"),
        )
        model = data
        for _ in range(250):
            model = _round(R, N, data, model, share)
        alone = claim.along(first, N[0, 0], data[0, 0], share)
        training = share * data[1, 1] + (1 - share) * model[1, 1]
        pairs.append((model[1, 1], claim.along(second, N[1, 1], data[1, 1], share)))
        pairs.append((model[0, 0] - alone, claim.missed(first, second, shear, training, 1 - share)))
    return agreement(pairs, 10)


SHARE = 0.3


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(75)
    R, N, data = (np.array(part.tolist(), float) for part in _settings())
    noise_root, data_root = np.linalg.cholesky(N), np.linalg.cholesky(data)
    runs, count = 200, 500
    x = rng.standard_normal((runs, count, 3)) @ data_root.T
    for _ in range(25):
        parents = np.take_along_axis(x, rng.integers(0, count, (runs, count, 1)), 1)
        fresh = rng.random((runs, count, 1)) < SHARE
        x = np.where(fresh, rng.standard_normal(x.shape) @ data_root.T, parents)
        x = x @ R.T + rng.standard_normal(x.shape) @ noise_root.T
    products = np.einsum("rni,rnj->rij", x, x) / count
    return definition.over_runs(products[:, *np.triu_indices(3)].T, 1)


@simulated("200 runs of 500 particles in three dimensions, 25 rounds: all entries of the covariance")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    limit = _limit(claim, *_settings(), mpf(SHARE))
    return scores(mean, [float(limit[i, j]) for i, j in zip(*np.triu_indices(3), strict=True)], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    autoencoder = subject.fetch("pipeline.matrix_autoencoder.MatrixAutoencoder")
    R, N, data = (np.array(part.tolist(), float) for part in _settings())
    limit = autoencoder(R, N).limit(data, fresh_fraction=0.2)
    for i in range(3):
        for j in range(3):
            yield f"entry {i}{j}", limit[i, j], _ages(mpf("0.2"))[i, j]
    full = autoencoder([[1.1, 0.3], [0.2, 0.9]], np.eye(2))
    yield "critical share", full.critical_share, 1 - 1 / (1 + mpmath.sqrt(mpf("0.07"))) ** 2


STATEMENT = Statement(
    id="additions.autoencoder_map",
    title="An autoencoder in several dimensions",
    source="new",
    text=r"Through a linear decode and encode with regression matrix $R$ and residual covariance $N$ the covariance settles at the solution of a discrete Lyapunov equation, if and only if $(1-\alpha)\rho(R)^2<1$. The formula of single directions leaves out the entries of $R$ beside the diagonal, which only add variance where $R$ is triangular in two dimensions with a diagonal of one sign.",
    formula=r"\Sigma=(1-\alpha)R\Sigma R^T+\alpha R\Sigma_dR^T+N,\qquad(1-\alpha)\rho(R)^2<1",
    conditions=r"an autoencoder that is linear for all laws met; the display for directions: $R$ triangular, $\Sigma_d$ and $N$ diagonal",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "one round, eigenvalues and a sheared pair solved by sympy"),
        ages,
        growth,
        directions,
        particles,
    ),
    mutations=(
        Mutation(
            "constant",
            r"residual covariance $\alpha N$",
            {"source": lambda R, N, S, a: a * (R * S * R.T + N)},
        ),
        Mutation("sign", r"$1+\alpha$", {"kept": lambda a: 1 + a}),
        Mutation("exponent", r"$(1-\alpha)\rho(R)<1$", {"rate": lambda radius, a: (1 - a) * radius}),
        Mutation(
            "exponent",
            r"critical share $1-1/\rho$",
            {"critical": lambda radius: 1 - 1 / radius},
        ),
        Mutation(
            "dropped condition",
            "directions do not mix",
            {"missed": lambda a, b, shear, W, kept: 0 * W},
        ),
    ),
    expected="holds",
    package=Package(
        "pipeline.matrix_autoencoder.MatrixAutoencoder.limit, pipeline.matrix_autoencoder.MatrixAutoencoder.critical_share",
        "tests/pipeline/test_matrix_autoencoder.py",
        _package,
        digits=11,
    ),
)
