"""The data of an audit from files: principal directions, class means and the autoencoder, with what is to be said."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..advice.directions import (
    DecodedDirections,
    PrincipalDirections,
    decoded_directions,
    principal_directions,
)
from ..core.errors import InputError
from ..core.numbers import percent
from ..storage.labelled import LabelledSamples, read_labelled

NOT_LINEAR = (
    0.05  # share of the residual, or change of the regression, from which an autoencoder counts as not linear
)
UNRELATED = 0.5  # share that a regression explains, below which two files seem not to belong together
NOTHING = 1e-6  # share of the variance that is not worth a sentence


class AuditData(NamedTuple):
    """Directions of the data, None for the default spectrum; the autoencoder; sentences on both.

    Attributes
    ----------
    directions : PrincipalDirections or None
    autoencoder : DecodedDirections or None
    spectrum : str
        Where the directions come from.
    notes : tuple of str
    """

    directions: PrincipalDirections | None = None
    autoencoder: DecodedDirections | None = None
    spectrum: str = ""
    notes: tuple[str, ...] = ()


def read_directions(
    samples: Path | None,
    labels: Path | None,
    decoded: Path | None,
    decoded_again: Path | None,
    *,
    guided: bool,
    scale: float | None = None,
) -> AuditData:
    """Return what the files of an audit say.

    Raises
    ------
    InputError
        If guidance has no class means, names do not pair, or a file is no good.
    """
    if samples is None:
        return AuditData()
    data = read_labelled(samples, labels, scale=scale)
    if guided and data.labels is None:
        raise InputError(
            "guidance must come with class means, from samples in class folders or samples with labels, got samples "
            f"({samples}) without classes."
        )
    directions = principal_directions(data.samples, data.labels if guided else None)
    kind = "principal variances within classes of" if guided else "principal variances of"
    number = len(directions.variances)
    shown = f"{number} of {number + directions.unseen}" if directions.unseen else f"{number}"
    spectrum = f"{shown} {kind} {len(data.samples)} samples in {samples.name}, of samples held out"
    notes = []
    if directions.unseen_share > NOTHING:
        notes.append(
            f"{directions.unseen} of {directions.vectors.shape[1]} directions, with "
            f"{percent(directions.unseen_share)} of the variance, are not seen by so few samples: nothing is said of "
            "them."
        )
    autoencoder = None
    if decoded is not None:
        autoencoder = _decoded(data, directions, decoded, decoded_again, scale)
        notes += _notes(autoencoder)
    return AuditData(directions, autoencoder, spectrum, tuple(notes))


def _decoded(
    data: LabelledSamples,
    directions: PrincipalDirections,
    decoded: Path,
    decoded_again: Path | None,
    scale: float | None,
) -> DecodedDirections:
    once = data.paired(read_labelled(decoded, scale=scale, name="decoded"), "decoded")
    twice = None
    if decoded_again is not None:
        twice = data.paired(read_labelled(decoded_again, scale=scale, name="decoded_again"), "decoded_again")
    return decoded_directions(directions, data.samples, once, twice)


def _notes(decoded: DecodedDirections) -> list[str]:
    number, all_of_them = decoded.number, len(decoded.directions.variances)
    notes = []
    if number < all_of_them:
        notes.append(
            f"The autoencoder is fitted in the {number} widest of {all_of_them} directions; the others count as "
            "residual."
        )
    fit = decoded.fit
    if fit.explained < UNRELATED:
        notes.append(
            f"A regression on the samples explains {percent(fit.explained)} of the decoded ones: are they in the same "
            "order? Rows of arrays cannot be compared by name, and of two that do not belong together nothing that is "
            "said of the autoencoder holds."
        )
    if fit.refitted is None and fit.curvature > NOT_LINEAR:
        notes.append(
            "The autoencoder is not linear: decode and encode the decoded samples once more, and give them as "
            "--decoded-again."
        )
    if fit.refitted is not None and fit.change > NOT_LINEAR:
        notes.append("The autoencoder is not linear: the regression refitted on decoded samples is used.")
    return notes
