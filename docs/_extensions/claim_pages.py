"""The statements of the papers: one table for each part, and one page for each statement.

Everything is read from `paper_checks`: the wording as displayed, the conditions, the derivation with its checked steps,
the evidence, and the changed statements that the evidence has to reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from paper_checks.claims import table
from paper_checks.registry import FOLDERS, PAPERS, Displayed, Evidence, Statement, Step, statements

PARTS = {
    "limit": "The limit and its Hermite modes",
    "propagation": "Errors from round to round",
    "additions": "Additions: in neither paper, as far as we know",
}
COVERS = {"all": "every parameter that the conditions allow", "cases": "the cases named"}
ROLES = {
    "truth": "",
    "sharpness": "shows that it cannot be improved",
    "vacuity": "shows where it says nothing",
}
SCALED = (
    "Each formula of the claim that is a number is multiplied by 1.01, 0.99, 1.5 and 0.6 as well, and the evidence must "
    "reject the result unless it is another true statement that says less."
)
EMPHASIS = re.compile(r"\$\\mathit\{(\w+)\}\$")


def pages() -> dict[str, str]:
    """Return the text of the tables and of every statement's page by path."""
    made = {f"claims/{item.id}.md": "\n".join(_statement(item)) for item in statements()}
    made["claims/index.md"] = "\n".join(_index())
    return made


def _index() -> Iterator[str]:
    yield from ("# Claims", "")
    yield (
        f"{len(statements())} statements, each with its derivation and its evidence. `make check` runs all of them by means "
        "that share no code with the package; `hermite-collapse verify` does it from an installation. Choose a statement "
        "for its wording as displayed, the derivation step by step, and what was tried against it."
    )
    yield from ("", *_words(), "", *_questions())
    for folder in FOLDERS:
        group = [item for item in statements() if item.folder == folder]
        title, paper = PARTS[folder], PAPERS.get(folder)
        yield from ("", f"## {title}", "")
        if paper:
            yield from (f"*{paper[0]}*, [arXiv:{paper[1]}](https://arxiv.org/abs/{paper[1]}).", "")
        yield from (
            ":::{div} claims stacked",
            "",
            _linked(table(group)),
            "",
            ":::",
            "",
            "```{toctree}",
            ":hidden:",
            "",
        )
        yield from (item.id for item in group)
        yield from ("```", "")


QUESTIONS = {
    "Is there one limit, and how fast is it reached?": ("limit.fixed_point", "additions.metric_rates"),
    "Which law is the limit?": ("limit.closed_form", "additions.age_quadrature"),
    "What does it keep of each Hermite mode?": ("limit.attenuation",),
    "When does its Hermite series converge in $L^2(\\gamma)$?": ("additions.square_integrability",),
    "What if truncation times go to zero?": ("limit.annealed",),
    "What do errors of the score do in the long run?": ("limit.ball", "propagation.discounted_sum"),
    "What do the sampler's last step, guidance and an autoencoder do?": (
        "additions.final_step",
        "additions.guidance_map",
        "additions.autoencoder_map",
    ),
}


def _questions() -> Iterator[str]:
    """The statements that readers look for first, by what they ask."""
    titles = {item.id: prose(item.title) for item in statements()}
    yield from ("| question | statement |", "|---|---|")
    for question, names in QUESTIONS.items():
        links = "; ".join(f"[{titles[name]}]({name}.md)" for name in names)
        yield f"| {question} | {links} |"


def _words() -> Iterator[str]:
    yield from ("| verdict | meaning |", "|---|---|")
    yield "| holds | derived: sympy confirms the algebra between the sentences of its derivation, a reader the sentences |"
    yield "| sharp | holds, and examples attain it |"
    yield "| supported | checked in many cases; no complete derivation stands here |"
    yield "| vacuous here | true, but it says nothing in the cases that were tried |"
    yield "| false as displayed | the evidence refutes the wording that was displayed; the page names it and the correction |"


def _linked(text: str) -> str:
    """Return a table of statements whose first cell leads to the statement's page."""
    return re.sub(r"^\| `([\w.]+)`: (.*?) \|", r"| [\2](\1.md) |", text, flags=re.MULTILINE)


def _statement(item: Statement) -> Iterator[str]:
    yield from (f"# {prose(item.title)}", "")
    yield from (f"`{item.id}`, {item.source}. Verdict: **{item.expected}**.", "")
    yield from (
        prose(item.text),
        "",
        _formula(item.formula),
        "",
        f"**Conditions:** {prose(item.conditions)}.",
        "",
    )
    if item.remark:
        yield from (prose(item.remark), "")
    if item.displayed:
        yield from _displayed(item.displayed)
    if item.package:
        names = ", ".join(
            f"{{py:obj}}`{name.strip()} <hermite_collapse.{name.strip()}>`"
            for name in item.package.function.split(",")
        )
        yield from (f"**In the package:** {names}; tested in `{item.package.test}`.", "")
    yield from ("## Derivation", "")
    for number, step in enumerate(item.derivation, 1):
        yield from _step(number, step)
    yield from ("## Evidence", "", "| kind | what was done | covers |", "|---|---|---|")
    yield from (_evidence(piece) for piece in item.evidence)
    yield from (
        "",
        f"Run it: `hermite-collapse verify --only {item.id}`, or `python -m paper_checks --only {item.id}` in a checkout.",
        "",
    )
    yield from ("## What the evidence rejects", "", "| change | statement |", "|---|---|")
    yield from (f"| {change.kind} | {_cell(change.text)} |" for change in item.mutations)
    yield from ("", f"{SCALED}{' Those are:' if item.weaker else ' None does.'}", "")
    yield from (
        f"- `{weak.formula}`, as this statement's source calls it, times a constant {weak.side} one: {prose(weak.text)}."
        for weak in item.weaker
    )
    yield ""


def _displayed(displayed: Displayed) -> Iterator[str]:
    yield from ("```{admonition} False as displayed", ":class: warning", "")
    yield from (f"In {prose(displayed.whose)}: {prose(displayed.text)}", "", _formula(displayed.formula), "")
    yield from (f"Correction: {prose(displayed.correction)}", "```", "")


def _step(number: int, step: Step) -> Iterator[str]:
    mark = " *(checked by sympy)*" if step.check else ""
    yield from (f"**{number}.** {prose(step.text)}{mark}", "")
    if step.formula:
        yield from (_formula(step.formula), "")


def _evidence(piece: Evidence) -> str:
    role = ROLES[piece.role]
    what = _cell(piece.what) + (f"; {role}" if role else "")
    return f"| {piece.kind.replace('_', ' ')} | {what} | {COVERS[piece.covers]} |"


def _formula(formula: str) -> str:
    return f"$$\n{formula}\n$$"


def _cell(text: str) -> str:
    """Return prose for a cell of a table, where a bar would end it."""
    return prose(text).replace("|", "\\|")


def prose(text: str) -> str:
    """Return text with formulas between dollars, whose other characters are no markup."""
    parts = EMPHASIS.sub(r"\1", text).split("$")
    parts[::2] = [re.sub(r"([*_<>`\[\]])", r"\\\1", part) for part in parts[::2]]
    return "$".join(parts)
