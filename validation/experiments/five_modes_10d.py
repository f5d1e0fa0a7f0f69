"""The mixture experiment of arXiv:2602.16601 (Figure 1, Appendix G.1), as printed and in closed form.

As printed: ten dimensions, five modes of standard deviation 0.6 at 0 and (+-4, +-4, 0, ...); the model is the score of
a kernel density estimate with bandwidth 0.6 on N = 100 000 points, run by 500 Euler-Maruyama steps from N(0, I) at
T = 4 to t0 = 0.02; 20 generations; fresh fractions 0.1, 0.5, 0.9; ten runs.

In closed form: blur and truncation are one Gaussian channel, so the population law of every generation is a mixture
known exactly (`Recursion(..., blur=0.6, truncation_time=0.02)`).  Finite T, finitely many steps and finite N are defects on
top, each measured here with the others removed.

Said plainly: the divergence chi2(p_i against p*) that the paper plots is infinite from generation 1 on.  One
generation of blur and truncation has component variance 0.7255 > 2 x 0.36; any finite number measures the sample
size.  Truncation alone gets there at generation 42, blur alone at generation 2 (generation 1 lies on the boundary).

    python -m validation.experiments.five_modes_10d                      small size on a CPU, about five minutes;
                                                          writes validation/records/five_modes_10d.json and .svg
    python -m validation.experiments.five_modes_10d chain --fresh-fraction 0.1 --particles 100000 --steps 500 \
        --generations 20 --model attention --device cuda --folder runs/five_modes/0.1 --seconds 540

The second form is one chain at the printed size on a GPU: it stops cleanly after the generation in which `--seconds`
run out, and the same command continues it to identical bytes (once for each fresh fraction; with --particles 20000
and --seed 0, ..., 9 for ten runs).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse import bounds
from hermite_collapse.core.types import FloatArray
from hermite_collapse.simulation.devices import choose_device, describe_versions
from hermite_collapse.simulation.generations import Generation, RoundContext, RoundGenerator
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.noise import Chunk
from hermite_collapse.simulation.rounds import run_rounds
from hermite_collapse.simulation.scores import MixtureDenoiser
from hermite_collapse.simulation.settings import RunSettings
from hermite_collapse.storage.folder import write_atomically, write_json
from hermite_collapse.storage.record import SimulatedRecursion

from .kde_energies import measure_energies
from .kde_recursion import (
    MODELS,
    SAMPLERS,
    STARTS,
    Noise,
    RefinedNoise,
    Setting,
    euler_variance,
    generate,
    make_pool,
    predict,
    statistics_weights,
)

RECORD = Path(__file__).parent.parent / "records" / "five_modes_10d.json"
FRESH_FRACTIONS = (0.1, 0.5, 0.9)


class KernelChain(Generation):
    """Outputs of a kernel density estimate whose pool holds a fixed share of the outputs before, for `run_rounds`.

    Round i + 1 of the simulation is generation i of the setting; random numbers are addressed by (seed, generation).
    """

    name = "kernel_chain"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def describe(self) -> dict[str, Any]:
        numbers = self.setting.as_dict()
        return {
            "name": self.name,
            **numbers,
            "sampler": {"name": numbers["sampler"], "start": numbers["start"]},
        }

    def prepare(self, context: RoundContext) -> RoundGenerator:
        generation = context.round_index
        earlier = context.earlier.get(generation)
        outputs = None if generation == 0 or earlier is None else earlier[0]
        return _Outputs(
            generate(make_pool(outputs, self.setting, generation, context.device), self.setting, generation)
        )


class _Outputs(RoundGenerator):
    """A generation whose outputs are made all at once."""

    def __init__(self, outputs: torch.Tensor) -> None:
        self._outputs = outputs

    @property
    def bytes_per_row(self) -> int:
        return 8 * self._outputs.shape[1]

    def particles(self, chunk: Chunk) -> torch.Tensor:
        return self._outputs[chunk.start : chunk.stop]


def run_chain(
    setting: Setting,
    *,
    folder: Path | None = None,
    device: str = "cpu",
    seconds: float = math.inf,
) -> dict[str, Any]:
    """Run or continue a chain; returns predicted and measured statistics of the generations done.

    With a folder, the outputs and statistics of every finished generation are written atomically, and a call with the
    same setting goes on from the last one to identical bytes.

    Raises
    ------
    InputError
        If the folder holds a chain of another setting.
    """
    begin = time.monotonic()
    settings = RunSettings.of(
        {"chain": setting.recursion()},
        KernelChain(setting),
        rounds=setting.generations,
        particles=setting.particles,
        degree=1,
        device=device,
        seed=setting.seed,
    )
    record = run_rounds(settings, folder=folder, seconds=seconds)["chain"]
    measured = mean_squares(record)[1:]
    prediction = predict(setting)
    done = len(measured)
    value, error = prediction.value[:done], prediction.standard_error[:done]
    z = (measured - value) / error
    return {
        "setting": setting.as_dict(),
        "device": record.device,
        "names": list(prediction.names),
        "generations_done": done,
        "predicted": value.tolist(),
        "standard_error": error.tolist(),
        "measured": measured.tolist(),
        "z": z.tolist(),
        "largest_z": float(np.abs(z).max()) if done else None,
        "seconds": round(time.monotonic() - begin, 1),
    }


def mean_squares(record: SimulatedRecursion) -> FloatArray:
    """The statistics sum_j u_j x_j^2 of every round, averaged over the particles: shape (rounds + 1, statistics)."""
    squares = np.einsum("ijj->ij", record.covariances[0]) + record.means[0] ** 2
    return squares @ statistics_weights(record.dimension)[1].T


def measure_defects(
    steps: int, *, particles: int = 40_000, seed: int = 3, device: str = "cpu", refinement: int = 2
) -> list[dict[str, Any]]:
    """The defects of one generation in which N is infinite: the score of the data's own smoothed density is used.

    Variants are driven by the same Brownian motion and start from the same normals, so that differences are sharp.

        steps        from the exact law at T: `steps` Euler steps against `refinement` times as many
        finite T     as many fine steps: from N(0, I) against from the exact law
        both         N(0, I) and `steps` steps, as printed, against neither
        interaction  what is left of "both" after the two apart
        residual     exact law and fine steps against the exact channel: what refinement has not removed

    Returns
    -------
    One row a defect and statistic: change with standard error, and relative to the statistic's exact value; for the
    within-mode variance, where the Euler chain is linear, also the predicted change.
    """
    torch_device = choose_device(device)
    setting = Setting(0.5, particles, steps=steps, seed=seed)
    target = setting.recursion().target
    smoothed = components_of(target.through(hc.GaussianChannel(1.0, setting.blur**2)), torch_device)
    denoiser = MixtureDenoiser(smoothed)
    names, u = statistics_weights()
    address = (seed, 9000)
    normals = Noise(particles, seed=(*address, 2), device=torch_device).normal(target.dimension)
    a = math.exp(-setting.horizon / 2.0)
    modes = np.random.default_rng([*address, 3]).choice(len(target.weights), particles, p=target.weights)
    spread = math.sqrt(a**2 * float(smoothed.variances[0, 0]) - math.expm1(-setting.horizon))
    marginal = a * smoothed.means[torch.from_numpy(modes).to(torch_device)] + spread * normals

    def run(begin: torch.Tensor, fine: bool) -> torch.Tensor:
        source = Noise(particles, seed=(*address, 4), device=torch_device)
        noise = source if fine else RefinedNoise(source, refinement)
        count = steps * (refinement if fine else 1)
        outputs = SAMPLERS["euler"].run(
            begin, denoiser, noise, steps=count, start=setting.horizon, stop=setting.truncation
        )
        return outputs**2 @ torch.from_numpy(u.T).to(torch_device)

    exact_fine, exact_coarse = run(marginal, True), run(marginal, False)
    normal_fine, normal_coarse = run(normals, True), run(normals, False)
    exact = predict(Setting(0.5, particles, generations=1)).value[0]
    differences = {
        "steps": exact_coarse - exact_fine,
        "finite T": normal_fine - exact_fine,
        "both": normal_coarse - exact_fine,
        "interaction": normal_coarse - exact_coarse - normal_fine + exact_fine,
        "residual": exact_fine - torch.from_numpy(exact).to(torch_device),
    }
    coarse = setting
    fine = replace(setting, steps=steps * refinement)
    wide = {step: euler_variance(s, start_variance=1.0) for step, s in (("coarse", coarse), ("fine", fine))}
    true = {step: euler_variance(s) for step, s in (("coarse", coarse), ("fine", fine))}
    predicted = {
        "steps": true["coarse"] - true["fine"],
        "finite T": wide["fine"] - true["fine"],
        "both": wide["coarse"] - true["fine"],
        "interaction": wide["coarse"] - true["coarse"] - wide["fine"] + true["fine"],
        "residual": true["fine"] - float(exact[-1]),
    }
    rows = []
    for name, values in differences.items():
        mean = values.mean(dim=0).cpu().numpy()
        error = (values.std(dim=0) / math.sqrt(particles)).cpu().numpy()
        for column in (0, len(names) - 1):
            rows.append(
                {
                    "defect": name,
                    "statistic": names[column],
                    "exact": float(exact[column]),
                    "change": float(mean[column]),
                    "standard_error": float(error[column]),
                    "relative": float(mean[column] / exact[column]),
                    "predicted": predicted[name] if column else None,
                }
            )
    return rows


def finiteness() -> list[dict[str, Any]]:
    """First generation with chi2(p_i against p*) = infinity: blur and truncation together, and each alone."""
    rows = []
    for name, blur, truncation in (("both", 0.6, 0.02), ("blur", 0.6, 0.0), ("truncation", 0.0, 0.02)):
        recursion = Setting(0.1, 1000, blur=blur, truncation=truncation, model="channel").recursion()
        rows.append({"mechanism": name, "first_infinite": bounds.first_infinite_round(recursion, rounds=60)})
    return rows


def mechanism_shares() -> list[dict[str, Any]]:
    """Within-mode variance in the limit: data, blur alone, truncation alone, both; and the blur's share of a round."""
    rows = []
    a2 = math.exp(-0.02)
    for alpha in FRESH_FRACTIONS:
        entry: dict[str, Any] = {"fresh_fraction": alpha, "data": 0.36}
        for name, blur, truncation in (("both", 0.6, 0.02), ("blur", 0.6, 0.0), ("truncation", 0.0, 0.02)):
            recursion = Setting(alpha, 1000, blur=blur, truncation=truncation, model="channel").recursion()
            entry[name] = float(np.asarray(recursion.limit().covariance)[9, 9])
        entry["blur_share_of_added_variance"] = a2 * 0.36 / (a2 * 0.36 + 1.0 - a2)
        rows.append(entry)
    return rows


def _announced(chain: dict[str, Any]) -> dict[str, Any]:
    s = chain["setting"]
    what = (
        f"{s['model']}, fresh fraction {s['fresh_fraction']}, blur {s['blur']}, truncation {s['truncation']}"
    )
    print(f"{what}: largest z {chain['largest_z']:.2f}, {chain['seconds']} s", file=sys.stderr, flush=True)
    return chain


def small_record(device: str = "cpu") -> dict[str, Any]:
    """Everything at a size for two CPU cores: chains in closed form at full length, literal ones small, defects."""
    chains = []
    for alpha in FRESH_FRACTIONS:
        for blur, truncation in ((0.6, 0.02), (0.6, 0.0), (0.0, 0.02)):
            setting = Setting(alpha, 100_000, blur=blur, truncation=truncation, model="channel", seed=1)
            chains.append(_announced(run_chain(setting, device=device)))
    for alpha, start in ((0.1, "normal"), (0.5, "normal"), (0.9, "normal"), (0.1, "marginal")):
        setting = Setting(alpha, 2000, generations=6, steps=200, start=start, seed=2)
        chains.append(_announced(run_chain(setting, device=device)))
    defects = {str(steps): measure_defects(steps, particles=4000, device=device) for steps in (200, 500)}
    return {
        "experiment": "five_modes_10d",
        "reference": "arXiv:2602.16601, Figure 1 and Appendix G.1",
        "size": "small: closed form at N = 100 000 and 20 generations; literal at N = 2 000, 200 steps, 6 generations",
        "versions": describe_versions(),
        "chi_square_against_data": finiteness(),
        "limits": mechanism_shares(),
        "chains": chains,
        "defects_of_one_generation": defects,
        "energies": measure_energies(Setting(0.5, 100_000), generations=3, paths=2000, steps=48),
        "at_printed_size": "not run: no GPU was at hand; the command is in the module's docstring",
    }


def summary(record: dict[str, Any]) -> str:
    """A few lines a person can read."""
    lines = [
        f"{'chain':48s} {'N':>6s} {'gen':>4s} {'largest z':>9s}    within-mode variance: predicted, measured"
    ]
    for chain in record["chains"]:
        s = chain["setting"]
        what = "closed form" if s["model"] == "channel" else f"{s['model']}, {s['steps']} steps, {s['start']}"
        name = f"alpha {s['fresh_fraction']} h {s['blur']} t0 {s['truncation']} {what}"
        last = f"{chain['predicted'][-1][-1]:.4f}, {chain['measured'][-1][-1]:.4f}"
        lines.append(
            f"{name:48s} {s['particles']:6d} {chain['generations_done']:4d} {chain['largest_z']:9.2f}    {last}"
        )
    lines.append(
        "defect of one generation       statistic               change       standard error   relative"
    )
    for steps, rows in record["defects_of_one_generation"].items():
        for row in rows:
            label = f"{row['defect']} ({steps} steps)"
            lines.append(
                f"{label:30s} {row['statistic']:22s} {row['change']:+.5f}     {row['standard_error']:.5f}"
                f"        {row['relative']:+.3%}"
            )
    lines.append(
        "generation   eps_hat^2 / 2 + start   KL of the defect     eta                  chi2 of the defect"
    )
    for row in record["energies"]["generations"]:
        half = row["learned_energy"][0] / 2.0 + row["kl_of_the_starts"][0]
        kl, eta = row["kl_of_the_defect"], row["observability"]
        lines.append(
            f"{row['generation']:6d}       {half:.4f} +- {row['learned_energy'][1] / 2:.4f}        "
            f"{kl[0]:.4f} +- {kl[1]:.4f}     {eta[0]:.3f} +- {eta[1]:.3f}      {row['chi_square_of_the_defect'][0]:.4g}"
        )
    for row in record["chi_square_against_data"]:
        lines.append(
            f"chi2(p_i against p*) is infinite from generation {row['first_infinite']} on: {row['mechanism']}"
        )
    return "\n".join(lines)


def draw(record: dict[str, Any], path: Path) -> None:
    """Within-mode variance over the generations, one panel a fresh fraction: mechanisms apart and together."""
    from hermite_collapse.figures import panels
    from hermite_collapse.figures.propagation import draw_moment_drift
    from hermite_collapse.figures.saving import svg_text

    limits = {row["fresh_fraction"]: row for row in record["limits"]}
    figure, axes = panels(1, len(limits), width=3.6 * len(limits), height=3.3)
    for panel, alpha in zip(axes[0], sorted(limits), strict=True):
        predicted, measured, errors, ends = {}, {}, {}, {}
        for chain in record["chains"]:
            s = chain["setting"]
            if s["fresh_fraction"] != alpha or s["model"] != "channel":
                continue
            name = {(0.6, 0.02): "both", (0.6, 0.0): "blur", (0.0, 0.02): "truncation"}[
                s["blur"], s["truncation"]
            ]
            for curves, rows, first in (
                (predicted, chain["predicted"], 0.36),
                (measured, chain["measured"], 0.36),
                (errors, chain["standard_error"], 0.0),
            ):
                curves[name] = [first, *(row[-1] for row in rows)]
            ends[name] = limits[alpha][name]
        draw_moment_drift(
            panel,
            predicted=predicted,
            measured=measured,
            standard_error=errors,
            limits=ends,
            ylabel="within-mode variance",
        )
        panel.set_title(f"fresh fraction {alpha:g}")
    write_atomically(path, svg_text(figure).encode())


def main(arguments: list[str] | None = None) -> int:
    """The small record by default, or one chain of any size."""
    parser = argparse.ArgumentParser(prog="python -m validation.experiments.five_modes_10d", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command")
    chain = commands.add_parser("chain", help="one chain, resumable by generation")
    chain.add_argument("--fresh-fraction", type=float, required=True)
    chain.add_argument("--particles", type=int, default=2000)
    chain.add_argument("--generations", type=int, default=6)
    chain.add_argument("--steps", type=int, default=200)
    chain.add_argument("--blur", type=float, default=0.6)
    chain.add_argument("--truncation", type=float, default=0.02)
    chain.add_argument("--start", choices=STARTS, default="normal")
    chain.add_argument("--sampler", choices=list(SAMPLERS), default="euler")
    chain.add_argument("--model", choices=MODELS, default="attention")
    chain.add_argument("--seed", type=int, default=0)
    chain.add_argument("--folder", type=Path)
    chain.add_argument("--seconds", type=float, default=math.inf)
    for command in (parser, chain):
        command.add_argument("--device", default="cpu")
        command.add_argument("--out", type=Path, help="where to write the record (JSON)")
    options = vars(parser.parse_args(arguments))
    command, device, out = options.pop("command"), options.pop("device"), options.pop("out")
    if command == "chain":
        folder, seconds = options.pop("folder"), options.pop("seconds")
        document = run_chain(Setting(**options), folder=folder, device=device, seconds=seconds)
        print(json.dumps(document))
    else:
        document = small_record(device)
        out = out or RECORD
        print(summary(document))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, document)
    if command is None and out is not None:
        draw(document, out.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
