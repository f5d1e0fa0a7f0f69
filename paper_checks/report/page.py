"""The HTML page: statements, derivations, evidence, mutations, figures; self-contained."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from typing import Any

from ..registry import FOLDERS, PAPERS, Statement
from ..runner import Row
from ..verdicts import Finding
from .document import command
from .figures import inline
from .typeset import Typesetter

HEADINGS = {
    "limit": "The limit paper",
    "propagation": "The propagation paper",
    "additions": "Additions",
}


def _measured(text: str) -> str:
    """Evidence is computed text: escaped, with long digit strings kept from widening the page."""
    return html.escape(text)


def _finding(setter: Typesetter, item: Finding) -> dict[str, str]:
    return {
        "kind": item.kind.replace("_", " "),
        "status": item.outcome.status,
        "what": setter.text(item.what),
        "closeness": _measured(item.outcome.closeness),
        "covers": "all parameters" if item.covers == "all" else "instances",
        "role": "" if item.role == "truth" else item.role,
        "seconds": f"{item.seconds:.1f} s",
    }


def _section(
    setter: Typesetter, statement: Statement, result: Row, number: int, figures: bool
) -> dict[str, Any]:
    section: dict[str, Any] = {
        "id": statement.id,
        "number": number,
        "title": statement.title,
        "source": statement.source,
        "text": setter.text(statement.text),
        "formula": setter.formula(statement.formula, display=True),
        "conditions": setter.text(statement.conditions),
        "verdict": result.verdict.word,
        "slug": result.verdict.word.replace(" ", "-"),
        "because": _measured(result.verdict.because),
        "steps": [
            {
                "text": setter.text(step.text),
                "formula": setter.formula(step.formula, display=True) if step.formula else "",
                "checked": step.check is not None,
            }
            for step in statement.derivation
        ],
        "findings": [_finding(setter, item) for item in result.findings],
        "displayed": None,
        "mutations": [
            {
                "kind": item.kind,
                "text": setter.text(item.text),
                "rejected": item.rejected,
                "by": _measured(item.by),
            }
            for item in result.rejections
        ],
        "rejected": sum(item.rejected for item in result.rejections),
        "multiples": [
            {
                "formula": item.formula,
                "factor": f"{item.factor:g}",
                "outcome": item.outcome,
                "by": _measured(item.by),
            }
            for item in result.scalings
        ],
        "package": result.package,
        "command": command(statement),
        "remark": setter.text(statement.remark),
        "seconds": f"{result.seconds:.1f}",
        "complaints": result.complaints,
        "figure": inline(statement.figure(), statement.id) if statement.figure and figures else "",
    }
    if statement.displayed is not None:
        section["displayed"] = {
            "whose": statement.displayed.whose,
            "text": setter.text(statement.displayed.text),
            "formula": setter.formula(statement.displayed.formula, display=True),
            "correction": setter.text(statement.displayed.correction),
            "findings": [
                _finding(setter, item) for item in result.displayed if item.outcome.status == "refutes"
            ],
        }
    return section


def page(
    chosen: Sequence[Statement], results: Sequence[Row], *, quick: bool, seconds: float, figures: bool = True
) -> str:
    """The page of a run, as one string without external references."""
    import jinja2

    setter = Typesetter()
    folders = []
    number = 0
    for folder in FOLDERS:
        sections = []
        for statement, result in zip(chosen, results, strict=True):
            if statement.folder == folder:
                number += 1
                sections.append(_section(setter, statement, result, number, figures))
        if sections:
            paper = PAPERS.get(folder)
            folders.append({"key": folder, "heading": HEADINGS[folder], "paper": paper, "sections": sections})
    template = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    notation = [(setter.formula(symbol), setter.text(meaning)) for symbol, meaning in NOTATION]
    counts = Counter(result.verdict.word for result in results)
    tried = sum(len(result.rejections) for result in results)
    rejected = sum(item.rejected for result in results for item in result.rejections)
    body = environment.from_string(template).render(
        folders=folders,
        notation=notation,
        counts=counts.most_common(),
        total=len(results),
        tried=tried,
        rejected=rejected,
        quick=quick,
        seconds=f"{seconds:.0f}",
        complaints=sum(len(result.complaints) for result in results),
        glyphs="@@GLYPHS@@",
    )
    return re.sub(r"@@GLYPHS@@", lambda _: setter.definitions(), body)


NOTATION = (
    (
        r"p_\ast,\;p_i,\;p_\infty",
        r"law of the data; of the model after $i$ rounds ($p_0=p_\ast$ unless said otherwise); of the limit",
    ),
    (r"\alpha", r"share of fresh real data in the training set of every round"),
    (r"q_i=\alpha p_\ast+(1-\alpha)p_i", "training law of round $i$"),
    (
        r"\theta,\;t_0",
        r"rate of the diffusion $dX=-\theta X\,dt+\sqrt{2\theta}\,dW$; the time at which its reversal is cut off",
    ),
    (
        r"a=e^{-\theta t_0}",
        r"signal scale; the channel of a round is $C:\,X\mapsto aX+\sqrt{1-a^2}\,Z$ with $Z$ standard normal, and $p_{i+1}=Cq_i$",
    ),
    (r"\gamma=N(0,I)", "the standard normal law"),
    (
        r"h_k,\;c_k(p)=E_ph_k(X)",
        r"orthonormal Hermite functions $He_k/\sqrt{k!}$ (products for multi-indices, $|k|$ the degree); Hermite coefficients",
    ),
    (
        r"g_n,\;\kappa_n,\;f_n(i)",
        r"share of degree $n$ kept in the limit; factor of a round on what is not yet at rest; share kept after $i$ rounds",
    ),
    (r"\hat p_i,\;C\hat q_i", "learned laws; what an ideal round would have made of them"),
    (
        r"\varepsilon^2,\;\eta",
        r"energy of the drift error along the ideal path; the share of it that the endpoint can see",
    ),
    (
        r"D_i=\chi^2(\hat p_i\|p_\ast),\;I_i",
        r"divergence from the data; divergence $\chi^2$ of the learned round from the ideal one",
    ),
)
