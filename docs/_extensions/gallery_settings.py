"""Settings of sphinx-gallery: scripts of docs/gallery, run when the documentation is built, in order of what they teach."""

from __future__ import annotations

from pathlib import Path

import figure_scraper
import matplotlib as mpl

HERE = Path(__file__).parent.parent
ORDER = (
    "limit_line",
    "attenuation",
    "limit_plane",
    "parameter_map",
    "regimes",
    "schedules",
    "rates",
    "repair",
    "steps",
    "sampler_audit",
    "half_step",
    "guidance",
    "autoencoder",
    "image_spectrum",
    "measure",
    "real_curves",
    "power",
    "degree_spectrum",
    "comparison",
    "kernel_recursion",
    "robustness",
    "divergences",
    "planning",
    "ten_dimensions",
)


class InOrder:
    """Sort key of scripts: their place in ORDER, unknown ones last."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        key = name.removeprefix("plot_").removesuffix(".py")
        return ORDER.index(key) if key in ORDER else len(ORDER)


def reset(settings: dict[str, object], name: str) -> None:
    """Give every script the settings of a fresh process and the same random numbers."""
    import numpy as np

    mpl.rcdefaults()
    np.random.seed(0)  # noqa: NPY002 -- for whatever a library draws from the global generator


SETTINGS = {
    "examples_dirs": [str(HERE / "gallery")],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"plot_\w+\.py",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": InOrder,
    "reset_modules": (reset, "matplotlib"),
    "image_scrapers": (figure_scraper.scrape,),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": True,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "plot_gallery": "True",
    "min_reported_time": 3600,  # of a loaded machine it says nothing
    "write_computation_times": False,  # its page loads scripts from other hosts
    "capture_repr": (),
    "backreferences_dir": None,
    "copyfile_regex": r".*\.(svg|npz|csv)",
    "first_notebook_cell": "%matplotlib inline",
}
