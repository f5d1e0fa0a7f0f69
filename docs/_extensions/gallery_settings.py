"""Settings of sphinx-gallery: scripts of docs/gallery, run when the documentation is built, in order of what they teach."""

from __future__ import annotations

from pathlib import Path

import matplotlib

HERE = Path(__file__).parent.parent
ORDER = (
    "limit_line", "limit_plane", "attenuation", "factors", "regimes", "schedules", "annealing_law", "parameter_map",
    "rates", "robustness", "divergences", "kernel_recursion", "comparison", "half_step", "sampler_audit", "steps",
    "guidance", "autoencoder", "scheduler", "real_curves", "power", "degree_spectrum", "image_spectrum", "repair",
    "planning",
)


class InOrder:
    """Sort key of scripts: their place in ORDER, unknown ones last."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        key = name.removeprefix("plot_").removesuffix(".py")
        return ORDER.index(key) if key in ORDER else len(ORDER)


def reset(settings: dict[str, object], name: str) -> None:
    """Give every script the same style and the same random numbers."""
    import numpy as np

    matplotlib.rcParams.update(
        {"figure.dpi": 100, "savefig.dpi": 100, "svg.hashsalt": "gallery", "figure.figsize": (6.4, 4.0)}
    )
    np.random.seed(0)  # noqa: NPY002 -- for whatever a library draws from the global generator


SETTINGS = {
    "examples_dirs": [str(HERE / "gallery")],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"plot_\w+\.py",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": InOrder,
    "reset_modules": (reset, "matplotlib"),
    "image_scrapers": ("matplotlib",),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": True,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "plot_gallery": "True",
    "min_reported_time": 15,
    "capture_repr": (),
    "backreferences_dir": None,
    "copyfile_regex": r".*\.(svg|npz|csv)",
    "first_notebook_cell": "%matplotlib inline",
}
