"""What compare and report say of a run by a sampler of K steps, whose exact laws are known round by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.numbers import spread_rounds
from ...simulation.words import STEPS
from .output import Output, status_of, verdict_document
from .predict import title

if TYPE_CHECKING:
    from ..run import Results


def outcome(results: Results, output: Output, *, all_rows: bool = False) -> int:
    """Write and print the exact laws beside the simulation; return 0 if they agree, 1 if not, 4 if untested."""
    from ...reporting.result_page import write_result_page
    from ...reporting.steps import WORDS, recursion_in_words, steps_page
    from ..run import DATASET, FIGURES, write_dataset

    config, comparison = results.config, results.steps_comparison
    output.note("drawing the figure and writing the page")
    write_dataset(comparison.dataset, results.folder / DATASET)
    page = steps_page(comparison, title=recursion_in_words(results.recursion))
    written = {
        "dataset": results.folder / DATASET,
        **output.save_figures(page.drawings, results.folder / FIGURES),
        "report": write_result_page(
            results.folder,
            page,
            command=f"hermite-collapse compare {results.folder / 'config.toml'}",
            config_text=config.to_toml(results.folder),
        ),
    }
    title(config, output)
    output.sentence(comparison.verdict.head, comparison.text)
    guided = "" if comparison.guidance_scale == 1.0 else f", guidance scale {comparison.guidance_scale:g}"
    output.text(f"Sampler: {comparison.sampler}{guided}.")
    output.heading("Exact laws of the steps beside the simulation")
    rounds = None if all_rows else spread_rounds(comparison.rounds)
    output.lines(comparison.table(rounds).splitlines())
    left = len(comparison.rows(range(comparison.rounds + 1))) - len(
        comparison.rows(range(comparison.rounds + 1) if rounds is None else rounds)
    )
    output.text(WORDS)
    if left:
        output.text(f"{left} rows of other rounds are left out; --all-rows prints every one.")
    for note in results.simulated.notes:
        output.text(note)
    output.sentence(comparison.verdict.head, comparison.text)
    output.heading(f"Written to {results.folder}")
    output.text(
        ", ".join(["config.toml", *(str(path.relative_to(results.folder)) for path in written.values())])
    )
    output.document(
        {
            "command": "compare",
            "config": config.as_document(),
            "folder": results.folder,
            "files": written,
            "sampler": comparison.sampler,
            "guidance_scale": comparison.guidance_scale,
            "statistics": comparison.labels,
            "data": comparison.data,
            "predicted": comparison.expected,
            "measured": comparison.measured,
            "standard_error": comparison.standard_error,
            "z": comparison.z,
            "tested": comparison.tested,
            "closure": comparison.closure,
            "grid_error": comparison.grid_error,
            "implied_fresh_fraction": comparison.implied_fresh_fraction,
            "reason": comparison.reason,
            "verdict": verdict_document(comparison.verdict, comparison.text),
        }
    )
    return status_of(comparison.verdict)


def has_steps(results: Results) -> bool:
    """Return whether the run is by a sampler of K steps."""
    return results.config.simulation.generator == STEPS
