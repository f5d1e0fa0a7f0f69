"""The mechanisms that are tried, and the one that stands for a given round map."""

from __future__ import annotations

from ..pipeline.mechanism import Mechanism
from ..pipeline.mechanisms import Autoencoder, Blur, Refit, ScoreError, Truncation
from .fits.affine_models import AutoencoderModel, BlurModel, RefitModel, ScoreErrorModel, TruncationModel
from .fits.round_models import AffineModel, OneStepModel, RoundModel
from .samplers.sampler_model import SamplerModel


def models_to_try(
    *,
    truncation: RoundModel | None = None,
    sampler: Mechanism | None = None,
    fresh_fraction: float | None = None,
) -> list[RoundModel]:
    """Return every mechanism as curves.

    Parameters
    ----------
    truncation : RoundModel, optional
        Truncation, with one time to be fitted and rate 1/2 unless given.
    sampler : Mechanism, optional
        Round map to try besides.
    fresh_fraction : float, optional
        Where it is known: at 1 every round is one step from the data, and no law has a rate.
    """
    return [
        truncation or TruncationModel(),
        BlurModel(),
        RefitModel(),
        ScoreErrorModel(),
        AutoencoderModel(),
        *([] if sampler is None else [SamplerModel.of(sampler)]),
        OneStepModel() if fresh_fraction == 1.0 else AffineModel(),
    ]


def model_of(mechanism: Mechanism) -> RoundModel:
    """Return the curves that a round map belongs to, with its parameters free; given ones for anything else."""
    if isinstance(mechanism, Truncation):
        return TruncationModel(mechanism.rate)
    kinds: dict[type[Mechanism], RoundModel] = {
        Blur: BlurModel(),
        Refit: RefitModel(),
        ScoreError: ScoreErrorModel(),
        Autoencoder: AutoencoderModel(),
    }
    return kinds.get(type(mechanism)) or SamplerModel.of(mechanism)
