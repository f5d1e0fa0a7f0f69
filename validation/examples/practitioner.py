"""A practitioner with samples and a sampler: does truncation matter for me, and what does my measured curve say?

python -m validation.examples.practitioner
"""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc


def main() -> None:
    rng = np.random.default_rng(0)

    # Does the place where my sampler stops matter?
    print(hc.advise_sampler("ddpm", fresh_fraction=0.1).text)
    print(hc.advise_sampler("papers", fresh_fraction=0.1).text)

    # My data are samples: the empirical law is the data law of the recursion, exactly.
    samples = hc.presets.load("tilted_2d").sample(20_000, rng)
    recursion = hc.Recursion(hc.EmpiricalLaw(samples), fresh_fraction=0.3, truncation_time=0.05)
    limit = recursion.limit()
    print("variances of data and limit:", np.diag(recursion.target.covariance), np.diag(limit.covariance))

    # How much of each degree can be resolved with so many samples at all?
    spectrum = hc.degree_spectrum(samples[:4000], degree=6)
    print("degree energies:", spectrum.energy.round(4), "resolvable up to degree", spectrum.resolvable_degree)

    # I measured the variance of one direction after each retraining; which recursion explains it?
    curve = np.array([recursion.law(i).covariance[1, 1] for i in range(9)])
    errors = np.full(9, 5e-4)
    diagnosis = hc.diagnose(
        (curve + errors * rng.standard_normal(9))[:, None], kind="variances", standard_errors=errors[:, None]
    )
    print(diagnosis.text)
    assert diagnosis.fits and abs(diagnosis.fresh_fraction.value - 0.3) < 5 * diagnosis.fresh_fraction.error

    # What truncation times should I use if every score also makes an error?
    plan = hc.plan_schedule(4, rounds=8, fresh_fraction=0.3, error=hc.PowerLaw(1e-3, 0.5))
    print("planned times:", plan.schedule.times(8).round(4), "error", round(plan.value, 4))


if __name__ == "__main__":
    main()
