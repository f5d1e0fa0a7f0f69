"""One look for every figure: ink, colours, sizes, and settings that are not those of the user.

Colours carry roles, not names: the data are slate, the limit law vermillion, the rounds between them a ramp
of blues, light for early and dark for late. Vermillion against blue stays apart under every common form of
colour blindness, and roles also differ in line width, dash or marker, so that a print in grey can be read.

`CATEGORIES` is the palette of Okabe and Ito without black and yellow, darkened until letters on white have a contrast
of 4.5 to 1, and with violet for the sky blue that would then be a second blue.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.rcsetup import cycler
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError

INK = "#1b1e23"
MUTED = "#646b76"
RULE = "#d5d9e0"
DATA = "#5f6f86"
DATA_FILLS = ("#e9edf3", "#d5dce7", "#bcc7d6", "#a0afc4")
LIMIT = "#c6480b"
ROUNDS = ("#3178b6", "#2a6aa6", "#235c95", "#1b4d82", "#133d6c", "#0b2a50")
CATEGORIES = ("#0072b2", "#c24e00", "#00795a", "#a84c8f", "#8d6400", "#6b63b5")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.0, ()),
    (0.0, (5.0, 1.6)),
    (0.0, (1.4, 1.4)),
    (0.0, (5.0, 1.5, 1.3, 1.5)),
    (0.0, (8.0, 2.0)),
    (0.0, (3.0, 1.2, 1.0, 1.2, 1.0, 1.2)),
)

SEQUENTIAL = LinearSegmentedColormap.from_list(
    "hermite_collapse.sequential", ["#f4f7fb", "#bcd7ee", "#6aa7d8", "#2a6fb0", "#123f73"]
)
DIVERGING = LinearSegmentedColormap.from_list(
    "hermite_collapse.diverging",
    ["#164f8a", "#5b9fd6", "#cfe1f1", "#fbfaf8", "#f6d3bd", "#e2854f", "#a93a05"],
)

COLUMN = 3.4
"""Width in inches of a figure for one column of a two-column paper."""
TEXT = 5.6
"""Width in inches of a figure across the text of a one-column paper."""
WIDE = 7.2
"""Width in inches of a figure of several panels."""

_RC: dict[str, object] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "mathtext.fontset": "stix",
    "font.size": 10.0,
    "text.usetex": False,  # a LaTeX that the user's settings ask for may not be there
    "axes.formatter.use_locale": False,
    "path.sketch": None,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 1.9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=CATEGORIES),
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "xtick.major.size": 3.2,
    "ytick.major.size": 3.2,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.2,
    "lines.solid_capstyle": "round",
    "errorbar.capsize": 0.0,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "none",
    "figure.dpi": 100.0,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "hermite_collapse",
    "svg.image_inline": True,
    "path.simplify": True,
}

_one_thread = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Context, or decorator, within which artists take the package's look.

    The caller's own settings are back afterwards; nothing global is changed for good.  One thread at a time: the
    settings belong to the process.
    """
    with _one_thread, mpl.rc_context(_RC):
        yield


class StyledFigure(Figure):
    """A figure that keeps this look wherever it is drawn, and that a notebook shows without any magic line."""

    def add_subplot(self, *args: Any, **options: Any) -> Any:
        """Add axes of which a notebook shows the figure; arguments as in matplotlib."""
        if not args or not isinstance(args[0], Axes):
            options.setdefault("axes_class", StyledAxes)
        return super().add_subplot(*args, **options)

    _only_layout_before_saving = False

    def draw(self, renderer: Any) -> None:
        """Draw with these settings, not with those of whoever draws."""
        layout = self.get_layout_engine()
        with style():
            if self._only_layout_before_saving and self.axes and isinstance(layout, ConstrainedLayoutEngine):
                layout.execute(self)
            else:
                super().draw(renderer)

    def savefig(self, *args: Any, **options: Any) -> None:
        """Save as matplotlib does, with these settings.

        Matplotlib draws twice: the first time, whose picture it throws away, for the layout.  The layout alone is
        three times faster; only a tight bounding box needs that picture.
        """
        with style():
            self._only_layout_before_saving = (
                options.get("bbox_inches") is None and mpl.rcParams["savefig.bbox"] is None
            )
            try:
                super().savefig(*args, **options)
            finally:
                self._only_layout_before_saving = False

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the picture that notebooks show, at twice the resolution of the page."""
        stream = BytesIO()
        self.savefig(stream, format="png", dpi=2.0 * SCREEN, facecolor="white")
        width, height = (round(SCREEN * float(side)) for side in self.get_size_inches())
        return stream.getvalue(), {"width": width, "height": height}


class StyledAxes(Axes):
    """Axes of a `StyledFigure`: a notebook shows the figure that they are in, and what is added later has its look."""

    legend = style()(Axes.legend)
    text = style()(Axes.text)
    annotate = style()(Axes.annotate)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]] | None:
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, StyledFigure) else None


SCREEN = 96.0
"""Pixels of a page in an inch."""


def new_figure(width: float = TEXT, height: float = 3.5) -> Figure:
    """Return an empty figure, free of pyplot, with a layout that keeps labels apart.

    Parameters
    ----------
    width, height : float
        In inches.

    Returns
    -------
    Figure

    Examples
    --------
    >>> [float(side) for side in new_figure(4.0, 3.0).get_size_inches()]
    [4.0, 3.0]
    """
    size = (checks.positive(width, "width"), checks.positive(height, "height"))
    with style():
        return StyledFigure(figsize=size, layout="constrained")


def own_axes(axes: Axes | None, *, width: float = TEXT, height: float = 3.5) -> Axes:
    """Return the axes given, or the only axes of a new figure."""
    if axes is not None:
        return checks.instance(axes, Axes, "axes")
    with style():
        return new_figure(width, height).add_subplot()


def figure_of(axes: Axes) -> Figure:
    """Return the figure that an axes belongs to, whatever subfigures are in between."""
    figure = axes.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise InputError("axes must belong to a figure, got one that was removed from its own.")
    return figure


@style()
def panels(
    rows: int, columns: int, *, width: float = WIDE, height: float = 3.0, **options: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a new figure of rows x columns axes.

    Parameters
    ----------
    rows, columns : int
    width, height : float
        In inches.
    **options
        As for `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    tuple of Figure and array of Axes, shape (rows, columns)

    Examples
    --------
    >>> panels(1, 2)[1].shape
    (1, 2)
    """
    shape = (checks.integer(rows, "rows", minimum=1), checks.integer(columns, "columns", minimum=1))
    figure = new_figure(width, height)
    return figure, figure.subplots(*shape, squeeze=False, **options)


def describe(figure: Figure, name: str, caption: str) -> Figure:
    """Attach a short name and one caption in words, which pages and alternative texts use.

    Parameters
    ----------
    figure : Figure
    name : str
    caption : str

    Returns
    -------
    Figure
        The same.

    Examples
    --------
    >>> describe(new_figure(), "empty", "Nothing.").get_label()
    'Nothing.'
    """
    figure.set_gid(name)
    figure.set_label(caption)
    return figure


def described(axes: Axes, name: str, caption: str) -> Axes:
    """Attach a name and a caption to the figure of an axes, and return the axes."""
    describe(figure_of(axes), name, caption)
    return axes


def round_colour(position: int, count: int) -> str:
    """Return the colour of the `position`-th of `count` rounds shown: a light blue first, a dark one last."""
    if count <= 1:
        return ROUNDS[3]
    share = position / (count - 1)
    return ROUNDS[round(share * (len(ROUNDS) - 1))]
