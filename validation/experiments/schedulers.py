"""Well-known samplers at their usual steps: what one round keeps of a direction, and where training loops settle.

V(w)/w with the exact denoiser, and the limits that are reached from the data with a tenth, a half and nine tenths of
fresh data, at four widths of a direction: the scale of the sampler's own coordinates, and three principal variances
(percentiles 90, 50 and 10) of Fashion-MNIST in [-1, 1].  Beside each stands what its last step would do alone.

Measured are particles, carried through the scheduler object itself from starts whose mean square is exactly that of
the law: where a sampler adds no noise they must agree with V(w) to rounding, else within their errors.  Every limit is
put through one more round of the sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse.core.threads import one_thread
from hermite_collapse.core.types import FloatArray
from hermite_collapse.pipeline.denoiser import Sampler
from hermite_collapse.pipeline.ledger import last_step
from hermite_collapse.pipeline.mechanism import Mechanism
from hermite_collapse.pipeline.mechanisms import SamplerSteps

from ..experiment import Experiment, Result, Settings, holm

if TYPE_CHECKING:
    import torch

WIDTHS = (1.0, 0.242, 0.0248, 0.00322)
SHARES = (0.1, 0.5, 0.9)
TOLERANCE = 1e-8  # relative, where nothing is drawn after the start
LIMIT_TOLERANCE = 1e-7  # relative change of a limit in one more round

SD_BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
DPM = {"_class_name": "DPMSolverMultistepScheduler", **SD_BETAS}
SD_DDIM = {
    "_class_name": "DDIMScheduler",
    **SD_BETAS,
    "clip_sample": False,
    "set_alpha_to_one": False,
}
SD_PNDM = {"_class_name": "PNDMScheduler", **SD_BETAS, "skip_prk_steps": True, "set_alpha_to_one": False}
SDXL = {"_class_name": "EulerDiscreteScheduler", **SD_BETAS, "timestep_spacing": "leading"}
SD3 = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
FLUX_DEV = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "shift": 3.0,
}
FLUX_SCHNELL = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0}
DDPM = {"_class_name": "DDPMScheduler", "clip_sample": False}
LCM = {"_class_name": "LCMScheduler", **SD_BETAS, "original_inference_steps": 50}


@dataclass(frozen=True)
class Known:
    """A model's sampler: its configuration, or None for EDM's own sampler, which diffusers does not have."""

    name: str
    steps: int
    config: Mapping[str, Any] | None
    options: Mapping[str, Any] = field(default_factory=dict)

    def sampler(self) -> Sampler:
        """Return its steps."""
        if self.config is None:
            return SamplerSteps.edm(steps=self.steps, **self.options)
        return SamplerSteps.of_scheduler(self.config, steps=self.steps, **self.options)


POSTERIOR = {"denoiser": "posterior_mean"}
KNOWN = (
    Known("Stable Diffusion 1.5, PNDM", 20, SD_PNDM),
    Known("Stable Diffusion 1.5, PNDM", 50, SD_PNDM),
    Known("Stable Diffusion 1.5, DDIM", 20, SD_DDIM),
    Known("Stable Diffusion 1.5, DDIM", 50, SD_DDIM),
    Known("Stable Diffusion 1.5, DPM++ 2M leading", 20, {**DPM, "timestep_spacing": "leading"}),
    Known("Stable Diffusion 1.5, DPM++ 2M Karras", 20, {**DPM, "use_karras_sigmas": True}),
    Known("Stable Diffusion 1.5, DPM++ 2M Karras", 50, {**DPM, "use_karras_sigmas": True}),
    Known("SDXL, Euler", 30, SDXL),
    Known("SDXL, Euler", 50, SDXL),
    Known("Stable Diffusion 3, flow Euler", 28, SD3),
    Known("Stable Diffusion 3, flow Euler", 50, SD3),
    Known("FLUX.1-dev, flow Euler, no guidance", 28, FLUX_DEV, {"mu": 1.15}),
    Known("FLUX.1-dev, flow Euler, no guidance", 50, FLUX_DEV, {"mu": 1.15}),
    Known("FLUX.1-schnell as a posterior mean", 4, FLUX_SCHNELL, {"sigmas": [1.0, 0.75, 0.5, 0.25]}),
    Known("EDM, Heun", 18, None),
    Known("EDM, Heun", 40, None),
    Known("EDM, Euler", 18, None, {"method": "euler"}),
    Known("DDPM, posterior variance", 1000, DDPM),
    Known("DDPM, variance beta", 1000, {**DDPM, "variance_type": "fixed_large"}),
    Known("LCM of Stable Diffusion as a flow map", 4, LCM, {"denoiser": "flow_map"}),
    Known("LCM of Stable Diffusion as a posterior mean", 4, LCM, POSTERIOR),
)


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "schedulers", "one round and the limits of well-known samplers; particles against V(w)", gallery
        )
    ]


def gallery(settings: Settings) -> Result:
    """All samplers at all widths and shares of fresh data, particles against V(w), limits through one more round."""
    count = 400_000 if settings.is_full else 40_000
    widths = np.array(WIDTHS)
    available = [known for known in KNOWN if known.config is None or find_spec("diffusers") is not None]
    rows, changes, differences, scores = [], [], [], []
    for number, known in enumerate(available):
        sampler = known.sampler()
        alone = last_step([sampler])
        one_round = sampler.variance(widths) / widths
        measured, is_noisy = particles(known, widths, count, settings.seed + number)
        difference = measured / one_round - 1.0
        if is_noisy:  # sqrt(2/count) is the error of free starts, and a little more than that of these
            scores.append(difference / np.sqrt(2.0 / count))
        else:
            differences.append(difference)
        limits = {str(share): limits_of(sampler, alone, widths, share) for share in SHARES}
        changes += [limit["change"] for limit in limits.values()]
        rows.append(
            {
                "name": known.name,
                "steps": known.steps,
                "ending": sampler.ending._asdict(),
                "one_round": {
                    "exact": one_round,
                    "last_step": None if alone is None else alone.variance(widths) / widths,
                    "measured": measured,
                    "is_noisy": is_noisy,
                },
                "limits": limits,
            }
        )
    # Where every sampler keeps its points without noise there is nothing to test: rounding alone decides.
    passed, p = holm(np.array(scores), settings.level) if scores else (True, 1.0)
    largest, moved = float(np.abs(differences).max()), max(changes)
    left_out = len(KNOWN) - len(available)
    return Result(
        passed and largest < TOLERANCE and moved < LIMIT_TOLERANCE,
        f"{len(rows)} samplers at {len(WIDTHS)} widths: particles of {len(differences)} samplers without noise differ from "
        f"V(w) by at most {largest:.1g}, those of {len(scores)} with noise by at most {np.abs(scores).max(initial=0.0):.2f} "
        f"standard errors (adjusted p {p:.2g}); one more round moves the limits by at most {moved:.1g}."
        + (f" Left out without diffusers: {left_out}." if left_out else ""),
        {"widths": WIDTHS, "particles": count, "samplers": rows},
        page=page(rows),
    )


def limits_of(sampler: Sampler, alone: Mechanism | None, widths: FloatArray, share: float) -> dict[str, Any]:
    """Return limits over the data's variance: reached from the data, of the last step alone, and all that are stable."""
    pipeline = hc.Pipeline([sampler], fresh_fraction=share)
    variance = pipeline.limit(widths)
    again = sampler.variance(share * widths + (1.0 - share) * variance)
    return {
        "exact": variance / widths,
        "last_step": None
        if alone is None
        else hc.Pipeline([alone], fresh_fraction=share).limit(widths) / widths,
        "stable": [[point.variance / w for point in pipeline.limits(w) if point.stable] for w in WIDTHS],
        "rate": pipeline.rate(widths),
        "change": float(np.max(np.abs(again / variance - 1.0))),
    }


def particles(known: Known, widths: FloatArray, count: int, seed: int) -> tuple[FloatArray, bool]:
    """Return the mean squares over w of particles that went through the sampler, and whether it drew noise.

    On the CPU, where schedulers keep their tables.
    """
    import torch

    random = torch.Generator().manual_seed(seed)
    w = torch.from_numpy(widths).repeat_interleave(count).reshape(-1, 1, 1, 1)

    draws = 0

    def draw(shape: Sequence[int] = w.shape) -> torch.Tensor:
        nonlocal draws
        draws += 1
        return torch.randn(tuple(shape), generator=random, dtype=torch.float64)

    def posterior(x: torch.Tensor, signal: float, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
        total = signal**2 * w + noise**2
        return signal * w / total * x, noise / total * x

    start = draw().reshape(len(widths), count)
    start = (start / start.square().mean(1, keepdim=True).sqrt()).reshape(w.shape)
    if known.config is None:
        sampler = known.sampler()
        x = sampler.carry(start * sampler.deviation, posterior, draw)
    else:
        x = _driven(known, w, start, draw, posterior)
    squares = x.square().reshape(len(widths), count).mean(1)
    return np.asarray(squares / torch.from_numpy(widths)), draws > 1


def _driven(
    known: Known,
    w: torch.Tensor,
    start: torch.Tensor,
    draw: Callable[[Sequence[int]], torch.Tensor],
    posterior: Callable[[torch.Tensor, float, float], tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """Return particles that the scheduler object itself has moved."""

    from hermite_collapse.pipeline.scheduler_probe import SchedulerDrive, prepared, quiet

    ready = prepared(known.config, steps=known.steps, **known.options)
    drive = SchedulerDrive(ready, {}, tuple(w.shape), draw)
    x = start * drive.deviation
    with quiet(), drive.mode, one_thread():
        for index, timestep in enumerate(drive.timesteps):
            call = drive.call(x, timestep, index)
            data, noise = posterior(x, call.signal, call.noise)
            if ready.denoiser == "flow_map":  # to the data, and the noise that is left of x
                data = x * (w / (call.signal**2 * w + call.noise**2)).sqrt()
                noise = (x - call.signal * data) / call.noise
            output = call.on_data * data + call.on_noise * noise + call.on_sample * x
            x = drive.step(output, timestep, x, index)
    return x


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables of the record in Markdown."""
    widths = " | ".join(f"w = {w:g}" for w in WIDTHS)
    lines = [
        "# What well-known samplers do to a direction of variance w",
        "",
        "Exact denoiser, in the sampler's own coordinates. The last three widths are percentiles 90, 50 and 10 of the",
        "principal variances of Fashion-MNIST in [-1, 1]. In brackets: what the last step would do alone. Numbers are",
        "exact for Gaussian directions; on multi-modal data the total variance has moved the same way in every case",
        "tried, by a quarter to all of it.",
    ]
    for title, key in (
        ("Variance after one round over w", None),
        *((f"Limit over the variance of the data, fresh share {share:g}", str(share)) for share in SHARES),
    ):
        lines += [
            "",
            f"## {title}",
            "",
            f"| sampler | steps | {widths} |",
            "|---|---|" + "---|" * len(WIDTHS),
        ]
        for row in rows:
            part = row["one_round"] if key is None else row["limits"][key]
            ends = [None] * len(WIDTHS) if part["last_step"] is None else part["last_step"]
            cells = " | ".join(
                cell(value) + ("" if end is None else f" ({cell(end)})")
                for value, end in zip(part["exact"], ends, strict=True)
            )
            lines.append(f"| {row['name']} | {row['steps']} | {cells} |")
    return "\n".join(lines) + "\n"


def cell(value: float) -> str:
    """Return a number to three digits, without an exponent above 1e-4."""
    return f"{value:.3g}"
