"""The figures of the two papers that concern mixtures, as numbers: theory and simulation side by side.

hermite_heat_map        a two-dimensional mixture: coefficients of data and limit, and their ratio by degree
                        (arXiv:2606.13796)
kl_against_rounds       KL of the model to the data over the rounds, for constant, polynomial and geometric
                        truncation schedules (arXiv:2606.13796)
second_moment_drift     the five-mode mixture in ten dimensions: E x_1^2 over the rounds, for three fresh
                        fractions, with blur and truncation (arXiv:2602.16601)
"""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error
from hermite_collapse.simulation import simulate

from ..experiment import Experiment, Result, Settings, holm


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "figures/hermite_heat_map", "Hermite coefficients of a 2-D mixture and of its limit", heat_map
        ),
        Experiment(
            "figures/kl_against_rounds", "KL to the data over the rounds, by schedule", kl_against_rounds
        ),
        Experiment(
            "figures/second_moment_drift", "second moment of the 10-D mixture over the rounds", moment_drift
        ),
    ]


def heat_map(settings: Settings) -> Result:
    """Rounds until the limit is reached to 1e-3 of its distance, then all coefficients of degree <= 6."""
    degree, rounds = 6, 20
    recursion = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.1)
    data = recursion.target.hermite_coefficients(degree)
    limit = recursion.limit().hermite_coefficients(degree).values
    n = 1_000_000 if settings.is_full else 50_000
    simulated = simulate(
        recursion, rounds=rounds, particles=n, degree=degree, device=settings.device, seed=settings.seed
    )
    predicted = predict_sampling_error(recursion, degree, rounds=rounds, particles=n)
    measured, error = simulated.mean_coefficients[-1], predicted.standard_error[-1]
    tested = predicted.is_testable()[-1]
    z = (measured - predicted.expected[-1])[tested] / error[tested]
    passed, p = holm(z, settings.level)
    attenuation = hc.attenuation(np.arange(degree + 1), fresh_fraction=0.3, truncation_time=0.1)
    side = np.full((2, degree + 1, degree + 1), np.nan)
    for (i, j), c, ratio in zip(data.indices, limit, attenuation[data.indices.sum(1)], strict=True):
        side[:, i, j] = c, ratio
    return Result(
        passed,
        f"{tested.sum()} coefficients after {rounds} rounds: largest z {np.abs(z).max():.2f} (adjusted p = {p:.2g}).",
        {"rounds": rounds, "particles": n, "attenuation_by_degree": attenuation},
        {
            "indices": data.indices,
            "data": data.values,
            "limit": limit,
            "measured": measured,
            "standard_error": error,
            "limit_by_axes": side[0],
            "attenuation_by_axes": side[1],
        },
    )


def kl_against_rounds(settings: Settings) -> Result:
    """Exact KL by quadrature; KL of the annealed schedules must keep falling below the constant one's limit."""
    law, rounds = hc.presets.load("three_modes_1d"), 16
    schedules = {
        "constant": hc.schedules.Constant(0.1),
        "polynomial": hc.schedules.Polynomial(0.1, 1.0),
        "geometric": hc.schedules.Geometric(0.1, 0.8),
    }
    kl, measured, errors, exact = {}, {}, {}, {}
    scores = []
    n = 1_000_000 if settings.is_full else 50_000
    for name, schedule in schedules.items():
        recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=schedule)
        kl[name] = np.array(
            [0.0] + [hc.distances.kl(law, recursion.law(i)).value for i in range(1, rounds + 1)]
        )
        simulated = simulate(
            recursion, rounds=rounds, particles=n, degree=4, device=settings.device, seed=settings.seed
        )
        predicted = predict_sampling_error(recursion, 4, rounds=rounds, particles=n)
        measured[name], errors[name] = simulated.mean_coefficients, predicted.standard_error
        exact[name] = predicted.expected
        scores.append(((measured[name] - exact[name])[-1, 1:]) / errors[name][-1, 1:])
    passed, p = holm(np.array(scores), settings.level)
    falling = all(kl[name][-1] < 0.25 * kl["constant"][-1] for name in ("polynomial", "geometric"))
    return Result(
        passed and falling,
        "KL(data || model) after "
        f"{rounds} rounds: "
        + ", ".join(f"{name} {values[-1]:.3g}" for name, values in kl.items())
        + f"; coefficients of the last round agree with theory (adjusted p = {p:.2g})." * bool(passed),
        {"rounds": rounds, "particles": n, "kl": kl},
        {
            f"{kind}_{name}": table[name]
            for kind, table in (("kl", kl), ("measured", measured))
            for name in schedules
        },
    )


def moment_drift(settings: Settings) -> Result:
    """E x_1^2 of the five-mode mixture with blur 0.6 and truncation 0.02, for three fresh fractions."""
    law, rounds = hc.presets.load("five_modes_10d"), 20
    n, runs = (1_000_000, 4) if settings.is_full else (10_000, 4)
    predicted, measured, errors, scores = {}, {}, {}, []
    for alpha in (0.1, 0.5, 0.9):
        recursion = hc.Recursion(law, fresh_fraction=alpha, truncation_time=0.02, blur=0.6)
        error = predict_sampling_error(recursion, 2, rounds=rounds, particles=n)
        simulated = simulate(
            recursion,
            rounds=rounds,
            particles=n,
            degree=2,
            runs=runs,
            device=settings.device,
            seed=settings.seed,
        )
        mode = int(np.flatnonzero((simulated.indices == [2] + [0] * 9).all(1))[0])
        # x^2 = 1 + sqrt(2) h_2(x)
        name = f"{alpha:g}"
        predicted[name] = 1.0 + np.sqrt(2.0) * error.expected[:, mode]
        measured[name] = 1.0 + np.sqrt(2.0) * simulated.mean_coefficients[:, mode]
        errors[name] = np.sqrt(2.0 / runs) * error.standard_error[:, mode]
        scores.append((measured[name] - predicted[name]) / errors[name])
    passed, p = holm(np.array(scores), settings.level)
    return Result(
        passed,
        f"E x_1^2 after {rounds} rounds, from {predicted['0.1'][0]:.3f}: "
        + ", ".join(
            f"alpha {name}: {values[-1]:.3f} (measured {measured[name][-1]:.3f})"
            for name, values in predicted.items()
        )
        + f"; largest z {np.abs(scores).max():.2f} (adjusted p = {p:.2g}).",
        {
            "rounds": rounds,
            "particles": n,
            "runs": runs,
            "predicted": predicted,
            "measured": measured,
            "errors": errors,
        },
    )
