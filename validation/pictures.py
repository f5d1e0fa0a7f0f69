"""Pictures of records: each is drawn from a record's numbers alone, and lies beside it as SVG.

write(folder / "figures.kl_against_rounds.json")        the picture of a record just written, or of an old one
python -m validation.pictures                           all of them, and docs/demo.png, without running any experiment
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse import figures
from hermite_collapse.figures import style
from hermite_collapse.figures.labels import legend_above
from hermite_collapse.figures.narrow import WIDTH, narrowed
from hermite_collapse.figures.saving import Drawing, svg_text
from hermite_collapse.storage.folder import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]
MEDIAN = 2  # among the widths of directions of the record of samplers


RECORDS = Path(__file__).parent / "records"
DEMO = Path(__file__).parents[1] / "docs" / "demo.png"


def write_all() -> list[Path]:
    """Draw the picture of every record again, and the one of the first page; returns where they lie."""
    from .experiments import five_modes_10d
    from .gpu.pictures import write_pictures

    paths = [
        path for record in sorted((RECORDS / "cpu").glob("*.json")) if (path := write(record)) is not None
    ]
    five_modes = five_modes_10d.RECORD.with_suffix(".svg")
    five_modes_10d.draw(json.loads(five_modes_10d.RECORD.read_text()), five_modes)
    return [*paths, five_modes, *write_pictures(RECORDS / "gpu"), *write_demo(DEMO)]


def write_demo(path: Path) -> list[Path]:
    """Draw the picture of the first page, and beside it the one for telephones, whose panels are stacked."""
    figure = hc.demo()
    narrow = _narrow(path)
    for place in (path, narrow):
        if place == narrow:
            narrowed(figure)
        stream = BytesIO()
        figure.savefig(stream, format="png", dpi=200, facecolor="white", bbox_inches="tight")
        write_atomically(place, stream.getvalue())
    return [path, narrow]


def write(path: Path) -> Path | None:
    """The picture of the record at `path`, if it has one; returns where it lies."""
    draw = _PICTURES.get(path.stem)
    if draw is None:
        return None
    stored = path.with_suffix(".npz")
    arrays = {}
    if stored.exists():
        with np.load(stored) as opened:
            arrays = {name: opened[name] for name in opened.files}
    picture = path.with_suffix(".svg")
    record = {**json.loads(path.read_text()), **arrays}
    write_atomically(picture, svg_text(draw(record)).encode())
    if path.stem in _NARROW:
        write_atomically(_narrow(picture), svg_text(_NARROW[path.stem](record)).encode())
    return picture


def write_both(figure: Figure, path: Path) -> None:
    """Write a picture, and the same made narrow for telephones as `name_narrow.svg` beside it."""
    drawn = Drawing(figure)
    write_atomically(path, drawn.svg.encode())
    if drawn.narrow_svg is not None:
        write_atomically(_narrow(path), drawn.narrow_svg.encode())


def _narrow(path: Path) -> Path:
    return path.with_stem(f"{path.stem}_narrow")


@style.style()
def _heat_map(record: Record) -> Figure:
    """Coefficients of the data, of the limit, and as measured, on one scale of colours."""
    parts = {"data": "data", "limit": "limit, predicted", "measured": f"round {record['rounds']}, measured"}
    largest = float(np.abs(record["data"][1:]).max())
    figure, axes = style.panels(1, 3, width=9.6, height=3.1)
    for place, (key, title) in zip(axes[0], parts.items(), strict=True):
        figures.draw_coefficients(
            place,
            indices=record["indices"],
            values=record[key],
            largest=largest,
            title=title,
            bar=key == "measured",
        )
    return figure


def _kl_against_rounds(record: Record) -> Figure:
    axes = figures.draw_schedule_curves(
        curves={name: values[1:] for name, values in record["kl"].items()},
        ylabel=r"KL$(p_*\,\|\,p_i)$",
    )
    return style.figure_of(axes)


def _moment_drift(record: Record) -> Figure:
    def named(key: str) -> dict[str, Any]:
        return {rf"$\alpha = {alpha}$": values for alpha, values in record[key].items()}

    axes = figures.draw_moment_drift(
        predicted=named("predicted"),
        measured=named("measured"),
        standard_error=named("errors"),
        ylabel=r"$E\,x_1^2$",
    )
    return style.figure_of(axes)


@style.style()
def _annealing(record: Record) -> Figure:
    """Residuals of the second and third degree: exact as lines, their laws dotted, measured as points with bars."""
    names = record["schedules"]
    figure, axes = style.panels(1, 2, width=9.6, height=3.4)
    for place, degree in zip(axes[0], (2, 3), strict=True):
        figures.draw_schedule_curves(
            place,
            curves={name.replace("_", " "): record[f"exact_{name}"][1:, degree] for name in names},
            asymptotes={name.replace("_", " "): record[f"law_{name}"][1:, degree - 1] for name in names},
            ylabel=f"residual $1-f_{degree}(i)$",
        )
        for number, name in enumerate(names):
            seen = record[f"measured_{name}"][1:, degree]
            error = record[f"standard_error_{name}"][1:, degree]
            rounds = np.arange(1, len(seen) + 1)
            # What is lost in the noise has no place on a log axis; chosen by the exact value, not by luck.
            clear = record[f"exact_{name}"][1:, degree] > 2.0 * error
            place.errorbar(
                rounds[clear],
                seen[clear],
                error[clear],
                fmt=style.MARKERS[number % len(style.MARKERS)],
                color=style.CATEGORIES[number % len(style.CATEGORIES)],
                markerfacecolor="white",
                markersize=3.5,
                linewidth=0.8,
                zorder=3.0,
            )
    return figure


@style.style()
def _budget(record: Record) -> Figure:
    """The signed parts of the bias of each degree, round by round, under the whole as measured."""
    names = ("truncation", "blur", "discretisation", "finite horizon")
    bias, total = record["bias"][:, 1:], record["total_bias"][1:]
    figure, axes = style.panels(2, 2, width=9.6, height=6.0)
    for degree, place in enumerate(axes.flat, start=1):
        figures.draw_budget(
            place,
            parts=dict(zip(names, bias[:, :, degree], strict=True)),
            total=total[:, degree],
            ylabel=f"error of $c_{degree}$",
        )
        if degree != 2:
            place.get_legend().remove()
    return figure


@style.style()
def _identity(record: Record) -> Figure:
    """Truncation bias and discounted defects of one half of the runs, stacked, under what the other half measured."""
    figure, axes = style.panels(2, 2, width=9.6, height=6.0)
    for degree, place in enumerate(axes.flat, start=1):
        figures.draw_budget(
            place,
            parts={
                "truncation bias, predicted": record["bias"][1:, degree],
                "discounted defects, first half": record["accumulated"][1:, degree],
            },
            ylabel=f"error of $c_{degree}$",
        )
        rounds = np.arange(1, len(record["measured"]))
        place.errorbar(
            rounds,
            record["measured"][1:, degree],
            record["measured_error"][1:, degree],
            fmt="o",
            color=style.INK,
            markersize=3.0,
            label="measured, second half",
        )
        place.get_legend().remove()
        if degree == 2:
            place.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3)
    return figure


@style.style()
def _samplers(record: Record, *, is_narrow: bool = False) -> Figure:
    """What well-known samplers keep of a median direction: one round, and limits at three fresh shares.

    On a telephone names stand above their rows instead of beside them.
    """
    rows = sorted(record["samplers"], key=lambda row: float(row["limits"]["0.1"]["exact"][MEDIAN]))
    width, line = (WIDTH, 0.37) if is_narrow else (7.2, 0.24)
    axes = style.own_axes(None, width=width, height=line * len(rows) + 1.0)
    axes.axvline(1.0, color=style.RULE, linewidth=0.8)
    heights = np.arange(len(rows))
    series = {"one round": [row["one_round"]["exact"][MEDIAN] for row in rows]}
    for share in ("0.9", "0.5", "0.1"):
        series[f"limit, α = {share}"] = [row["limits"][share]["exact"][MEDIAN] for row in rows]
    for (label, values), colour, marker in zip(
        series.items(),
        (style.INK, *style.CATEGORIES[:1], style.CATEGORIES[2], style.LIMIT),
        "|oso",
        strict=True,
    ):
        # The stroke of one round is taller than the points and above them: it is seen where they coincide.
        size, front = (10.0, 3.0) if marker == "|" else (5.0, 2.0)
        axes.plot(
            values,
            heights,
            marker,
            color=colour,
            label=label,
            markersize=size,
            markeredgewidth=1.6 if marker == "|" else None,
            zorder=front,
        )
    names = [f"{row['name']}, {row['steps']}" for row in rows]
    axes.set_yticks(heights, [""] * len(names) if is_narrow else names)
    for height, name in zip(heights, names, strict=True):
        if is_narrow:
            axes.annotate(
                name,
                (0.0, height),
                xycoords=("axes fraction", "data"),
                xytext=(4, 6),
                textcoords="offset points",
                fontsize=8.0,
            )
    axes.set_xscale("log")
    direction = "" if is_narrow else f", direction of variance {record['widths'][MEDIAN]:g}"
    axes.set_xlabel(f"variance over that of the data{direction}")
    legend_above(axes, 2 if is_narrow else None)
    caption = (
        "What samplers at their usual steps keep of a median direction of Fashion-MNIST, with the exact denoiser: one "
        "round, and the limits of training loops with nine tenths, half and a tenth of fresh data. A Gaussian closure."
    )
    return style.describe(style.figure_of(axes), "samplers", caption)


_PICTURES: dict[str, Callable[[Record], Figure]] = {
    "figures.hermite_heat_map": _heat_map,
    "figures.kl_against_rounds": _kl_against_rounds,
    "figures.second_moment_drift": _moment_drift,
    "figures.annealing_2d": _annealing,
    "error_budget.euler_maruyama": _budget,
    "error_budget.exponential_multistep": _budget,
    "joint_identity": _identity,
    "schedulers": _samplers,
}
_NARROW = {"schedulers": partial(_samplers, is_narrow=True)}
"""Pictures on pages that are too dense to be made narrow by themselves."""


if __name__ == "__main__":
    for written in write_all():
        print(written)
