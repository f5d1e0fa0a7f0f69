r"""From samples of every generation to curves by round with their joint covariance.

    measured = hc.measure("real/", ["gen_1", "gen_2", "gen_3"])
    measured.save("curves.nc")

Which real samples serve for what depends on what the models saw:

    real was trained on          its empirical law is the law of the data, exactly; all else is taken from it too
    held_out is given as well    the same, with directions and inner products of samples that no model saw
    real is unseen               one random half has the values of the data, with their sampling error; the other one
                                 gives directions and inner products
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...core import checks
from ...core.errors import InputError
from ...core.signature import public
from ...core.significance import chi_square_p_value, whitened
from ...core.types import FloatArray, IntArray
from ...storage.units import Units
from .choice import choose_curves
from .clipping import Clipping, ends_of, gathered, moved_out, shares_at_ends
from .combinations import independent_curves
from .functionals import Functionals, Sampled
from .generations import Different, named_generations, rounds_of
from .measured import FACTOR, Measured
from .moments import moments_of
from .reader import Source, read_data
from .sampling_noise import covariances_of_means, scatter_of_one_sample
from .sets import Sets

SHEET = 8
"""Images of each set in the sheet of examples."""
SAME = 1e-3
"""p-value above which a generation 0 counts as a sample of the data."""
LEAST_ERROR = 1e-9
"""Share of the data's variance or power below which a generation's counts as 0, with this error."""
FEW = 100
"""Samples of a generation below which errors of its errors are no longer small."""


@public
def measure(
    real: Source,
    generations: Mapping[str, Source] | Iterable[Source],
    *,
    directions: int = 16,
    degrees: int = 4,
    scale: float | None = None,
    shift: float | None = None,
    value_range: Sequence[float] | None = None,
    held_out: Source | None = None,
    unseen: bool = False,
    training_samples: int | None = None,
    apart: bool | None = None,
    first_round: int | None = None,
) -> Measured:
    """Return curves by round of samples of every generation, with their joint covariance.

    Parameters
    ----------
    real : array, shape (n, ...), or path
        Samples of the data, as an array, a file or a folder of images: those that the models were trained on unless
        `unseen`.
    generations : sequence of arrays or paths, or mapping from names to these
        Samples of each generation, without the data.  The numbers in names are the rounds; files need such names.
        Arrays without names, and a mapping whose names have no numbers, are taken in the order given.
    directions : int
        Number of principal directions, >= 0, from the widest to ever finer ones.
    degrees : int
        Highest Hermite degree, >= 0.
    scale, shift : float, optional
        x = (p - shift) / scale of the numbers p given.  By themselves images of 8 and 16 bits become [-1, 1] and
        other numbers are taken as they are; all sets must then be stored in one way and in one unit.
    value_range : pair of float, optional
        The numbers that become -1 and 1, instead of scale and shift; numbers may lie beyond.
    held_out : array or path, optional
        Samples of the data that no model saw.
    unseen : bool
        Whether `real` are samples that no model saw, which then carry a sampling error.
    training_samples : int, optional
        Samples in the training set of each round, the first one all from the data, later ones with fresh ones drawn
        anew; the measured samples and all of the data unless given.  Where `diagnose` rejects a mechanism and nobody
        gave it, it tries sizes from a sixteenth of a generation to four, and from a thirty-second to sixteen of samples
        others than the measured ones, and says undetermined where the verdict rests on the size.
    apart : bool, optional
        Whether the measured samples are others than those that trained the next model, drawn from the same one; False
        unless given, where `diagnose` tries it before it rejects.  With `training_samples` alone.
    first_round : int, optional
        Round of the first generation: 0 for the data themselves, 1 for a model trained on them.  By the numbers in
        the names unless given, else 1.

    Returns
    -------
    Measured

    Raises
    ------
    InputError
        If something cannot be read or does not fit, or no curve stands out of the noise.

    Accuracy
    --------
    Over 60 histories chi-square of truncation is 1.01 +- 0.01 of its degrees of freedom for 24 curves of 500 images of
    8 x 8, 0.99 +- 0.02 for 15 curves of 200 vectors, and 1.00 +- 0.03 for 6 curves of 5000 latents of 4 numbers; curves
    that follow from the others are left out of fits.  Refits to training sets of 50 to 1000 samples are rejected at 5 %
    in 5 to 6 % of 300 histories with the fresh fraction held, in 2 to 5 % of 150 with it fitted; truncation times of
    models of such training sets are off by one error within a tenth.  The fresh fraction of a given sampler is off by
    one error within a tenth, with `unseen` data as well (DDIM 0.99 +- 0.06, DDPM 1.01 +- 0.03); where curves say little
    of it, as after Heun's steps, its estimate is skew and off by 1.06 to 1.14 +- 0.06.

    Cost
    ----
    For each generation of N samples, N products with at most 2000 real ones.

    Notes
    -----
    Directions are orthogonal to the mean of the data, so that the drift of the mean does not enter their variances.
    They are no eigenvectors of the covariance then: for round maps that are not affine, such as samplers of K steps,
    mean and covariance of the data in the space of the directions and all its variances are kept beside the curves.
    Errors come from leaving out one sample at a time.

    Equal channels, constant numbers and numbers that repeat others, in all sets, are measured once or left out, and so
    are exact copies of samples, except those of data that models were trained on.  Curves that the JPEG or lossy WebP
    of a generation could move by more than their errors are left out: by how much is estimated from the data, with the
    noise that the curves show, stored again with the tables, the sampling of colours, or the quality of the files.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for the curves of the ideal recursion.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(500, 3)) * [1.5, 0.5, 0.2]
    >>> measured = hc.measure(real, [real * 0.9, real * 0.8], degrees=0)
    >>> [round(float(v), 2) for v in measured.values[:, 0] / measured.data[0]]
    [0.81, 0.64]
    """
    ranks, degree = checks.integer(directions, "directions"), checks.integer(degrees, "degrees")
    if held_out is not None and unseen:
        raise InputError("held_out must be left out where real is unseen itself, got both.")
    trained = (
        None if training_samples is None else checks.integer(training_samples, "training_samples", minimum=2)
    )
    if apart is not None and trained is None:
        raise InputError(f"training_samples must be given where apart is, got none with apart = {apart!r}.")
    named = named_generations(generations, {"real": real, "held_out": held_out})
    data, reader = read_data(real, scale=scale, shift=shift, value_range=value_range)
    different = Different()
    different.require(data, "real")
    sets = Sets(data, reader, named, held_out, is_law=not unseen)
    data, axes = sets.data, sets.coordinates.axes
    other = None if held_out is None else different.require(reader.read(held_out, "held_out"), "held_out")
    other = None if other is None else sets.of(other, "held_out")
    reference, independent = _halves(data) if unseen else (data, other)
    functionals, notes = choose_curves(
        reference, independent, mean=data.mean(axis=0), axes=axes, directions=ranks, degree=degree
    )
    truth = functionals.of(reference, is_law=not unseen)
    lines, other_half = functionals.directions, independent if unseen else None
    moments = moments_of(reference, functionals.mean, lines, other_half) if len(lines) else None
    rng = np.random.default_rng(0)
    ends = ends_of(data, reader.units.ends)
    history = [
        _generation(
            sets.of(different.require(reader.read(s, name), name), name),
            data,
            functionals,
            reader.units,
            ends,
            rng,
            truth,
            sets.formats.spread(name),
        )
        for name, s in named.items()
    ]
    units_said = different.require_one_unit(reader.units)
    lowest, highest = np.transpose([ends, *(part.ends for part in history)])
    values, samples = (
        np.stack([part.values for part in history]),
        np.array([part.samples for part in history]),
    )
    is_scale = np.array([kind != FACTOR for kind in functionals.kinds])
    data_scatter = scatter_of_one_sample(truth.influences)
    curves = independent_curves(data_scatter, functionals.kinds)
    noise = covariances_of_means(
        np.stack([part.scatters for part in history]), values, samples, is_scale, independent=curves
    )
    for row, part in zip(noise, history, strict=True):
        row[part.still, part.still] = np.square(LEAST_ERROR * truth.values[part.still])
    errors = np.sqrt(np.einsum("icc->ic", noise))
    known = covariances_of_means(
        truth.scatters[None], truth.values[None], np.array([len(reference)]), is_scale, independent=curves
    )[0]
    rounds, counted = _rounds(list(named), first_round, values[0] - truth.values, noise[0] + known)
    measured = Measured(
        names=functionals.names,
        kinds=functionals.kinds,
        numbers=functionals.numbers,
        rounds=np.array(rounds, dtype=np.int64),
        labels=tuple(named),
        values=values,
        noise=noise,
        samples=samples,
        data=truth.values,
        data_covariance=known if unseen else np.zeros((len(truth.values),) * 2),
        data_scatter=data_scatter,
        data_samples=len(reference),
        units=reader.units.text,
        clipping=Clipping(
            ends=np.array([np.fmin.reduce(lowest), np.fmax.reduce(highest)]),
            shares=np.stack([shares_at_ends(data, ends).mean(axis=1), *(part.shares for part in history)]),
            bias=np.stack([part.bias for part in history]) / errors,
        ),
        training_samples=trained,
        apart=apart,
        moments=moments,
        notes=(_role(other is not None, unseen), counted, *sets.notes, *units_said, *notes, *_few(samples)),
        sheet=sets.sheet(SHEET),
    )
    rounding = np.stack([part.rounding for part in history]) / errors
    lossy = sets.formats.bias(list(named), functionals, truth.values, values, errors) / errors
    return _above_rounding(measured, rounding, lossy, reader.units, sets.formats.lossy)


class _Generation(NamedTuple):
    """What is kept of one generation."""

    values: FloatArray
    scatters: FloatArray
    still: IntArray
    bias: FloatArray
    rounding: FloatArray
    samples: int
    ends: FloatArray
    shares: FloatArray


def _generation(
    samples: FloatArray,
    data: FloatArray,
    functionals: Functionals,
    units: Units,
    of_data: FloatArray,
    rng: np.random.Generator,
    truth: Sampled,
    spread: float,
) -> _Generation:
    sampled = functionals.of(samples)
    values, parts, still = _without_motionless(sampled, truth.values, functionals.kinds)
    ends = ends_of(samples, units.ends, of_data)
    if spread:
        data, samples = (gathered(part, ends, spread) for part in (data, samples))
    at = shares_at_ends(samples, ends)
    restored = moved_out(samples, data, ends, rng)
    moved = np.zeros(len(values))
    if restored is not None:
        stored = functionals.of(samples).values if spread else sampled.values
        moved = stored - functionals.of(restored).values
    inside = 1.0 - at.sum(axis=0)
    rounding = functionals.rounding_bias(inside * units.step**2 / 12.0)
    return _Generation(
        values,
        parts,
        still,
        moved,
        rounding,
        len(samples),
        ends,
        at.mean(axis=1),
    )


def _without_motionless(
    sampled: Sampled, truth: FloatArray, kinds: tuple[str, ...]
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return values and scatters in which variances and powers of samples that hardly differ are 0, and which are."""
    values, parts = sampled.values.copy(), sampled.scatters
    still = np.flatnonzero((np.array(kinds) != FACTOR) & (values <= LEAST_ERROR * truth))
    values[still] = parts[:, still] = parts[:, :, still] = 0.0
    return values, parts, still


def _above_rounding(
    measured: Measured, rounding: FloatArray, lossy: FloatArray, units: Units, formats: str
) -> Measured:
    """Leave out the curves that rounding and lossy formats could move, by more than an error all together."""
    cause = f"rounding to {units.bits} bits{' and ' if formats else ''}{formats}"
    size = np.sum((rounding + np.abs(lossy)) ** 2, axis=0)
    order = np.argsort(size, kind="stable")
    used = np.sort(order[np.cumsum(size[order]) <= 1.0])
    lost = np.setdiff1d(order, used)
    worst = np.take_along_axis(lossy, np.abs(lossy).argmax(axis=0)[None], axis=0)[0]
    shown = [f" ({worst[c]:+.2g} errors)" if formats else "" for c in range(len(size))]
    names = ", ".join(measured.names[c] + shown[c] for c in lost)
    if len(used) == 0:
        advice = ": store generations without loss, as PNG or .npy files" if formats else ""
        raise InputError(f"real must show a curve that {cause} does not hide, got {names}{advice}.")
    notes = (
        [f"Curves that {cause} could move by more than their errors are left out: {names}."]
        if len(lost)
        else []
    )
    if formats:
        notes.append(
            f"Those that are measured are moved by {formats} by {np.abs(worst[used]).max():.2g} of an error at most, "
            "as estimated from data that were stored again."
        )
    return measured.only(used).replace(notes=(*measured.notes, *notes))


def _halves(data: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return two random halves, always the same ones."""
    order = np.random.default_rng(0).permutation(len(data))
    return data[order[len(data) // 2 :]], data[order[: len(data) // 2]]


def _rounds(
    names: list[str], first_round: int | None, difference: FloatArray, covariance: FloatArray
) -> tuple[list[int], str]:
    """Return the round of each generation, and a sentence; by the first one's difference from the data."""
    rounds = rounds_of(names, first_round)
    added = ""
    if first_round is None and rounds[0] == 0:
        columns = whitened(covariance, difference[:, None])
        if chi_square_p_value(float(np.sum(columns**2)), len(columns)) > SAME:
            added = ", which its samples do not contradict; give first_round=1 if it is a model"
        else:
            rounds = [number + 1 for number in rounds]
            added = " since it differs from the data"
    text = f"{names[0]} is round {rounds[0]}{' (the data themselves)' if rounds[0] == 0 else ''}{added}"
    if len(names) > 1:
        text += f", {names[-1]} is round {rounds[-1]}"
    return rounds, f"{text}."


def _few(samples: IntArray) -> list[str]:
    """Return a sentence on generations of few samples."""
    if samples.min() >= FEW:
        return []
    return [
        f"A generation has fewer than {FEW} samples: errors are rough, and true mechanisms are rejected in more than "
        "5 % of cases."
    ]


def _role(held_out: bool, unseen: bool) -> str:
    """Return the sentence on what the real samples are taken for."""
    if unseen:
        return "The real samples are taken as unseen by the models: the values of the data carry their sampling error."
    tail = "; directions and inner products are those of the held-out ones" if held_out else ""
    return f"The real samples are taken as those that the models were trained on{tail}."
