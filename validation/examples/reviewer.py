"""A reviewer with a doubt: does a simulation follow the prediction, and would the test have noticed if not?

python -m validation.examples.reviewer
"""

from __future__ import annotations

import hermite_collapse as hc


def main() -> None:
    data = hc.presets.load("three_modes_1d")
    recursion = hc.Recursion(data, fresh_fraction=0.3, truncation_time=0.1)
    simulated = hc.simulation.simulate(
        recursion, rounds=8, particles=50_000, runs=2, degree=8, progress=False
    )

    honest = hc.compare(recursion, simulated)
    print(honest.verdict.text)
    print(f"implied fresh fraction {honest.implied_fresh_fraction}")

    doubtful = hc.compare(hc.Recursion(data, fresh_fraction=0.33, truncation_time=0.1), simulated)
    print("with a fresh fraction ten per cent off:", doubtful.verdict.text)

    chi_square = hc.distances.chi_square(recursion.limit(), data)
    print(f"chi-square of the limit against the data: {chi_square.value}, decided by {chi_square.route}")

    assert honest.verdict.passed and not doubtful.verdict.passed


if __name__ == "__main__":
    main()
