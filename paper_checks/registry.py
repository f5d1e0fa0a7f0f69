"""What a statement is, and where all of them are found."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from .evidence import SILENT, Claim, Evidence, Outcome, all_of

HOME = __package__  # paper_checks in the repository, hermite_collapse._paper_checks in a wheel
FOLDERS = ("limit", "propagation", "additions")
PAPERS = {
    "limit": (
        "Recursively Trained Diffusion Models: Limiting Collapse Distribution and Spectral Characterization",
        "2606.13796",
    ),
    "propagation": (
        "Error Propagation and Model Collapse in Diffusion Models: A Theoretical Study",
        "2602.16601",
    ),
}
VERDICTS = ("holds", "supported", "sharp", "vacuous here", "false as displayed", "open")
STATEMENT_FIELDS = (
    "id",
    "title",
    "source",
    "text",
    "formula",
    "conditions",
    "derivation",
    "evidence",
    "mutations",
    "expected",
)
MUTATIONS = ("constant", "sign", "exponent", "dropped condition")


@dataclass(frozen=True)
class Step:
    """One step of a derivation: a sentence, a formula, and (where sympy can) a check of it."""

    text: str
    formula: str = ""
    check: Callable[[Claim], Outcome] | None = None


@dataclass(frozen=True)
class Mutation:
    """A claim changed in one place, which the evidence has to reject."""

    kind: str
    text: str
    changes: dict[str, Any]

    def __post_init__(self) -> None:
        if self.kind not in MUTATIONS:
            raise ValueError(f"a mutation is one of {MUTATIONS}, not {self.kind!r}")


@dataclass(frozen=True)
class Displayed:
    """A form in which the statement was displayed; the evidence must refute it.

    `whose` names the sentence that is refuted: paper, version and place, or "a public summary", which the verdict repeats.
    """

    whose: str
    text: str
    formula: str
    changes: dict[str, Any]
    correction: str


@dataclass(frozen=True)
class Weaker:
    """What a formula says when it is multiplied by constants on one side of one: something true, but less.

    `side` is "above" or "below" one.
    """

    formula: str
    side: str
    text: str

    def covers(self, formula: str, factor: float) -> bool:
        """Whether this is about that formula and factor."""
        return formula == self.formula and (factor > 1) == (self.side == "above")


@dataclass(frozen=True)
class Package:
    """Numbers of the package against independent ones, fetched through `subject`.

    `compare` yields (label, package's number, independent number); they must agree to `digits` relative digits.
    """

    function: str
    test: str
    compare: Callable[[], Iterator[tuple[str, Any, Any]]] | None = None
    digits: float = 12


@dataclass(frozen=True)
class Statement:
    """A statement, its conditions, its derivation, its evidence and its mutations."""

    id: str
    title: str
    source: str
    text: str
    formula: str
    conditions: str
    derivation: tuple[Step, ...]
    claim: Claim
    evidence: tuple[Evidence, ...]
    mutations: tuple[Mutation, ...]
    expected: str
    displayed: Displayed | None = None
    weaker: tuple[Weaker, ...] = ()
    package: Package | None = None
    figure: Callable[[], Any] | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        if self.expected not in VERDICTS:
            raise ValueError(f"a verdict is one of {VERDICTS}, not {self.expected!r}")

    @property
    def folder(self) -> str:
        return self.id.partition(".")[0]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of evidence, in the order of their strength."""
        from .evidence import KINDS

        present = {item.kind for item in self.evidence}
        return tuple(kind for kind in KINDS if kind in present)


def derived(steps: tuple[Step, ...], what: str, *, covers: str = "all") -> Evidence:
    """Symbolic evidence made of the checked steps of a derivation; all of them must pass."""
    checks = [step.check for step in steps if step.check is not None]
    if not checks:
        raise ValueError("a derivation without a checked step is no evidence")

    def run(claim: Claim) -> Outcome:
        outcomes = []
        for check in checks:
            outcomes.append(check(claim))
            if outcomes[-1].status not in ("supports", SILENT):
                break
        outcome = all_of(*outcomes)
        if outcome.status == "supports":
            return Outcome("supports", f"{len(checks)} of {len(checks)} steps check", outcome.numbers)
        return outcome

    return Evidence("symbolic", what, run, covers)


@cache
def statements() -> tuple[Statement, ...]:
    """All statements, folder by folder in the order of the papers."""
    found: list[Statement] = []
    for folder in FOLDERS:
        package = importlib.import_module(f".{folder}", HOME)
        group = []
        for module in pkgutil.iter_modules(package.__path__):
            group.append(importlib.import_module(f".{folder}.{module.name}", HOME).STATEMENT)
        order = {name: position for position, name in enumerate(package.ORDER)}
        missing = {item.id for item in group} ^ set(order)
        if missing:
            raise ValueError(f"{HOME}.{folder}.ORDER and its files differ in {sorted(missing)}")
        found.extend(sorted(group, key=lambda item: order[item.id]))
    if len({item.id for item in found}) != len(found):
        raise ValueError("two statements share an id")
    return tuple(found)


def select(names: list[str]) -> tuple[Statement, ...]:
    """Statements whose id equals a name or begins with it and a dot; all without names."""
    if not names:
        return statements()
    chosen = tuple(
        item
        for item in statements()
        if any(item.id == name or item.id.startswith(name.rstrip(".") + ".") for name in names)
    )
    known = {item.id for item in statements()} | set(FOLDERS)
    unknown = [name for name in names if name.rstrip(".") not in known]
    if unknown:
        by_plain = {name.casefold(): name for name in sorted(known)}
        near = difflib.get_close_matches(unknown[0].casefold(), by_plain, n=1)
        nearest = f", the nearest is {by_plain[near[0]]!r}" if near else ""
        raise KeyError(
            f"no statement is called {unknown[0]!r}{nearest}; {', '.join(FOLDERS)} select all of their kind"
        )
    return chosen
