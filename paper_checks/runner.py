"""Runs statements: evidence, the displayed form, mutations, the package's numbers, the verdict."""

from __future__ import annotations

import multiprocessing
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import mpmath

from . import registry, scalings
from .evidence import REFUTES, SILENT, Claim, Evidence, Outcome
from .registry import Statement
from .scalings import Scaling
from .subject import Absent, installed
from .verdicts import Finding, Verdict, judge


@dataclass(frozen=True)
class Rejection:
    """A mutation and the first evidence that refuted it, if any did."""

    kind: str
    text: str
    rejected: bool
    by: str


@dataclass(frozen=True)
class PackageCheck:
    """The package's numbers against the independent ones."""

    function: str
    test: str
    status: str  # "agrees", "differs", "absent", "not compared"
    detail: str


@dataclass(frozen=True)
class Row:
    """All that a run says about one statement."""

    id: str
    title: str
    verdict: Verdict
    expected: str
    findings: tuple[Finding, ...]
    displayed: tuple[Finding, ...]
    rejections: tuple[Rejection, ...]
    scalings: tuple[Scaling, ...]
    package: PackageCheck | None
    seconds: float
    error: str = ""
    complaints: tuple[str, ...] = field(default=())

    @property
    def as_expected(self) -> bool:
        return not self.complaints


def _look(evidence: Evidence, claim: Claim) -> Finding:
    start = time.perf_counter()
    digits = mpmath.mp.dps
    try:
        mpmath.mp.dps = 30
        outcome = evidence.run(claim)
    except ImportError as error:
        if getattr(error, "name", None) != "flint":
            raise
        outcome = Outcome(SILENT, "skipped: python-flint is not installed")
    finally:
        mpmath.mp.dps = digits
    return Finding.of(evidence, outcome, time.perf_counter() - start)


def _reject(evidence: Sequence[Evidence], claim: Claim) -> Finding | None:
    for item in evidence:
        finding = _look(item, claim)
        if finding.outcome.status == REFUTES:
            return finding
    return None


def _scalings(statement: Statement, evidence: Sequence[Evidence]) -> Iterator[Scaling]:
    """What becomes of every formula of the claim times every factor."""
    for name, factor, formula, claim in scalings.scaled_claims(statement.claim):
        finding = _reject(evidence, claim)
        weaker = next((item for item in statement.weaker if item.covers(name, factor)), None)
        if finding is not None:
            yield Scaling(
                name, factor, "rejected", f"{finding.kind.replace('_', ' ')}: {finding.outcome.closeness}"
            )
        elif formula is not None and formula.calls and not formula.numbers:
            yield Scaling(name, factor, "no number", "it decides or counts")
        elif weaker is not None:
            yield Scaling(name, factor, "weaker", weaker.text)
        elif formula is not None and not formula.calls:
            yield Scaling(name, factor, "unused", "no evidence uses it")
        else:
            yield Scaling(name, factor, "survives", "nothing refutes it")


def _package(statement: Statement) -> PackageCheck | None:
    link = statement.package
    if link is None:
        return None
    if link.compare is None:
        return PackageCheck(link.function, link.test, "not compared", "the statement has no number to fetch")
    worst, count = mpmath.mpf(0), 0
    digits = mpmath.mp.dps
    try:
        mpmath.mp.dps = 30
        for label, theirs, ours in link.compare():
            count += 1
            theirs, ours = mpmath.mpmathify(theirs), mpmath.mpmathify(ours)
            scale = max(abs(theirs), abs(ours))
            gap = abs(theirs - ours) / scale if scale else mpmath.mpf(0)
            if not gap <= mpmath.mpf(10) ** (-link.digits):
                return PackageCheck(
                    link.function,
                    link.test,
                    "differs",
                    f"{label}: package {mpmath.nstr(theirs, 12)}, independent {mpmath.nstr(ours, 12)}",
                )
            worst = max(worst, gap)
    except Absent as error:
        return PackageCheck(link.function, link.test, "absent", str(error))
    finally:
        mpmath.mp.dps = digits
    return PackageCheck(
        link.function, link.test, "agrees", f"{count} numbers, largest difference {mpmath.nstr(worst, 2)}"
    )


def run(statement: Statement, *, quick: bool = False) -> Row:
    """Everything about one statement; an exception becomes an error that is never a refutation.

    The quick form leaves out slow evidence and the multiples of the formulas.
    """
    start = time.perf_counter()
    findings: list[Finding] = []
    displayed: list[Finding] = []
    rejections: list[Rejection] = []
    multiples: list[Scaling] = []
    package: PackageCheck | None = None
    error = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            evidence = [item for item in statement.evidence if item.quick or not quick]
            findings = [_look(item, statement.claim) for item in evidence]
            if statement.displayed is not None:
                claim = statement.claim.with_(**statement.displayed.changes)
                displayed = [_look(item, claim) for item in evidence]
            cheap_first = [
                item
                for _, item in sorted(
                    zip([f.seconds for f in findings], evidence, strict=True), key=lambda pair: pair[0]
                )
            ]
            for mutation in statement.mutations:
                finding = _reject(cheap_first, statement.claim.with_(**mutation.changes))
                by = (
                    f"{finding.kind.replace('_', ' ')}: {finding.outcome.closeness}"
                    if finding
                    else "nothing refutes it"
                )
                rejections.append(Rejection(mutation.kind, mutation.text, finding is not None, by))
            if not quick:
                multiples = list(_scalings(statement, cheap_first))
            package = _package(statement)
        except Exception:
            error = traceback.format_exc()
    verdict = (
        judge(findings, displayed or None, statement.displayed.whose if statement.displayed else "")
        if findings and not error
        else Verdict("open", "a check raised")
    )
    complaints = []
    if error:
        complaints.append(error.strip().splitlines()[-1])
    if verdict.word != statement.expected:
        complaints.append(f"expected {statement.expected!r}, came out {verdict.word!r}")
    complaints += [f"mutation not rejected: {item.text}" for item in rejections if not item.rejected]
    complaints += [
        f"{item.formula} times {item.factor:g}: {item.outcome}"
        for item in multiples
        if not item.is_as_it_should
    ]
    if package is not None and package.status == "absent" and installed():
        complaints.append(f"the package lacks what the statement is about: {package.detail}")
    if package is not None and package.status == "differs":
        complaints.append(f"the package differs: {package.detail}")
    return Row(
        statement.id,
        statement.title,
        verdict,
        statement.expected,
        tuple(findings),
        tuple(displayed),
        tuple(rejections),
        tuple(multiples),
        package,
        time.perf_counter() - start,
        error,
        tuple(complaints),
    )


def _run_by_id(job: tuple[str, bool]) -> Row:
    identifier, quick = job
    return run(registry.select([identifier])[0], quick=quick)


def run_all(chosen: Sequence[Statement], *, quick: bool = False, jobs: int = 1) -> Iterator[Row]:
    """Rows in the order of the statements; `jobs` processes, spawned."""
    if jobs <= 1 or len(chosen) == 1:
        for statement in chosen:
            yield run(statement, quick=quick)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        yield from pool.map(_run_by_id, [(statement.id, quick) for statement in chosen])
