"""The mechanisms that are tried, and the one that stands for a given round map."""

from __future__ import annotations

from ..pipeline.mechanism import Mechanism
from ..pipeline.mechanisms import Autoencoder, Blur, Refit, ScoreError, Truncation
from .affine_models import AutoencoderModel, BlurModel, RefitModel, ScoreErrorModel, TruncationModel
from .round_models import AffineModel, RoundModel
from .sampler_model import SamplerModel


def models_to_try(
    *, rate: float = 0.5, times: tuple[float, ...] = (), sampler: Mechanism | None = None
) -> list[RoundModel]:
    """Return every mechanism as curves.

    Parameters
    ----------
    rate : float
        Of the Ornstein-Uhlenbeck process of truncation.
    times : tuple of float
        Held truncation times of rounds 1, 2, ...; fitted where there are none.
    sampler : Mechanism, optional
        Round map to try besides.
    """
    return [
        TruncationModel(rate, times),
        BlurModel(),
        RefitModel(),
        ScoreErrorModel(),
        AutoencoderModel(),
        *([] if sampler is None else [SamplerModel.of(sampler)]),
        AffineModel(),
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
