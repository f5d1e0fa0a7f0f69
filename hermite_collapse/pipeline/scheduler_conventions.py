"""What each scheduler class of diffusers asks of the network: noise levels, outputs and how its steps are called.

The level of a call is read from the scheduler's own state (its step index), never from its configuration.  A class is
looked up along its bases, so that subclasses are known; the others are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.errors import InputError

SchedulerObject = Any  # a scheduler of diffusers, which is not imported here


class Timestep(Protocol):
    """A timestep of a scheduler: a tensor with one number."""

    @property
    def device(self) -> object: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def reshape(self, *shape: int) -> object: ...


class Call(NamedTuple):
    """One call of the network: the level of its sample, and the coefficients of D, N and x in its output."""

    signal: float
    noise: float
    on_data: float
    on_noise: float
    on_sample: float


Reader = Callable[[SchedulerObject, Timestep, int], Call]


@dataclass(frozen=True)
class Convention:
    """How the schedulers of a class are driven.

    Parameters
    ----------
    call : callable
        (scheduler, timestep, number of the call) -> Call.
    few_steps : bool
        Whether its networks are flow maps or distilled rather than posterior means.
    has_flow_map : bool
        Whether `denoiser="flow_map"` says which map is meant.
    leaves_out_last : bool
        Whether the last timestep is the end and not a call.
    dimensions : int
        Of the samples, without the batch.
    options : mapping
        Fixed arguments of set_timesteps.
    """

    call: Reader
    few_steps: bool = False
    has_flow_map: bool = False
    leaves_out_last: bool = False
    dimensions: int = 3
    options: dict[str, object] = field(default_factory=dict)


def _prediction(kind: str, signal: float, noise: float) -> tuple[float, float, float]:
    """Return the coefficients of D, N and x in a prediction at a level (a, s)."""
    if kind == "epsilon":
        return 0.0, 1.0, 0.0
    if kind == "sample":
        return 1.0, 0.0, 0.0
    if kind == "v_prediction":
        if abs(signal**2 + noise**2 - 1.0) < 1e-6:
            return -noise, signal, 0.0
        return -1.0 / noise, 0.0, signal / noise  # D = a x - s v
    if kind in ("flow_prediction", "flow"):
        return -1.0, 1.0, 0.0
    raise InputError(f"config must have a prediction_type that is known, got {kind!r}.")


def _kind(scheduler: SchedulerObject) -> str:
    return str(scheduler.config.get("prediction_type") or "epsilon")


def _beta_table(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    level = float(scheduler.alphas_cumprod[int(timestep)])
    signal, noise = math.sqrt(level), math.sqrt(1.0 - level)
    return Call(signal, noise, *_prediction(_kind(scheduler), signal, noise))


def _exploding(scheduler: SchedulerObject, sigma: float) -> Call:
    """Return a call for x = x_0 + sigma n; the network sees it scaled to unit noise."""
    scale = math.hypot(1.0, sigma)
    return Call(1.0, sigma, *_prediction(_kind(scheduler), 1.0 / scale, sigma / scale))


def _sigma(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    return _exploding(scheduler, float(scheduler.sigmas[index]))


def _interpolated_sigma(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    first = scheduler.state_in_first_order
    return _exploding(scheduler, float((scheduler.sigmas if first else scheduler.sigmas_interpol)[index]))


def _middle_sigma(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    first = scheduler.state_in_first_order
    return _exploding(scheduler, float(scheduler.sigmas[index] if first else scheduler.mid_point_sigma))


def _log_ratio(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    signal, noise = map(float, scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[index]))
    return Call(signal, noise, *_prediction(_kind(scheduler), signal, noise))


def _preconditioned(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    """EDM: D = c_skip x + c_out F."""
    sigma = scheduler.sigmas[index]
    one, zero = sigma * 0.0 + 1.0, sigma * 0.0
    skip = float(scheduler.precondition_outputs(one, zero, sigma))
    out = float(scheduler.precondition_outputs(zero, one, sigma))
    return Call(1.0, float(sigma), 1.0 / out, 0.0, -skip / out)


def _consistency(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    sigma = scheduler.sigmas[index]
    skip, out = map(float, scheduler.get_scalings_for_boundary_condition(sigma))
    return Call(1.0, float(sigma), 1.0 / out, 0.0, -skip / out)


def _flow(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    sigma = float(scheduler.sigmas[index])
    return Call(1.0 - sigma, sigma, -1.0, 1.0, 0.0)


def _towards_data(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    """Time is the share of data, and the velocity points to the data."""
    time = float(timestep)
    return Call(time, 1.0 - time, 1.0, -1.0, 0.0)


def _angles(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    """IPNDM: the network always predicts velocities."""
    signal, noise = max(float(scheduler.alphas[index]), 0.0), float(scheduler.betas[index])
    return Call(signal, noise, -noise, signal, 0.0)


def _trigonometric(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    """sCM: x = cos(t) x_0 + sin(t) sigma_data n, D = cos(t) x - sin(t) F."""
    cosine, sine = math.cos(float(timestep)), math.sin(float(timestep))
    return Call(cosine, sine * float(scheduler.config["sigma_data"]), -1.0 / sine, 0.0, cosine / sine)


def _wuerstchen(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    level = float(scheduler._alpha_cumprod(timestep.reshape(1), timestep.device))
    return Call(math.sqrt(level), math.sqrt(1.0 - level), 0.0, 1.0, 0.0)


def _score(scheduler: SchedulerObject, timestep: Timestep, index: int) -> Call:
    """Score SDE, variance exploding: the network is the score -N / sigma."""
    sigma = float(scheduler.sigmas[index])
    return Call(1.0, sigma, 0.0, -1.0 / sigma, 0.0)


CONVENTIONS: dict[str, Convention] = {
    **dict.fromkeys(
        (
            "DDIMScheduler",
            "DDIMParallelScheduler",
            "DDPMScheduler",
            "DDPMParallelScheduler",
            "PNDMScheduler",
            "UnCLIPScheduler",
            "CogVideoXDDIMScheduler",
            "CogVideoXDPMScheduler",
        ),
        Convention(_beta_table),
    ),
    **dict.fromkeys(
        (
            "EulerDiscreteScheduler",
            "EulerAncestralDiscreteScheduler",
            "HeunDiscreteScheduler",
            "LMSDiscreteScheduler",
        ),
        Convention(_sigma),
    ),
    **dict.fromkeys(
        ("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"), Convention(_interpolated_sigma)
    ),
    "DPMSolverSDEScheduler": Convention(_middle_sigma),
    **dict.fromkeys(
        (
            "DPMSolverMultistepScheduler",
            "DPMSolverSinglestepScheduler",
            "DEISMultistepScheduler",
            "UniPCMultistepScheduler",
            "SASolverScheduler",
        ),
        Convention(_log_ratio),
    ),
    **dict.fromkeys(
        ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"),
        Convention(_preconditioned),
    ),
    **dict.fromkeys(
        (
            "FlowMatchEulerDiscreteScheduler",
            "FlowMatchHeunDiscreteScheduler",
            "LTXEulerAncestralRFScheduler",
            "HeliosScheduler",
        ),
        Convention(_flow),
    ),
    "MiniMaxH3Scheduler": Convention(_towards_data),
    "RFD4ProteinaScheduler": Convention(_towards_data, dimensions=2),
    "IPNDMScheduler": Convention(_angles),
    "DDPMWuerstchenScheduler": Convention(_wuerstchen, leaves_out_last=True),
    "ScoreSdeVeScheduler": Convention(_score),
    "LCMScheduler": Convention(_beta_table, few_steps=True, has_flow_map=True),
    "TCDScheduler": Convention(_beta_table, few_steps=True),
    "CMStochasticIterativeScheduler": Convention(_consistency, few_steps=True, has_flow_map=True),
    "SCMScheduler": Convention(_trigonometric, few_steps=True, has_flow_map=True, leaves_out_last=True),
    "FlowMapEulerDiscreteScheduler": Convention(_flow, few_steps=True, has_flow_map=True),
    "FlowMatchLCMScheduler": Convention(_flow, few_steps=True, has_flow_map=True),
    "PiflowScheduler": Convention(_flow, few_steps=True),
}

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        (
            "AmusedScheduler",
            "VQDiffusionScheduler",
            "BlockRefinementScheduler",
            "DiscreteDDIMScheduler",
            "EntropyBoundScheduler",
        ),
        "its samples are discrete tokens",
    ),
    "ConsistencyDecoderScheduler": "it is the decoder of an autoencoder",
    "RePaintScheduler": "it needs a mask and an image",
    "HeliosDMDScheduler": "its steps need tensors of the pipeline",
    "KarrasVeScheduler": "it is deprecated",
    "ScoreSdeVpScheduler": "it is deprecated",
    "DDIMInverseScheduler": "it runs from data to noise",
    "DPMSolverMultistepInverseScheduler": "it runs from data to noise",
}


def convention_of(classes: tuple[str, ...]) -> Convention:
    """Return how a scheduler is driven, by the names of its class and of its bases."""
    for name in classes:
        if name in REFUSED:
            raise InputError(f"scheduler must be one that can be probed, got {classes[0]}: {REFUSED[name]}.")
        if name in CONVENTIONS:
            return CONVENTIONS[name]
    raise InputError(
        f"scheduler must be a class of diffusers whose levels are known, got {classes[0] if classes else 'none'}."
    )


def flow_map_call(scheduler: SchedulerObject, call: Call, index: int) -> tuple[Call, tuple[float, float]]:
    """Return a call whose D is a flow map, and the level that the map leads to."""
    if type(scheduler).__name__ == "FlowMapEulerDiscreteScheduler":  # the mean velocity to the next level
        later = float(scheduler.sigmas[index + 1])
        length = call.noise - later
        return call._replace(on_data=-1.0 / length, on_noise=0.0, on_sample=1.0 / length), (
            1.0 - later,
            later,
        )
    if type(scheduler).__name__ == "CMStochasticIterativeScheduler":
        return call, (1.0, float(scheduler.config["sigma_min"]))
    return call, (1.0, 0.0)


def told_call(scheduler: SchedulerObject, timestep: Timestep, call: Call) -> Call:
    """Return a call whose network takes its level from the timestep that it is given, between training levels too.

    The sample, of level (a, s), is scaled to unit norm of the level before the network sees it.
    """
    table = getattr(scheduler, "alphas_cumprod", None)
    kind = _kind(scheduler)
    if table is None or kind not in ("epsilon", "sample", "v_prediction"):
        raise InputError(
            f"network_level must be 'sigma' for {type(scheduler).__name__}, whose timesteps are no training steps."
        )
    levels = np.asarray(table, dtype=np.float64)
    time = np.clip(float(timestep), 0.0, len(levels) - 1.0)
    sigma = math.exp(np.interp(time, np.arange(len(levels)), 0.5 * np.log((1.0 - levels) / levels)))
    signal, noise = 1.0 / math.hypot(1.0, sigma), sigma / math.hypot(1.0, sigma)
    scale = math.hypot(call.signal, call.noise)
    return Call(scale * signal, scale * noise, *_prediction(kind, signal, noise))


def starting_noise(scheduler: SchedulerObject) -> float:
    """Return the standard deviation of the noise that pipelines start from."""
    if type(scheduler).__name__ == "SCMScheduler":
        return float(scheduler.config["sigma_data"])
    return float(getattr(scheduler, "init_noise_sigma", 1.0))
