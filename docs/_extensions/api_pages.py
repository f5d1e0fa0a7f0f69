"""The reference: every public name once, by topic, with its first sentence; one page for each name.

`TOPICS` arranges the names at the root of the package; the names of its modules (bounds, distances, ...) are read from
the modules themselves.  A public name that stands in no topic is an error, so that a new one finds its place.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

import hermite_collapse as hc

PLOTS = "plot_"

TOPICS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "laws": (
        "Laws and channels",
        "The distributions the recursion starts from, ends at and passes through, and the noise that acts on them. "
        "Times, noise levels and signal levels are converted into each other here.",
        (
            "GaussianMixture",
            "EmpiricalLaw",
            "AgedLaw",
            "GaussianChannel",
            "OrnsteinUhlenbeck",
            "VarianceExploding",
            "time_from_alpha_bar",
            "alpha_bar_from_time",
            "time_from_sigma",
            "sigma_from_time",
        ),
    ),
    "recursion": (
        "The recursion",
        "The exact theory: what is left of every Hermite mode after any number of rounds, and the limit law.",
        (
            "Recursion",
            "predict",
            "attenuation",
            "mode_contraction",
            "mode_factors",
            "contraction_rate",
            "half_degree",
            "largest_truncation",
            "AttenuationOperator",
            "annealing_law",
        ),
    ),
    "pipelines": (
        "Pipelines and audits",
        "What a real pipeline does to a direction of the data: sampler steps, last step, guidance, autoencoder, finite "
        "images; which of them matters, and what to change first. The parts are in {doc}`mechanisms`.",
        ("Pipeline", "audit", "advise_sampler", "read_scheduler"),
    ),
    "measurements": (
        "Measurements and diagnoses",
        "From samples of every generation to curves with their errors, and from curves to the mechanisms that they do "
        "not contradict.",
        (
            "measure",
            "Measured",
            "read_curve",
            "diagnose",
            "detection_power",
            "degree_spectrum",
            "degree_kernel",
        ),
    ),
    "comparisons": (
        "Comparisons",
        "Theory against a simulation, with predicted error bars and one verdict.",
        (
            "compare",
            "Comparison",
            "compare_learned",
            "compare_steps",
            "load",
            "required_particles",
            "Estimate",
        ),
    ),
    "planning": (
        "Planning",
        "Which truncation times to use when every round also makes an estimation error.",
        ("plan_schedule", "PowerLaw", "FinitePool", "fit_error_model", "measured_deviations"),
    ),
    "results": (
        "Showing results",
        "A first look, views in notebooks, plots, and the errors that the package raises. Results have `.plot()` "
        "of their own where one figure says it.",
        ("demo", "notebook_view", "InputError", "ConvergenceError"),
    ),
}
"""Page -> title, introduction and names of `hermite_collapse`; names that begin with plot_ join "results"."""

MODULES: Mapping[str, str] = {
    "schedules": "Schedules",
    "mechanisms": "Mechanisms",
    "presets": "Presets",
    "distances": "Distances",
    "bounds": "Bounds",
    "repair": "Repair",
    "simulation": "Simulation",
    "figures": "Figures",
    "reporting": "Pages and tables",
    "distributed": "Samples larger than one machine",
}


def pages() -> dict[str, str]:
    """Return the text of every page of the reference by its path."""
    plots = tuple(name for name in hc.__all__ if name.startswith(PLOTS))
    arranged = {name for _, _, names in TOPICS.values() for name in names} | set(plots) | set(MODULES)
    lost = sorted(set(hc.__all__) - arranged - {"__version__"})
    if lost:
        raise ValueError(
            f"TOPICS of docs/_extensions/api_pages.py must arrange every public name; missing: {', '.join(lost)}."
        )
    made = {}
    for page, (title, introduction, names) in TOPICS.items():
        listed = names + plots if page == "results" else names
        made[f"api/{page}.md"] = _page(title, introduction, "hermite_collapse", listed)
    for name, title in MODULES.items():
        made[f"api/{name}.md"] = module_page(name, title)
    made["api/index.md"] = _index()
    return made


def module_page(name: str, title: str) -> str:
    """Return the page of a public module: its own words, then its names."""
    module: ModuleType = getattr(hc, name)
    path = module.__name__
    head = f"{title}: `hc.{name}`"
    words = f"```{{eval-rst}}\n.. automodule:: {path}\n   :no-members:\n```"
    return _page(head, words, path, public_names(module))


def public_names(module: ModuleType) -> tuple[str, ...]:
    """Return the functions and classes that a module offers, its own or those of its list of lazy names."""
    if "__all__" in vars(module):
        names = [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
        return tuple(name for name in names if callable(getattr(module, name)))
    own = {"mechanisms": "hermite_collapse.pipeline."}.get(
        module.__name__.rpartition(".")[2], module.__name__
    )
    return tuple(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith(own)
        and inspect.getdoc(value)
    )


def _page(title: str, introduction: str, module: str, names: Sequence[str]) -> str:
    return "\n".join([f"# {title}", "", introduction, "", *_table(module, names), ""])


def _table(module: str, names: Sequence[str]) -> Iterator[str]:
    yield from ("```{eval-rst}", f".. currentmodule:: {module}", "", ".. autosummary::")
    yield from ("   :toctree: names", "   :nosignatures:", "")
    yield from (f"   {name}" for name in names)
    yield "```"


def _index() -> str:
    lines = [
        "# Reference",
        "",
        "Every public name, by topic. `import hermite_collapse as hc` reaches all of them; they load on first use.",
        "`hc.mechanisms`, `hc.schedules`, `hc.presets`, `hc.repair` and `hc.distributed` are names as well, not files:",
        "`from hermite_collapse import mechanisms` is the way to import them, `import hermite_collapse.mechanisms` is not.",
        "",
        "| page | what is there |",
        "|---|---|",
    ]
    for page, (_, introduction, _) in TOPICS.items():
        lines.append(f"| {{doc}}`{page}` | {introduction.partition('. ')[0].rstrip('.')}. |")
    for page in MODULES:
        module = importlib.import_module(getattr(hc, page).__name__)
        first = (inspect.getdoc(module) or "").partition("\n")[0].rstrip(".")
        lines.append(f"| {{doc}}`{page}` | {first.partition(', each')[0]}. |")
    lines += ["", "```{toctree}", ":hidden:", "", *TOPICS, *MODULES, "```", ""]
    return "\n".join(lines)
