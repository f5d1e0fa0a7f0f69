r"""Does truncation matter for my sampler, and with which sign?

A sampler's smallest noise level sigma (in units of the data's standard deviation) is its truncation.  What the last
step does with it decides the sign of the collapse: one round of training on its own output changes the law q by

    (1/2 - c) sigma^2 Laplace(q) + O(sigma^4),      c = 0 no denoising, 1/2 half a step, 1 fully denoised

so that with fresh fraction alpha variances move by (1 - 2c) sigma^2 / alpha in the long run: noise is added, or
directions of variance below sigma^2 / alpha die out.  Half a step cancels both to fourth order.

Defaults of well-known samplers are in `KNOWN_SAMPLERS`; `read_scheduler` takes a diffusers `scheduler_config.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.channels import sigma_from_time, time_from_alpha_bar, time_from_sigma
from ..recursion.final_steps import FINAL_STEPS, denoised_fraction
from ..recursion.modes import attenuation_loss, half_degree, mode_contraction
from ..recursion.repetitions import repetitions_to

NEGLIGIBLE_LOSS = 0.01


@dataclass(frozen=True)
class SamplerTruncation:
    """Where a sampler stops and how.

    Parameters
    ----------
    name : str
        Of the sampler.
    truncation_time : float
        Ornstein-Uhlenbeck time (rate 1/2) of the smallest noise level at which the network is asked, >= 0.
    final_step : str
        "noisy", "rescaled", "half" or "full": what is done with the sample at that level.

    Raises
    ------
    InputError
        If the time is negative or the final step unknown.
    """

    name: str
    truncation_time: float
    final_step: str

    def __post_init__(self) -> None:
        checks.nonnegative(self.truncation_time, "truncation_time")
        checks.one_of(self.final_step, FINAL_STEPS, "final_step")

    @property
    def sigma(self) -> float:
        """The noise level in units of the data's standard deviation."""
        return float(sigma_from_time(self.truncation_time))


@dataclass(frozen=True)
class SamplerAdvice:
    """What recursive training with a sampler leads to, as far as truncation alone is concerned.

    Attributes
    ----------
    truncation : SamplerTruncation
        Where the sampler stops.
    fresh_fraction : float
        alpha.
    half_degree : float
        Degree at which a noisy end would keep half of a mode in the long run.
    filter_degree : float
        lambda = alpha / (rate t), the corner of the equivalent low-pass filter.
    degree : int
        The degree asked about.
    loss : float
        The share of that degree that a noisy end would remove in the long run.
    variance_drift : float
        Long-run change of the variance of a direction, in units of the data's variance: of a thin one for a noisy end
        (1 - g_2, exact), of every one for the other final steps (sigma^2 / alpha, exact, where the sample is only
        rescaled; leading order in sigma^2 where it is denoised).
    rounds : float
        Rounds after which 99 % of the long-run loss of that degree has happened.
    matters : bool
        Whether loss, or drift, exceeds one per cent.
    """

    truncation: SamplerTruncation
    fresh_fraction: float
    half_degree: float
    filter_degree: float
    degree: int
    loss: float
    variance_drift: float
    rounds: float
    matters: bool

    @property
    def text(self) -> str:
        """The advice in a few sentences."""
        t = self.truncation
        size = abs(self.variance_drift)
        effects = {
            "noisy": f"With fresh fraction {self.fresh_fraction:g} the recursion keeps half of Hermite degree "
            f"{self.half_degree:.3g}, removes {self.loss:.2g} of degree {self.degree}, and fills thin directions up to "
            f"variance {size:.2g}; 99 % of that has happened after {self.rounds:.0f} rounds.",
            "rescaled": f"The noise stays in the sample: with fresh fraction {self.fresh_fraction:g} every variance "
            f"grows by {size:.2g}.",
            "half": f"Half a step leaves a drift of order sigma^4 = {t.sigma**4:.2g} only.",
            "full": f"Full denoising turns the sign: with fresh fraction {self.fresh_fraction:g} every variance falls "
            f"by about {size:.2g}, and directions of variance below that die out; half a step would cancel this to "
            f"order sigma^4 = {t.sigma**4:.2g}.",
        }
        if self.matters:
            conclusion = (
                "Truncation matters here: shorten it, anneal it over the rounds, or end with half a step."
            )
        else:
            conclusion = (
                "Truncation is not your problem: whatever collapse you see beyond these figures comes from score "
                "errors or finite samples."
            )
        return (
            f"{t.name} stops at noise level sigma = {t.sigma:.3g} of the data's standard deviation (OU time "
            f"{t.truncation_time:.3g}), final step {t.final_step}. {effects[t.final_step]} {conclusion}"
        )


@public
def advise_sampler(
    truncation: SamplerTruncation | str | float,
    *,
    fresh_fraction: float,
    degree: int = 8,
    smallest_variance: float = 1.0,
) -> SamplerAdvice:
    """Say what truncation alone does to a recursion with this sampler.

        variance drift   (1 - 2c) sigma^2 / alpha,     loss of degree n   1 - g_n

    Parameters
    ----------
    truncation : SamplerTruncation, str or float
        Where the sampler stops, the name of a known sampler, or an OU time (rate 1/2; then a noisy end).
    fresh_fraction : float
        alpha in (0, 1].
    degree : int
        Highest Hermite degree that matters for the data, >= 1.
    smallest_variance : float
        Smallest variance of a direction that matters, in units of the data's variance, > 0.

    Returns
    -------
    SamplerAdvice

    Raises
    ------
    InputError
        If an argument is outside its range or the sampler is not known.

    Accuracy
    --------
    The figures of a noisy or rescaled end are exact; the drift of the others is the leading order in sigma^2.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for the noisy end; the other final steps are this package's.

    Examples
    --------
    >>> advice = advise_sampler("edm", fresh_fraction=0.1)
    >>> advice.matters, round(advice.variance_drift, 6)
    (False, -0.00016)
    """
    if isinstance(truncation, str):
        truncation = known_sampler(truncation)
    elif not isinstance(truncation, SamplerTruncation):
        truncation = SamplerTruncation("This sampler", checks.nonnegative(truncation, "truncation"), "noisy")
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")
    n = checks.integer(degree, "degree", minimum=1)
    floor = checks.positive(smallest_variance, "smallest_variance")
    time = truncation.truncation_time
    noisy = truncation.final_step == "noisy"
    loss = float(attenuation_loss(n, fresh_fraction=alpha, truncation_time=time))
    if noisy:
        drift = float(attenuation_loss(2, fresh_fraction=alpha, truncation_time=time))
    else:
        drift = (1.0 - 2.0 * denoised_fraction(truncation.final_step)) * truncation.sigma**2 / alpha
    kappa = float(mode_contraction(n, fresh_fraction=alpha, truncation_time=time))
    return SamplerAdvice(
        truncation=truncation,
        fresh_fraction=alpha,
        half_degree=half_degree(fresh_fraction=alpha, truncation_time=time),
        filter_degree=alpha / (0.5 * time) if time > 0.0 else np.inf,
        degree=n,
        loss=loss,
        variance_drift=drift,
        rounds=max(float(repetitions_to(0.01, kappa)), 1.0),
        matters=(noisy and loss > NEGLIGIBLE_LOSS) or abs(drift) > NEGLIGIBLE_LOSS * floor,
    )


def known_sampler(name: str) -> SamplerTruncation:
    """Return the default truncation of a well-known sampler by its name in `KNOWN_SAMPLERS`."""
    return KNOWN_SAMPLERS[checks.one_of(name, KNOWN_SAMPLERS, "sampler")]


@public
def read_scheduler(
    config: str | PathLike[str] | Mapping[str, Any], *, data_scale: float = 1.0, step: int = 0
) -> SamplerTruncation:
    """Return the truncation of a diffusers scheduler, from its configuration or its JSON file.

        t = -sum_{s <= step} log(1 - beta_s)          t = log(1 + (sigma_min / data_scale)^2)

    Parameters
    ----------
    config : path or mapping
        Path of a `scheduler_config.json`, or its content.
    data_scale : float
        Standard deviation of the data in the scheduler's units, for schedulers given by sigmas (EDM: 0.5).
    step : int
        Training step at which the sampler stops, for schedulers given by betas; 0 is the least noisy one.

    Returns
    -------
    SamplerTruncation

    Raises
    ------
    InputError
        If the file is not readable or has neither betas nor sigmas.

    Notes
    -----
    Understands the beta schedules linear, scaled_linear, squaredcos_cap_v2 and lists of trained_betas, `sigma_min` of
    EDM schedulers, `set_alpha_to_one` and `final_sigmas_type`.

    Examples
    --------
    >>> linear = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
    >>> round(read_scheduler(linear).sigma, 5)
    0.01
    """
    settings = _read_json(config) if not isinstance(config, Mapping) else dict(config)
    name = str(settings.get("_class_name", "This scheduler"))
    ends_noisy = settings.get("final_sigmas_type") == "sigma_min" or settings.get("set_alpha_to_one") is False
    final = "noisy" if ends_noisy else "full"
    if settings.get("sigma_min") is not None and "beta_start" not in settings:
        if step != 0:
            raise InputError(f"step must be left out for a scheduler given by sigma_min, got {step!r}.")
        sigma = checks.positive(settings["sigma_min"], "sigma_min")
        return SamplerTruncation(
            name, float(time_from_sigma(sigma / checks.positive(data_scale, "data_scale"))), final
        )
    betas = _betas(settings)
    last = checks.integer(step, "step")
    if last >= len(betas):
        raise InputError(
            f"step must be one of the scheduler's {len(betas)}, 0 to {len(betas) - 1}, got {last}."
        )
    # Through logarithms, so that the first betas keep their digits.
    return SamplerTruncation(name, float(-np.log1p(-betas[: last + 1]).sum()), final)


def _betas(settings: Mapping[str, Any]) -> FloatArray:
    if settings.get("trained_betas") is not None:
        betas = checks.vector(settings["trained_betas"], "trained_betas")
    else:
        if "beta_schedule" not in settings:
            raise InputError(
                "config must have a beta_schedule, trained_betas or sigma_min, got the keys "
                f"{', '.join(sorted(map(str, settings))) or 'none'}."
            )
        count = checks.integer(settings.get("num_train_timesteps", 1000), "num_train_timesteps", minimum=1)
        first = checks.positive(settings.get("beta_start", 1e-4), "beta_start")
        last = checks.positive(settings.get("beta_end", 0.02), "beta_end")
        kinds = ("linear", "scaled_linear", "squaredcos_cap_v2")
        kind = checks.one_of(settings["beta_schedule"], kinds, "beta_schedule")
        if kind == "linear":
            betas = np.linspace(first, last, count)
        elif kind == "scaled_linear":
            betas = np.linspace(np.sqrt(first), np.sqrt(last), count) ** 2
        else:
            betas = _cosine_betas(count)
    if betas.min() < 0.0 or betas.max() >= 1.0:
        raise InputError(f"betas must lie in [0, 1), got values from {betas.min():g} to {betas.max():g}.")
    return betas


def _cosine_betas(count: int) -> FloatArray:
    """Betas of the cosine schedule alpha_bar(u) = cos^2((u + 0.008) / 1.008 pi / 2), capped at 0.999."""
    level = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2.0) ** 2
    return np.minimum(1.0 - level[1:] / level[:-1], 0.999)


def _read_json(path: str | PathLike[str]) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text())
    except OSError as problem:
        raise InputError(f"config must be a readable file, got {str(path)!r}: {problem.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"config must be a JSON file, got {str(path)!r}: {problem}.") from None
    if not isinstance(content, dict):
        raise InputError(f"config must be a JSON object, got {type(content).__name__} in {str(path)!r}.")
    return content


def _from_betas(name: str, betas: FloatArray, final_step: str) -> SamplerTruncation:
    return SamplerTruncation(name, float(time_from_alpha_bar(1.0 - betas[0])), final_step)


def _variance_preserving_time(start: float, beta_min: float, beta_max: float) -> float:
    """Integral of beta from 0 to `start` for beta growing linearly over the unit interval."""
    return beta_min * start + 0.5 * (beta_max - beta_min) * start**2


KNOWN_SAMPLERS: dict[str, SamplerTruncation] = {
    "ddpm": _from_betas("DDPM (linear betas)", np.linspace(1e-4, 0.02, 1000), "full"),
    "improved_ddpm": _from_betas("Improved DDPM (cosine)", _cosine_betas(1000), "full"),
    "stable_diffusion": _from_betas(
        "Stable Diffusion (scaled linear betas)", np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, "full"
    ),
    "edm": SamplerTruncation("EDM (sigma_min 0.002, data 0.5)", float(time_from_sigma(0.002 / 0.5)), "full"),
    "score_sde_vp": SamplerTruncation(
        "Score SDE, VP (stops at 1e-3)", _variance_preserving_time(1e-3, 0.1, 20.0), "full"
    ),
    "score_sde_ve": SamplerTruncation(
        "Score SDE, VE (sigma_min 0.01, data 0.5)", float(time_from_sigma(0.02)), "full"
    ),
    "papers": SamplerTruncation("The collapse papers' sampler (t0 = 0.02)", 0.02, "noisy"),
}
