"""Diagnosis: is the true mechanism accepted as often as promised, and how often is each wrong one rejected?

Variances of Gaussian directions through a known mechanism, measured on N images of every generation, with the error that
generations pass on to each other.  Every mechanism is fitted to every data set.  Promised: the true one is rejected in
five per cent, its p-values are uniform, its parameters are off by one standard error in the mean square, and
`detection_power` says beforehand how often the others are rejected.

The same promise where models are refitted to few samples, from which variances are multiplied by noise round after round:
generations are samples, measured and diagnosed as a user would.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import hermite_collapse as hc
from hermite_collapse.diagnosis.catalogue import model_of, models_to_try
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.diagnosis.observed.gathering import from_arrays
from hermite_collapse.diagnosis.power import variance_covariance
from hermite_collapse.pipeline.mechanism import Mechanism

from ..experiment import Experiment, Result, Settings

VARIANCES = np.array([1.6, 0.6, 0.2, 0.05])
FRESH_FRACTION, ROUNDS, IMAGES = 0.3, 10, 5000
DATA_SETS = 1000
SAMPLER = hc.mechanisms.SamplerSteps.ddim(steps=20)
TRAINING_SETS = ((50, 300), (100, 300), (100, 1000), (300, 300), (1000, 1000))
"""Samples that train each model, and samples measured."""
HISTORIES, FITTED_HISTORIES = 300, 150
"""With the fresh fraction held, and those of them with it fitted as well."""
REFITTED_FRESH, REFITS, REFITTED_DATA = 0.2, 9, 4000


class Case(NamedTuple):
    """A mechanism at work, and its parameters."""

    mechanism: Mechanism
    parameters: dict[str, float]


CASES = {
    "truncation": Case(hc.mechanisms.Truncation(0.08), {"truncation_time": 0.08}),
    "blur": Case(hc.mechanisms.Blur(0.25), {"bandwidth": 0.25}),
    "refit": Case(hc.mechanisms.Refit(12), {"samples": 12.0}),
    "score_error": Case(hc.mechanisms.ScoreError(-0.1, 0.02), {"slope": -0.1, "energy": 0.02}),
    "autoencoder": Case(hc.mechanisms.Autoencoder(0.93, 0.03), {"gain": 0.93, "residual": 0.03}),
    "sampler": Case(SAMPLER, {}),
}


class Calibration(NamedTuple):
    """What many data sets of one mechanism gave.

    rejected : share of data sets that reject each mechanism.  z : deviations of the parameters in standard errors.
    p_values : of the true mechanism.
    """

    rejected: dict[str, float]
    z: dict[str, NDArray[np.float64]]
    p_values: NDArray[np.float64]

    @property
    def uniformity(self) -> float:
        """p-value of Kolmogorov's test that the p-values are uniform."""
        from scipy.special import kolmogorov

        p = np.sort(self.p_values)
        steps = np.arange(len(p) + 1) / len(p)
        distance = max(float(np.max(steps[1:] - p)), float(np.max(p - steps[:-1])))
        return float(kolmogorov(distance * np.sqrt(len(p))))


class Refits(NamedTuple):
    """p-values of refits to training sets of one size, with the fresh fraction held and fitted."""

    held: NDArray[np.float64]
    fitted: NDArray[np.float64]


def refitted(training: int, samples: int, seed: tuple[int, ...]) -> hc.Measured:
    """Measure generations of Gaussian models in five dimensions, each fitted to so many samples."""
    rng = np.random.default_rng([*seed, training, samples])
    data = rng.standard_normal((REFITTED_DATA, 5)) * np.geomspace(2.0, 0.3, 5)
    last, generations = data, []
    for number in range(REFITS):
        fresh = round(REFITTED_FRESH * training) if number else training
        drawn = np.concatenate([data[rng.integers(len(data), size=fresh)], last[: training - fresh]])
        mean = drawn.mean(axis=0)
        weights = rng.standard_normal((max(samples, training), training)) / np.sqrt(training)
        last = mean + weights @ (drawn - mean)
        generations.append(last[:samples])
    return hc.measure(data, generations, directions=4, degrees=0, training_samples=training)


def refits(training: int, samples: int, *, seed: int = 0) -> Refits:
    """Diagnose histories of refits."""
    p_values: dict[float | None, list[float]] = {REFITTED_FRESH: [], None: []}
    for number in range(HISTORIES):
        measured = refitted(training, samples, (seed, number))
        for fresh in (REFITTED_FRESH, None)[: 1 + (number < FITTED_HISTORIES)]:
            diagnosis = hc.diagnose(measured, mechanism="refit", fresh_fraction=fresh)
            p_values[fresh].append(diagnosis.fits_by_mechanism["refit"].p_value)
    return Refits(np.array(p_values[REFITTED_FRESH]), np.array(p_values[None]))


def calibrate(
    name: str, count: int, *, seed: int = 0, others: Collection[str] | None = None, images: int = IMAGES
) -> Calibration:
    """Fit data sets of one mechanism by itself and by others, every one unless named."""
    case = CASES[name]
    pipeline = hc.Pipeline([case.mechanism], fresh_fraction=FRESH_FRACTION)
    curves = pipeline.trajectory(VARIANCES, ROUNDS)
    covariance = variance_covariance(curves, np.asarray(pipeline.rate(VARIANCES)), images)
    factor = np.linalg.cholesky(covariance)
    own = model_of(case.mechanism).name
    models = models_to_try(sampler=SAMPLER)
    models = [model for model in models if others is None or model.name in {own, *others}]
    rejected = dict.fromkeys((model.name for model in models), 0)
    truth = {"fresh_fraction": FRESH_FRACTION} | case.parameters
    z: dict[str, list[float]] = {key: [] for key in truth}
    p_values = []
    for number in range(count):
        rng = np.random.default_rng([seed, list(CASES).index(name), number])
        noise = factor @ rng.standard_normal(curves.size)
        observations = from_arrays(
            curves + noise.reshape(curves.shape),
            kind="variances",
            degrees=None,
            rounds=None,
            standard_errors=None,
            covariance=covariance,
            data=None,
            data_errors=None,
            names=None,
        )
        for model in models:
            one = fit(model, observations)
            rejected[model.name] += one.is_rejected
            if model.name != own:
                continue
            p_values.append(one.p_value)
            for key, value in truth.items():
                estimate = one.parameters[key]
                if estimate is not None:
                    z[key].append((estimate.value - value) / estimate.error)
    return Calibration(
        {key: value / count for key, value in rejected.items()},
        {key: np.array(values) for key, values in z.items()},
        np.array(p_values),
    )


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "diagnosis/calibration",
            "the true mechanism accepted as promised, wrong ones rejected as predicted",
            run,
            is_long=True,
        ),
        Experiment(
            "diagnosis/training_sets",
            "refits to few samples rejected no more often than promised",
            run_training_sets,
            is_long=True,
        ),
    ]


def run_training_sets(settings: Settings) -> Result:
    """Rejections of true refits by size of the training sets and number of measured samples."""
    passed, numbers = True, {}
    page = [
        f"Share of histories in which the true refit is rejected at 5 %: {HISTORIES} with the fresh fraction held, "
        f"{FITTED_HISTORIES} with it fitted.",
        "",
        "| samples of a training set | measured | held, per cent | at 1 %, per cent | fitted, per cent |",
        "|---|---|---|---|---|",
    ]
    for training, samples in TRAINING_SETS:
        found = refits(training, samples, seed=settings.seed)
        held, below, fitted = (
            float(np.mean(p < level))
            for p, level in ((found.held, 0.05), (found.held, 0.01), (found.fitted, 0.05))
        )
        limits = [0.05 + 3.1 * np.sqrt(0.05 * 0.95 / count) for count in (HISTORIES, FITTED_HISTORIES)]
        passed &= held <= limits[0] and fitted <= limits[1]
        numbers[f"{training}, {samples}"] = {"held": held, "held_at_one_per_cent": below, "fitted": fitted}
        page.append(f"| {training} | {samples} | {100 * held:.1f} | {100 * below:.1f} | {100 * fitted:.1f} |")
    shares = [entry["held"] for entry in numbers.values()]
    return Result(
        passed=passed,
        verdict=f"True refits to 50 to 1000 samples are rejected at 5 % in {100 * min(shares):.1f} to "
        f"{100 * max(shares):.1f} % of {HISTORIES} histories with the fresh fraction held, in "
        f"{100 * min(entry['fitted'] for entry in numbers.values()):.1f} to "
        f"{100 * max(entry['fitted'] for entry in numbers.values()):.1f} % of {FITTED_HISTORIES} with it fitted.",
        numbers=numbers,
        page="\n".join(page),
    )


def run(settings: Settings) -> Result:
    """Rejections, deviations in standard errors and p-values of every mechanism's data sets."""
    found = {name: calibrate(name, DATA_SETS, seed=settings.seed) for name in CASES}
    tolerance = 3.1 * np.sqrt(0.05 * 0.95 / DATA_SETS)
    passed, lines, numbers = True, [], {}
    columns = [*CASES, "affine"]
    page = [
        f"Share of {DATA_SETS} data sets that reject the mechanism of the column, per cent; in brackets what "
        "`detection_power` predicts. Rows: the mechanism at work.",
        "",
        "| at work | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, one in found.items():
        scatter = {key: float(np.sqrt(np.mean(values**2))) for key, values in one.z.items()}
        fine = (
            abs(one.rejected[name] - 0.05) <= tolerance
            and all(0.9 <= value <= 1.1 for value in scatter.values())
            and one.uniformity > 0.001
        )
        passed &= fine
        if not fine:
            lines.append(name)
        predicted = hc.detection_power(
            CASES[name].mechanism, VARIANCES, fresh_fraction=FRESH_FRACTION, images=IMAGES, rounds=ROUNDS
        ).rejection
        numbers[name] = {
            "rejected": one.rejected,
            "predicted": dict(predicted),
            "z": scatter,
            "determined": {key: len(values) / DATA_SETS for key, values in one.z.items()},
            "uniformity": one.uniformity,
        }
        cells = [
            f"{100 * one.rejected[key]:.1f}" + (f" ({100 * predicted[key]:.0f})" if key in predicted else "")
            for key in columns
        ]
        page.append(f"| {name} | " + " | ".join(cells) + " |")
    page += ["", "| at work | z of its parameters, root mean square | p-values uniform |", "|---|---|---|"]
    for name, entry in numbers.items():
        words = ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in entry["z"].items())
        page.append(f"| {name} | {words} | p = {entry['uniformity']:.2g} |")
    verdict = (
        f"True mechanisms are rejected in 5 % of {DATA_SETS} data sets within {100 * tolerance:.1f} %, parameters are "
        "off by one standard error and p-values are uniform"
    )
    return Result(
        passed=passed,
        verdict=f"{verdict}." if passed else f"{verdict}, but not for {', '.join(lines)}.",
        numbers=numbers,
        page="\n".join(page),
    )
