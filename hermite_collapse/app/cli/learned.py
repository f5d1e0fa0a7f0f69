"""What compare and report say of a run with learned scores, for which no error bars are predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import Output
from .predict import title

if TYPE_CHECKING:
    from ..run import Results


def outcome(results: Results, output: Output) -> int:
    """Write and print curves, measured defects, contraction and bound; the theory is not tested: status 0."""
    from ...comparison.learned import compare_learned
    from ...reporting import words
    from ...reporting.learned import learned_page
    from ...reporting.result_page import write_result_page
    from ..run import DATASET, FIGURES, write_dataset

    config, recursion = results.config, results.recursion
    comparison = compare_learned(recursion, results.simulated, level=config.analysis.significance)
    output.note("drawing the figure and writing the page")
    sentences = words.prediction(recursion)
    write_dataset(comparison.dataset, results.folder / DATASET)
    page = learned_page(comparison, title=" ".join(sentences))
    written = {
        "dataset": results.folder / DATASET,
        **output.save_figures(page.drawings, results.folder / FIGURES),
        "report": write_result_page(
            results.folder, page, command=f"hermite-collapse compare {results.folder / 'config.toml'}"
        ),
    }
    title(config, output)
    output.text(" ".join(sentences))
    output.heading("Factors of Hermite degrees, round by round")
    output.lines(comparison.table().splitlines())
    output.heading("What is and what is not tested")
    output.text(comparison.text)
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
            "prediction": sentences,
            "degrees": comparison.degrees,
            "ideal": comparison.ideal,
            "measured": comparison.measured,
            "standard_error": comparison.standard_error,
            "defects": comparison.defects,
            "contraction": comparison.contraction,
            "accumulated": comparison.accumulated,
            "bound": comparison.bound,
            "theory_is_tested": False,
            "constant_defects": None
            if comparison.constant_defects is None
            else comparison.constant_defects.passed,
            "text": comparison.text,
        }
    )
    return 0


def is_learned(results: Results) -> bool:
    """Return whether the run has learned scores."""
    return results.config.simulation.generator == "neural"
