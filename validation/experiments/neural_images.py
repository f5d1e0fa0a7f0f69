"""The recursion on real pixels: ideal rounds in 64 and 784 dimensions, and rounds with learned scores.

    python -m validation --only images/digits_ideal        factors of degree 1 to 4 of the exact channel, 64 dimensions
    python -m validation --only images/fashion_ideal       the same in 784 dimensions
    python -m validation --only images/digits_learned      a U-Net on digits: fractions, schedules, last steps (minutes)
    python -m validation --only images/fashion_learned     Fashion-MNIST, ten rounds, 0.1/0.5/0.9: for a GPU

`images/fashion_learned` is made of chains (a fresh fraction and a last step each) that stop after eight minutes and
continue when the same command is given again; everything is kept under runs/.  No GPU was at hand when the records were
made: it has none.  Figures go to runs/ as well, since they show pixels of the data sets.

Fashion-MNIST comes from the Debian package dataset-fashion-mnist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures
from hermite_collapse.advice.error_models import PowerLaw
from hermite_collapse.advice.planning import plan_schedule
from hermite_collapse.core.numbers import spread_rounds
from hermite_collapse.figures import images as drawings
from hermite_collapse.simulation import ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.devices import choose_device
from hermite_collapse.simulation.learned.generation import NeuralGeneration
from hermite_collapse.simulation.learned.image_features import random_convolution_features
from hermite_collapse.simulation.learned.image_spectra import (
    frechet_distance,
    high_frequency_loss,
    high_frequency_power,
    radial_power,
)
from hermite_collapse.simulation.learned.image_statistics import (
    degree_factors,
    principal_directions,
    projection_curves,
    quadratic_curves,
    second_moment,
)
from hermite_collapse.simulation.learned.settings import Checkpoints, ImageUNet, Training
from hermite_collapse.simulation.spectrum import two_sample_sums_on
from hermite_collapse.storage.images import ImageData, load_images, to_pixels

from ..experiment import Experiment, Result, Settings, holm
from .neural_mixtures import PIECE_MINUTES, RUNS, folder_for, in_pieces

TIME, FRESH, CUTOFF = 0.1, 0.3, 0.5
FIGURES = RUNS.parent / "figures"


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "images/digits_ideal", "exact channel on digits: factors, projections, spectra", digits_ideal
        ),
        Experiment("images/fashion_ideal", "exact channel on Fashion-MNIST, 784 dimensions", fashion_ideal),
        Experiment(
            "images/digits_learned",
            "a U-Net on digits, three rounds, seven variants",
            digits_learned,
            is_long=True,
        ),
        Experiment(
            "images/fashion_learned",
            "a U-Net on Fashion-MNIST, ten rounds, for a GPU",
            fashion_learned,
            is_long=True,
        ),
    ]


def digits_ideal(settings: Settings) -> Result:
    """Every statistic of the exact channel against theory, in 64 dimensions."""
    return ideal(settings, load_images("digits", held_out=0.4), particles=4000)


def fashion_ideal(settings: Settings) -> Result:
    """The same in 784 dimensions."""
    data = load_images("fashion_mnist")
    few = data if settings.is_full else data.part(4000)
    return ideal(settings, few, particles=8000 if settings.is_full else 2500)


def ideal(settings: Settings, data: ImageData, *, particles: int, rounds: int = 4, degree: int = 4) -> Result:
    """Degree factors, projections, second moments and D_HF of ideal rounds; a time 30 % too long must be rejected."""
    recursion = recursion_on(data, FRESH, TIME)
    record = simulate(
        recursion,
        rounds=rounds,
        particles=particles,
        degree=1,
        keep="all",
        device=settings.device,
        seed=settings.seed,
    )
    assert record.samples is not None
    found = measure(record.samples[0], recursion, data, settings, degree=degree, independent=False)
    curves = {name: found[name] for name in ("degrees", "projections", "powers")}
    z = np.concatenate([curve.z.ravel() for curve in curves.values()])
    accepted, p = holm(z, settings.level)
    control = degree_factors(
        record.samples[0],
        recursion=recursion_on(data, FRESH, 1.3 * TIME),
        held_out=data.held_out[:1000],
        degree=degree,
        pair_sums=two_sample_sums_on(choose_device(settings.device)),
    )
    rejected = not holm(control.z[1:], settings.level)[0]
    errors = curves["degrees"].factor_errors[-1]
    return Result(
        accepted and rejected,
        f"{z.size} statistics of ideal rounds on {data.name} in {data.dimension} dimensions: adjusted p {p:.2f}; factors of "
        f"degree 1 to {degree} known to {100 * errors.min():.1f}-{100 * errors.max():.1f} %; a truncation 30 % longer "
        f"is {'rejected' if rejected else 'not rejected'}.",
        {**found["numbers"], "particles": particles, "rounds": rounds, "largest_z": float(np.abs(z).max())},
        found["arrays"],
    )


def recursion_on(data: ImageData, fresh_fraction: float, truncation_time: Any) -> hc.Recursion:
    """The recursion that starts from the training images."""
    return hc.Recursion(
        hc.EmpiricalLaw(data.train), fresh_fraction=fresh_fraction, truncation_time=truncation_time
    )


def measure(
    rounds: Any, recursion: Any, data: ImageData, settings: Settings, *, degree: int, independent: bool
) -> dict[str, Any]:
    """Everything that is measured on the particles of a run: curves, numbers for the record, arrays."""
    held_out = data.held_out[:1000]
    options = {"recursion": recursion, "independent": independent}
    by_degree = degree_factors(
        rounds,
        held_out=held_out,
        degree=degree,
        pair_sums=two_sample_sums_on(choose_device(settings.device)),
        **options,
    )
    along = projection_curves(
        rounds, directions=principal_directions(data.train, min(6, data.dimension)), degree=4, **options
    )
    powers = quadratic_curves(
        rounds,
        forms=[second_moment, lambda x: high_frequency_power(x, data.shape, cutoff=CUTOFF)],
        traces=[1.0, 1.0],
        **options,
    )
    losses = [high_frequency_loss(x, data.train, data.shape, cutoff=CUTOFF) for x in rounds]
    spectra = [radial_power(x, data.shape) for x in rounds]
    features = [
        random_convolution_features(x[: len(held_out)], data.shape) for x in (data.train, held_out, *rounds)
    ]
    numbers = {
        "images": data.name,
        "dimension": data.dimension,
        "resolvable_degree": hc.degree_spectrum(held_out, degree=8).resolvable_degree,
        "factors": {
            "degree": by_degree.degree,
            "measured": by_degree.factors,
            "standard_error": by_degree.factor_errors,
            "predicted": by_degree.predicted / by_degree.data,
        },
        "second_moment": {"measured": powers.measured[:, 0] + 1.0, "predicted": powers.predicted[:, 0] + 1.0},
        "high_frequency_loss": {
            "cutoff": CUTOFF,
            "measured": [loss.value for loss in losses],
            "standard_error": [loss.error for loss in losses],
            "ideal": 1.0 - (powers.predicted[:, 1] + 1.0) / (powers.data[1] + 1.0),
        },
        "random_feature_frechet_distance": {
            "between_real_images": frechet_distance(features[1], features[0]),
            "by_round": [frechet_distance(f, features[0]) for f in features[2:]],
        },
    }
    arrays = {
        "projections.measured": along.measured,
        "projections.standard_error": along.standard_error,
        "projections.predicted": along.predicted,
        "projections.degree": along.degree,
        "radial.frequency": spectra[0].frequency,
        "radial.power": np.stack([s.power for s in spectra]),
        "radial.data": radial_power(data.train, data.shape).power,
    }
    return {
        "degrees": by_degree,
        "projections": along,
        "powers": powers,
        "numbers": numbers,
        "arrays": arrays,
    }


@in_pieces("images/digits_learned")
def digits_learned(settings: Settings) -> Result:
    """A U-Net on digits: three fractions, three schedules, three last steps."""
    data = load_images("digits", held_out=0.4)
    network = ImageUNet(data.shape, widths=(16, 32), attention=False)
    training = Training(samples=3000, steps=400, batch=64, check=50, learning_rate=3e-3)
    return learned(
        settings, "images/digits_learned", data, network, training, rounds=3, particles=1000, steps=25
    )


@in_pieces("images/fashion_learned")
def fashion_learned(settings: Settings) -> Result:
    """The same on Fashion-MNIST: ten rounds, 50 000 training images, 1000 sampling steps at full size."""
    data = load_images("fashion_mnist").part(50_000)
    network = ImageUNet(data.shape, widths=(24, 48, 64), dropout=0.1)
    full = settings.is_full
    training = Training(
        samples=50_000 if full else 5000,
        steps=30_000 if full else 1500,
        batch=256 if full else 64,
        check=1000 if full else 250,
        learning_rate=2e-4,
        weight_decay=1e-4,
    )
    return learned(
        settings,
        "images/fashion_learned",
        data,
        network,
        training,
        rounds=10 if full else 2,
        particles=8000 if full else 500,
        steps=1000 if full else 50,
    )


def learned(
    settings: Settings,
    name: str,
    data: ImageData,
    network: ImageUNet,
    training: Training,
    *,
    rounds: int,
    particles: int,
    steps: int,
) -> Result:
    """Chains of learned rounds, one after another, each measured against its ideal rounds."""
    found: dict[str, dict[str, Any]] = {}
    kept: dict[str, Any] = {}
    for label, (fraction, schedule, final_step) in variants(rounds).items():
        chain = f"{name}/{label.replace(' ', '_')}"
        recursion = recursion_on(data, fraction, schedule)
        record = simulate(
            recursion,
            rounds=rounds,
            particles=particles,
            generator=NeuralGeneration(
                network,
                training,
                ReverseDiffusion(ExponentialMultistep(final_step=final_step), steps=steps),
                Checkpoints.for_minutes(RUNS / "states" / chain.replace("/", "."), PIECE_MINUTES),
            ),
            degree=1,
            keep="all",
            device=settings.device,
            seed=settings.seed,
            folder=folder_for(settings, chain),
        )
        assert record.samples is not None
        found[label] = measure(record.samples[0], recursion, data, settings, degree=3, independent=True)
        found[label]["numbers"]["wall_seconds"] = record.wall_seconds
        kept[label] = record.samples[0]
    draw(settings, name, data, found, kept)
    losses = {label: part["numbers"]["high_frequency_loss"] for label, part in found.items()}
    last = {step: losses[f"{step} 0.5"] for step in ("noisy", "half", "full")}
    values = [last[step]["measured"][-1] for step in last]
    errors = [last[step]["standard_error"][-1] for step in last]
    gaps = np.diff(values) / np.hypot(errors[1:], errors[:-1])
    factor = found["noisy 0.5"]["numbers"]["factors"]
    return Result(
        bool(np.all(gaps > 4.0)),
        f"D_HF after {rounds} rounds on {data.name}: noisy {values[0]:.2f}, half {values[1]:.2f}, full {values[2]:.2f} (gaps "
        f"of {gaps.min():.0f} standard errors or more); degree 1 keeps {factor['measured'][-1][0]:.3f} where ideal rounds "
        f"keep {factor['predicted'][-1][0]:.3f}.",
        {
            "variants": {label: part["numbers"] for label, part in found.items()},
            "network": network.describe(),
            "training": training.describe(),
            "particles": particles,
            "steps": steps,
        },
        {f"{label}/{key}": value for label, part in found.items() for key, value in part["arrays"].items()},
    )


def variants(rounds: int) -> dict[str, tuple[float, Any, str]]:
    """Fresh fraction, schedule and last step of each chain."""
    # Planned for an error of 5 % of a mode at time 0.1 that falls with the square root of time.
    planned = plan_schedule(
        [1, 2, 3], rounds=rounds, fresh_fraction=0.5, error=PowerLaw(0.016, 0.5), objective="mean_square"
    ).schedule
    return {
        "noisy 0.1": (0.1, TIME, "noisy"),
        "noisy 0.5": (0.5, TIME, "noisy"),
        "noisy 0.9": (0.9, TIME, "noisy"),
        "half 0.5": (0.5, TIME, "half"),
        "full 0.5": (0.5, TIME, "full"),
        "annealed 0.5": (0.5, hc.schedules.Polynomial(TIME, 1.0), "noisy"),
        "planned 0.5": (0.5, planned, "noisy"),
    }


def draw(
    settings: Settings, name: str, data: ImageData, found: dict[str, dict[str, Any]], kept: dict[str, Any]
) -> None:
    """Samples, factors, spectra and D_HF, under runs/."""
    folder = FIGURES / name.replace("/", ".")
    shown = {}
    for label in ("noisy 0.1", "noisy 0.9", "half 0.5", "full 0.5"):
        images = [to_pixels(x[:10], data.shape) for x in kept[label]]
        shown[f"{label.split()[0]} step, fresh fraction {label.split()[1]}"] = np.stack(images)
    rounds = list(range(len(next(iter(kept.values())))))
    figures.save(drawings.sample_figure(shown, rounds=rounds), folder / "samples")
    numbers = {label: part["numbers"] for label, part in found.items()}
    factors = numbers["noisy 0.5"]["factors"]
    axes = drawings.draw_degree_factors(
        degrees=factors["degree"],
        predicted=factors["predicted"],
        measured=factors["measured"],
        standard_error=factors["standard_error"],
        label="U-Net",
    )
    figures.save(axes.figure, folder / "factors")
    arrays = found["noisy 0.5"]["arrays"]
    axes = drawings.draw_radial_power(
        frequency=arrays["radial.frequency"],
        data=arrays["radial.data"],
        rounds={i: arrays["radial.power"][i] for i in spread_rounds(rounds[-1])},
        cutoff=CUTOFF,
    )
    figures.save(axes.figure, folder / "spectra")
    steps = ("noisy", "half", "full")
    losses = {step: numbers[f"{step} 0.5"]["high_frequency_loss"] for step in steps}
    axes = drawings.draw_high_frequency_loss(
        losses={step: losses[step]["measured"] for step in steps},
        standard_errors={step: losses[step]["standard_error"] for step in steps},
        predicted=losses["noisy"]["ideal"],
    )
    figures.save(axes.figure, folder / "high_frequency_loss")
