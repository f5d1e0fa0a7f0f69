"""A verdict follows from evidence; nobody writes one down.

refuted claim                                              false as displayed
displayed form refuted, corrected claim not                false as displayed, with the counter-example
fewer than two kinds of evidence support it                open
some evidence shows that it says nothing here              vacuous here
a derivation for all parameters, and an extremal example   sharp
a derivation for all parameters                            holds
instances only                                             supported, with the strength of the instances

A derivation is "derived, algebra checked": sympy confirms the algebra between its sentences, a reader the sentences.
"Proved" is said of enclosures alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .evidence import REFUTES, SUPPORTS, Evidence, Outcome


@dataclass(frozen=True)
class Finding:
    """A piece of evidence and what it said."""

    kind: str
    what: str
    covers: str
    role: str
    outcome: Outcome
    seconds: float

    @classmethod
    def of(cls, evidence: Evidence, outcome: Outcome, seconds: float) -> Finding:
        return cls(evidence.kind, evidence.what, evidence.covers, evidence.role, outcome, seconds)


@dataclass(frozen=True)
class Verdict:
    """The word, and the evidence it follows from in one sentence."""

    word: str
    because: str


def judge(
    findings: Sequence[Finding], displayed: Sequence[Finding] | None = None, whose: str = ""
) -> Verdict:
    """The verdict on a claim (and on the form in which it was displayed, and by whom, when that differs)."""
    own = _judge(findings)
    if displayed is None or own.word in ("false as displayed", "open"):
        return own
    against = [item for item in displayed if item.outcome.status == REFUTES]
    if not against:
        return Verdict(
            "open", "the displayed form was not refuted, so nothing tells it from the corrected one"
        )
    # Numbers are a counter-example that a reader can repeat; algebra comes second.
    example = next((item for item in against if item.kind == "high_precision"), against[0])
    return Verdict(
        "false as displayed",
        f"{whose + ': ' if whose else ''}counter-example ({example.kind.replace('_', ' ')}): {example.outcome.closeness}; "
        f"the corrected statement: {own.word} ({own.because})",
    )


def _judge(findings: Sequence[Finding]) -> Verdict:
    refuting = [item for item in findings if item.outcome.status == REFUTES]
    if refuting:
        return Verdict(
            "false as displayed", f"{refuting[0].kind.replace('_', ' ')}: {refuting[0].outcome.closeness}"
        )
    supporting = [item for item in findings if item.outcome.status == SUPPORTS]
    kinds = {item.kind for item in supporting if item.role == "truth"}
    if len({item.kind for item in supporting}) < 2 or not kinds:
        return Verdict("open", f"{len(kinds)} kind of evidence supports it")
    vacuous = [item for item in supporting if item.role == "vacuity"]
    if vacuous:
        return Verdict("vacuous here", vacuous[0].outcome.closeness)
    proofs = [item for item in supporting if item.covers == "all" and item.role == "truth"]
    extremal = [item for item in supporting if item.role == "sharpness"]
    if proofs and extremal:
        return Verdict("sharp", extremal[0].outcome.closeness)
    if proofs:
        word = "derived, algebra checked" if proofs[0].kind == "symbolic" else "proved by enclosures"
        return Verdict("holds", f"{word}; confirmed by {_listed(kinds - {proofs[0].kind})}")
    return Verdict(
        "supported",
        "; ".join(f"{item.kind.replace('_', ' ')}: {item.outcome.closeness}" for item in supporting),
    )


def _listed(kinds: set[str]) -> str:
    return ", ".join(sorted(kind.replace("_", " ") for kind in kinds)) or "further steps"
