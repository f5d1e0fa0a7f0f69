"""The page "Theory against a GPU", filled from records: no number on it is written by hand."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hermite_collapse.core.numbers import powers_of_ten, significant
from hermite_collapse.storage.folder import write_atomically

from .catalog import pieces_in_order
from .pictures import write_pictures
from .records import WORDS, Record, read_folder

NAMES = {
    "limits": "limits of the card",
    "exact": "reverse diffusion with exact scores",
    "channel": "exact channel",
    "recursions": "many recursions as one batch",
    "kernel_score": "score of a pool of points",
    "kernels": "kernels written in Triton",
    "ddpm": "DDPM, posterior variance",
    "ddpm_beta": "DDPM, variance beta",
    "ddim": "DDIM, eta 0",
    "ddim_eta": "DDIM, eta 0.6",
    "edm_heun": "EDM, Heun",
    "edm_euler": "EDM, Euler",
    "flow": "flow matching, Euler",
    "closed_form": "exact scores",
    "alpha_0.1": "10 % fresh data",
    "alpha_0.5": "50 % fresh data",
    "alpha_0.9": "90 % fresh data",
    "mixture_1d": "mixture on a line",
    "mixture_2d": "mixture in the plane",
    "mixture_10d": "mixture in ten dimensions",
    "fashion_mnist": "Fashion-MNIST",
}
"""Pieces in words."""
GENERATORS = {
    "channel": "the exact channel",
    "exact": "reverse diffusion with exact scores",
    "kernel": "reverse diffusion with the score of a pool of points",
}
"""Generators in words."""
LIMITS = {
    "product float64": "matrix products: double precision",
    "product float32": "single precision",
    "product tf32": "TensorFloat-32",
    "product bfloat16": "bfloat16",
    "copy bytes": "copying memory",
    "vector float64": "element by element: double precision",
    "vector float32": "single precision",
}
"""What was measured of the card, in words."""

Records = Mapping[str, Record]
Rows = list[list[str]]


def write_page(folder: Path, page: Path) -> Path:
    """Write pictures beside the records of a folder, and the page that shows them; returns the page."""
    pictures = write_pictures(folder)
    links = {path.stem: os.path.relpath(path, page.parent) for path in pictures}
    write_atomically(page, page_text(read_folder(folder), links).encode())
    return page


def page_text(records: Records, pictures: Mapping[str, str]) -> str:
    """Return the page as Markdown."""
    parts = ["# Theory against a GPU", _opening(records)]
    for title, words, table, names in SECTIONS:
        rows = table(records)
        if not rows:
            continue
        parts += [f"## {title}", words]
        if rows[0][0] == "generator":
            for generator in dict.fromkeys(row[0] for row in rows[1:]):
                own = [row[1:] for row in rows if row[0] in ("generator", generator)]
                parts += [f"By {GENERATORS[generator]}:", f":::{{div}} numbers modes\n{_table(own)}\n:::"]
        else:
            kind = "pieces" if "verdict" in rows[0] else "numbers particles"
            parts += [f":::{{div}} {kind}\n{_table(rows)}\n:::"]
        parts += [f"![{name.replace('_', ' ')}]({pictures[name]})" for name in names if name in pictures]
    missing = [piece.name for piece in pieces_in_order() if not _is_done(records.get(piece.name))]
    if missing:
        parts += [
            "## Not reached",
            "The same command with the same folder goes on with: "
            + ", ".join(f"`{name}`" for name in missing)
            + ".",
        ]
    return "\n\n".join(parts) + "\n"


def _opening(records: Records) -> str:
    if not records:
        return "There are no records."
    lines = [
        "Everything on this page is read from the records under `validation/records/gpu`, written by",
        "",
    ]
    lines += ["    python -m validation.gpu --minutes 8", ""]
    by_device: dict[str, list[Record]] = {}
    for record in records.values():
        by_device.setdefault(record["device"], []).append(record)
    for number, device in enumerate(sorted(by_device, key=lambda name: -len(by_device[name]))):
        own = by_device[device]
        lines += [""] if number > 0 else []
        versions = ", ".join(f"{name} {version}" for name, version in own[0]["versions"].items())
        seconds = sum(record["seconds"] for record in own)
        counts = Counter(_word(record) for record in own)
        lines.append(
            f"{device} (driver {own[0].get('driver', 'none')}; {versions}): {len(own)} pieces in {seconds:.0f} s. "
            f"{counts['agrees']} agree with theory, {counts['DISAGREES']} disagree, {counts['failed']} failed; "
            f"{counts['measured']} are times of the card, about which theory says nothing."
        )
        if number > 0:
            names = ", ".join(f"`{record['piece']}`" for record in own)
            lines.append(f"These are {names}.")
    return "\n".join(lines)


def _particles(records: Records) -> Rows:
    rows = [
        [
            "preset",
            "channel",
            "exact: largest",
            "exact: median",
            "CPU kernel against CPU loop",
            "kernel",
            "outcome",
        ]
    ]
    for name, record in _of(records, "particles/"):
        made = record["generators"]
        exact = made["exact"]
        rows.append(
            [
                name,
                _units(made["channel"]["largest_units"]),
                _units(exact["largest_units"]),
                _units(exact["median_units"], 2),
                _units(exact["kernel_against_loop_on_the_cpu"]["largest_units"]),
                _units(made["kernel float64"]["largest_units"]),
                _word(record),
            ]
        )
    return rows


def _presets(records: Records) -> Rows:
    rows = [
        [
            "generator",
            "preset",
            "particles",
            "tests",
            "largest z",
            "difference",
            "its error",
            "adjusted p",
            "alpha +0.5 %",
            "t0 +0.5 %",
            "seconds",
        ]
    ]
    for name, record in _of(records, "presets/"):
        generator, preset = name.split("/")
        controls = [record["controls"][key]["outcome"] for key in ("fresh_fraction", "truncation")]
        rows.append(
            [
                generator,
                preset,
                _power_of_ten(record["particles_of_all_runs"]),
                str(record["tests"]),
                f"{record['largest_z']:.2f}",
                significant(record["agreement"]["root_mean_square_difference"], 2),
                significant(record["agreement"]["root_mean_square_standard_error"], 2),
                f"{record['adjusted_p_value']:.2g}",
                *controls,
                f"{record['seconds']:.1f}",
            ]
        )
    return rows


def _verdicts(prefix: str) -> Callable[[Records], Rows]:
    def table(records: Records) -> Rows:
        rows = [["piece", "outcome", "seconds", "verdict"]]
        rows += [
            [
                NAMES.get(name, name.replace("_", " ")),
                _word(record),
                f"{record['seconds']:.2g}",
                _in_words(record["verdict"]),
            ]
            for name, record in _of(records, prefix)
        ]
        return rows

    return table


def _units(value: float, digits: int = 3) -> str:
    """Return units of rounding, large ones as whole numbers."""
    return f"{float(f'{value:.{digits}g}'):,.0f}" if value >= 1000.0 else significant(value, digits)


def _power_of_ten(count: int) -> str:
    """Return a count with one digit: 10⁸ and 3 × 10⁶."""
    return powers_of_ten(f"{count:.0e}").removeprefix("1 × ")


def _in_words(verdict: str) -> str:
    for name, words in (LIMITS | {"attention_means": "means by attention"}).items():
        verdict = verdict.replace(name, words)
    return re.sub(r"\bgeneration(s?)\b", r"round\1", powers_of_ten(verdict))


def _of(records: Records, prefix: str) -> list[tuple[str, Record]]:
    """Return the records of one part in order of worth, failed ones left out."""
    order = [piece.name for piece in pieces_in_order() if piece.name.startswith(prefix)]
    return [
        (name.removeprefix(prefix), records[name])
        for name in order
        if name in records and "error" not in records[name]
    ]


def _word(record: Record) -> str:
    return "failed" if "error" in record else WORDS[record["passed"]]


def _is_done(record: Record | None) -> bool:
    return record is not None and record["is_complete"] and "error" not in record


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    head, *body = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _filled(table: Callable[[Records], Rows]) -> Callable[[Records], Rows]:
    """Return no rows where a table has its head alone."""
    return lambda records: rows if len(rows := table(records)) > 1 else []


SECTIONS: list[tuple[str, str, Callable[[Records], Rows], tuple[str, ...]]] = [
    (
        "The same particles on both devices",
        "Every random number has an address, so one seed gives the same numbers on a CPU and on a GPU, and particles "
        "can be compared one by one.  Differences after two rounds, in units of rounding (2^-52 of the larger of the "
        "particle and 1).  A reverse diffusion amplifies rounding where particles stand between modes; two programs on "
        "one CPU show how much.",
        _filled(_particles),
        (),
    ),
    (
        "Theory and simulation",
        "Every Hermite mode of every round against its predicted value, in predicted standard errors; the difference of "
        "all tested coefficients and its predicted error are root mean squares.  The controls "
        "hold the same simulation against a fresh fraction and a truncation time half a per cent too large: they have to "
        "be rejected, and are undetermined where theory says that so many particles cannot tell.",
        _filled(_presets),
        ("z_scores",),
    ),
    ("Speed", "Measured beside the limits of the card in the same run.", _filled(_verdicts("speed/")), ()),
    (
        "Samplers of K steps",
        "One round of each sampler with the exact denoiser, against its round map.",
        _filled(_verdicts("k_steps/")),
        (),
    ),
    (
        "The experiment in ten dimensions",
        "Five modes, a kernel density estimate as the model, 500 Euler steps, 20 rounds, as printed in "
        "arXiv:2602.16601.",
        _filled(_verdicts("ten_dimensions/")),
        ("ten_dimensions",),
    ),
    (
        "Learned scores",
        "Networks trained anew in every round.",
        _filled(_verdicts("learned/")),
        ("fashion_factors", "fashion_samples"),
    ),
]
