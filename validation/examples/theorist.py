"""A theorist with a mixture: what is the limit law, how fast is it reached, and what would repair it?

python -m validation.examples.theorist
"""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc


def main() -> None:
    data = hc.GaussianMixture(
        [0.5, 0.5], [[-1.2, 0.3], [0.9, -0.4]], [[0.1, 0.3], [0.2, 0.05]], covariance_type="diagonal"
    )
    recursion = hc.Recursion(data, fresh_fraction=0.2, truncation_time=0.1)

    # The limit law is itself a small mixture, exact in every Hermite mode of degree below 64.
    limit = recursion.limit()
    print(f"limit law: {limit.age_count} ages, density known to {limit.error_bound:.1e}")
    for metric in ("total_variation", "wasserstein2", "l2_gamma"):
        rate = hc.contraction_rate(fresh_fraction=0.2, truncation_time=0.1, metric=metric)
        rounds = recursion.rounds_to(0.01, metric=metric)
        print(
            f"  {metric}: contracts by {rate:.4f} a round, within 1 % of the start after at most {rounds:.0f} rounds"
        )

    # In Hermite modes the limit is a low-pass filter of the data.
    degrees = np.array([1, 2, 4, 8, 16])
    kept = hc.attenuation(degrees, fresh_fraction=0.2, truncation_time=0.1)
    print("  kept of degree:", ", ".join(f"{n}: {g:.3f}" for n, g in zip(degrees, kept, strict=True)))
    modes = data.hermite_coefficients(8)
    operator = hc.AttenuationOperator(fresh_fraction=0.2, truncation_time=0.1)
    gap = np.abs(operator.apply(modes).values - limit.hermite_coefficients(8).values).max()
    print(f"  operator and limit law agree to {gap:.1e} in all {len(modes)} modes of degree <= 8")

    # Annealed truncation brings the data back: at the speed of the schedule, or of the fresh data if that is slower.
    for schedule in (hc.schedules.Polynomial(0.1, 1.0), hc.schedules.Geometric(0.1, 0.5)):
        law = hc.annealing_law(4, fresh_fraction=0.2, truncation_time=schedule, rounds=40)
        lost = 1.0 - hc.mode_factors(4, fresh_fraction=0.2, truncation_time=schedule, rounds=40)[-1]
        print(
            f"  {schedule}: 1 - f_4(40) = {lost:.3g}, law {law.residual[-1]:.3g}, limited by {law.bottleneck}"
        )

    assert gap < 1e-12


if __name__ == "__main__":
    main()
