"""The annealing picture of arXiv:2606.13796 on a mixture in the plane: what each schedule leaves, round by round.

    f_n(i) = sum_{abs(k)=n} c_k(p_i) c_k(p*) / E_n(p*)        residual e_n(i) = 1 - f_n(i)

Constant times end on the plateau 1 - g_n.  Times that vanish bring every degree back at a rate of their own: that of
the schedule while it is slower than fresh data, q > 1 - alpha; i (1 - alpha)^i at resonance, q = 1 - alpha; that of
fresh data beyond.  The simulation is held against the exact residual, and the exact one, far out, against its law.
"""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.recursion.annealing import annealing_law
from hermite_collapse.recursion.modes import mode_residuals
from hermite_collapse.recursion.sampling_error import degree_combinations, predict_degree_error
from hermite_collapse.simulation import simulate

from ..experiment import Experiment, Result, Settings, holm

FRESH_FRACTION, TIME, DEGREE, ROUNDS = 0.3, 0.2, 4, 16
# Name, schedule, and rounds after which the exact residual is within 5 % of its law.
SCHEDULES = {
    "constant": (hc.schedules.Constant(TIME), 60),
    "polynomial": (hc.schedules.Polynomial(TIME, 1.0), 200),
    "geometric 0.9": (hc.schedules.Geometric(TIME, 0.9), 60),
    "geometric 0.7, resonance": (hc.schedules.Geometric(TIME, 0.7), 900),
    "geometric 0.5": (hc.schedules.Geometric(TIME, 0.5), 60),
}


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "figures/annealing_2d", "residuals of a 2-D mixture by schedule, with their asymptotic laws", run
        )
    ]


def run(settings: Settings) -> Result:
    """Measured residuals against exact ones in every degree, and exact ones far out against their asymptotic laws."""
    law = hc.presets.load("tilted_2d")
    data = law.hermite_coefficients(DEGREE)
    combinations = degree_combinations(data.indices, data.values)
    n = 1_000_000 if settings.is_full else 200_000
    scores, deviations, arrays = [], {}, {}
    for name, (schedule, far) in SCHEDULES.items():
        recursion = hc.Recursion(law, fresh_fraction=FRESH_FRACTION, truncation_time=schedule)
        predicted = predict_degree_error(recursion, DEGREE, rounds=ROUNDS, particles=n)
        simulated = simulate(
            recursion, rounds=ROUNDS, particles=n, degree=DEGREE, device=settings.device, seed=settings.seed
        )
        measured = simulated.mean_coefficients @ combinations.T
        error = predicted.standard_error
        tested = predicted.is_testable()[-1] & (np.arange(DEGREE + 1) > 0)
        scores += list((measured - predicted.expected)[-1, tested] / error[-1, tested])
        same = {"fresh_fraction": FRESH_FRACTION, "truncation_time": schedule, "rounds": far}
        degrees = [int(degree) for degree in np.flatnonzero(tested)]
        deviations[name] = max(
            abs(mode_residuals(m, **same)[-1] / annealing_law(m, **same).residual[-1] - 1.0) for m in degrees
        )
        key = name.replace(" ", "_").replace(",", "")
        arrays[f"exact_{key}"] = 1.0 - predicted.expected
        arrays[f"measured_{key}"] = 1.0 - measured
        arrays[f"standard_error_{key}"] = error
        arrays[f"law_{key}"] = np.stack(
            [annealing_law(m, **{**same, "rounds": ROUNDS}).residual for m in degrees], axis=1
        )
    passed, p = holm(np.array(scores), settings.level)
    lawful = all(deviation < 0.05 for deviation in deviations.values())
    return Result(
        passed and lawful,
        f"Residuals after {ROUNDS} rounds: largest z {np.abs(scores).max():.2f} in {len(scores)} degrees and schedules "
        f"(adjusted p = {p:.2g}); exact ones far out are within {100.0 * max(deviations.values()):.1f} % of their laws.",
        {
            "rounds": ROUNDS,
            "particles": n,
            "fresh_fraction": FRESH_FRACTION,
            "first_time": TIME,
            "schedules": [name.replace(" ", "_").replace(",", "") for name in SCHEDULES],
            "deviation_from_the_law": deviations,
        },
        arrays,
    )
