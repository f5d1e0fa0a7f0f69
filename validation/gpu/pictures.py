"""Pictures of the records of a GPU, each drawn from the numbers of records alone and written as SVG beside them.

z_scores.svg          all tested modes and rounds by degree, one panel a generator
ten_dimensions.svg    within-mode variance by generation: closed form with the defect of Euler's rule, and measured
fashion_factors.svg   factors of each Hermite degree of learned rounds, beside ideal ones
fashion_samples.svg   a few images of every round
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hermite_collapse import figures
from hermite_collapse.figures import images, style

from ..pictures import write_both
from .records import Record, read_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Records = Mapping[str, Record]


def write_pictures(folder: Path) -> list[Path]:
    """Draw every picture whose records are there; returns where they lie."""
    records, written = read_folder(folder), []
    for name, draw in PICTURES.items():
        figure = draw(records, folder)
        if figure is not None:
            path = folder / f"{name}.svg"
            write_both(figure, path)
            written.append(path)
    return written


def arrays_of(folder: Path, piece: str) -> dict[str, np.ndarray]:
    """Return the arrays beside a record."""
    path = folder / f"{piece.replace('/', '.')}.npz"
    if not path.exists():
        return {}
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


@style.style()
def draw_z(records: Records, folder: Path) -> Figure | None:
    """Draw z-scores against the degree, one panel a generator."""
    groups: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name in records:
        parts = name.split("/")
        arrays = arrays_of(folder, name) if parts[0] == "presets" else {}
        if "z" in arrays:
            degree = np.broadcast_to(arrays["indices"].sum(axis=1), arrays["z"].shape)
            shown = np.isfinite(arrays["z"])
            groups.setdefault(parts[1], []).append((degree[shown], arrays["z"][shown]))
    if not groups:
        return None
    figure, axes = style.panels(1, len(groups), width=3.2 * len(groups), height=2.6)
    for panel, (generator, found) in zip(axes[0], groups.items(), strict=True):
        degree, z = (np.concatenate(part) for part in zip(*found, strict=True))
        jitter = np.linspace(-0.3, 0.3, degree.size)
        figures.draw_z_scores(panel, degree=degree + jitter, z=z, tested=np.ones(degree.size, dtype=bool))
        panel.set_title(f"{generator}: {z.size:,} tests", loc="left")
    return figure


@style.style()
def draw_ten_dimensions(records: Records, folder: Path) -> Figure | None:
    """Draw the within-mode variance of the literal chains."""
    chains = {name: record for name, record in records.items() if _is_chain(name) and "predicted" in record}
    if not chains:
        return None
    labels = {name: rf"$\alpha = {name.rsplit('_', 1)[1]}$" for name in chains}

    def curves(key: str, first: float) -> dict[str, Any]:
        return {labels[name]: [first, *record[key]] for name, record in chains.items()}

    axes = figures.draw_moment_drift(
        predicted=curves("predicted", 0.36),
        measured=curves("measured", 0.36),
        standard_error=curves("standard_error", 0.0),
        ylabel="within-mode variance",
    )
    return style.figure_of(axes)


def _is_chain(name: str) -> bool:
    return name.startswith("ten_dimensions/alpha")


@style.style()
def draw_fashion_factors(records: Records, folder: Path) -> Figure | None:
    """Draw the factors of learned rounds, one panel a fresh fraction."""
    record = records.get("learned/fashion_mnist", {})
    rows = record.get("fractions")
    if not rows:
        return None
    figure, axes = style.panels(1, len(rows), width=3.2 * len(rows), height=2.8)
    for panel, (name, row) in zip(axes[0], rows.items(), strict=True):
        images.draw_degree_factors(
            panel,
            degrees=row["degree"],
            predicted=np.array(row["predicted"]),
            measured=np.array(row["measured"]),
            standard_error=np.array(row["standard_error"]),
            label="U-Net",
        )
        legend = panel.get_legend()
        legend.remove()  # one for all panels, below
        panel.set_title(f"fresh fraction {name}", loc="left")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def draw_fashion_samples(records: Records, folder: Path) -> Figure | None:
    """Draw a few images of every round."""
    arrays = arrays_of(folder, "learned/fashion_mnist")
    shown = {
        f"fresh fraction {name.split('.', 1)[1]}": values.reshape(*values.shape[:2], 28, 28) / 255.0
        for name, values in arrays.items()
        if name.startswith("samples.")
    }
    if not shown:
        return None
    rounds = range(len(next(iter(shown.values()))))
    return images.sample_figure(shown, rounds=list(rounds), columns=len(shown))


PICTURES: dict[str, Callable[[Records, Path], Figure | None]] = {
    "z_scores": draw_z,
    "ten_dimensions": draw_ten_dimensions,
    "fashion_factors": draw_fashion_factors,
    "fashion_samples": draw_fashion_samples,
}
