"""Every bound on error propagation, in every round, judged against what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ...core import checks
from ...core.display import Displayed
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.signature import public
from .innovation import (
    PropagationRecord,
    PropagationRound,
    discounted_divergence,
    innovation_bounds,
    persistence_floor,
)

# A measured value refuses a bound when it lies beyond it by more than this many errors.
_REFUSAL = 4.0
# A bound this many times away from the value it bounds says nothing about the run.
_VACUOUS = 100.0

_PAPER = "arXiv:2602.16601, "


@dataclass(frozen=True)
class BoundRow:
    """One bound in one round.

    Attributes
    ----------
    round : int
    statement, quantity : str
        What is stated, and about which quantity.
    side : str
        Where the bound lies: "above" or "below" the measured value.
    bound, measured, error, ratio : float
        Bound, measured value, the error of their difference, and bound / measured.
    verdict : str
        "holds"; "refused" (the data lie beyond the bound by more than four errors); "vacuous" (holds, but more than
        100 times away, or a lower bound of zero); "does not apply" (its condition fails); "infinite" (the bounded
        quantity is).
    constant : str
        "exact", "proved" or "empirical".
    condition, reference : str
    """

    round: int
    statement: str
    quantity: str
    side: str
    bound: float
    measured: float
    error: float
    ratio: float
    verdict: str
    constant: str
    condition: str
    reference: str

    def as_dict(self) -> dict[str, float | int | str]:
        """Plain values, for JSON and tables."""
        return asdict(self)


@public
def propagation_table(record: PropagationRecord) -> list[BoundRow]:
    """Return every bound that the record's quantities allow, round by round.

    Prop 3.1             KL(p_{i+1} against q_i) <= eps_hat^2 / 2
    Prop 3.3 (proved)    I >= max(0, sqrt(eta) eps - tau)^2
    Prop 3.3             I >= eta eps^2 / 4 - C eps^4
    Prop 3.3 (small)     I >= eta eps^2 / 8, where eps^2 is small enough
    Thm 3.4 (proved)     I <= min((sqrt(eta) eps + tau)^2, exp(B) - 1)
    Thm 3.4              I <= 4 eps^2 + c eps^4, where eps^2 <= 1
    refresh              D_{i+1} = (1-alpha)^2 D_i + R_i + 2 (1-alpha) S_i, judged from both sides
    residual             R_i >= alpha I_i
    innovation           D_{i+1} + (1-alpha)^2 D_i >= alpha I_i / 2
    triangle             sqrt(D_{i+1}) between abs(sqrt(R_i) - (1-alpha) sqrt(D_i)) and their sum
    Thm 4.2 (coherent)   sqrt(D_{i+1}) <= (1-alpha)^{i+1} sqrt(D_0) + sum_j (1-alpha)^{i-j} sqrt(R_j)
    Prop 4.1             max of D over the last half >= the floor, published and improved constant

    Parameters
    ----------
    record : PropagationRecord

    Returns
    -------
    list of BoundRow
        In the order of the rounds.  A row appears where its quantities were measured; where its condition fails it
        says so instead of a verdict.

    Raises
    ------
    InputError
        For anything but a record.

    References
    ----------
    arXiv:2602.16601; sharper rows: docstrings of `innovation`.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> run = hc.bounds.SolvableRecursion(hc.GaussianMixture([1.0], [0.0], 1.0), 0.5, [0.2, 0.2])
    >>> {row.verdict for row in hc.bounds.propagation_table(run.record())} <= {"holds", "vacuous"}
    True
    """
    if not isinstance(record, PropagationRecord):
        raise InputError(f"record must be a PropagationRecord, got {type(record).__name__}.")
    alpha = record.fresh_fraction
    rows: list[BoundRow] = []
    for index, entry in enumerate(record.rounds):
        rows += _innovation_rows(index, entry)
        rows += _accumulation_rows(index, entry, alpha)
    rows += _coherent_rows(record)
    rows += _floor_rows(record)
    return sorted(rows, key=lambda row: row.round)


@dataclass(frozen=True)
class BoundColumns(Displayed):
    """One quantity and its bounds as columns over the rounds, NaN where there is none: what a figure draws.

    Attributes
    ----------
    measured, errors : list of float
        One a round.
    lower, upper : dict of str to list of float
        Statement -> one bound a round.
    """

    measured: list[float]
    errors: list[float]
    lower: dict[str, list[float]]
    upper: dict[str, list[float]]


@public
def bound_columns(rows: Sequence[BoundRow], quantity: str) -> BoundColumns:
    """Return the rows about one quantity as columns; bounds that do not apply are NaN.

    Parameters
    ----------
    rows : sequence of BoundRow
    quantity : str
        "I_i", "D_{i+1}", "R_i", ...

    Returns
    -------
    BoundColumns

    Raises
    ------
    InputError
        If no row is about the quantity, naming those there are.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> run = hc.bounds.SolvableRecursion(hc.GaussianMixture([1.0], [0.0], 1.0), 0.5, [0.2, 0.2])
    >>> columns = hc.bounds.bound_columns(hc.bounds.propagation_table(run.record()), "I_i")
    >>> [round(value, 4) for value in columns.measured]
    [0.0408, 0.0404]
    """
    known = sorted({row.quantity for row in rows})
    checks.one_of(quantity, known, "quantity")
    selected = [row for row in rows if row.quantity == quantity]
    count = max(row.round for row in rows) + 1
    measured, errors = [math.nan] * count, [0.0] * count
    sides: dict[str, dict[str, list[float]]] = {"below": {}, "above": {}}
    for row in selected:
        measured[row.round], errors[row.round] = row.measured, row.error
        column = sides[row.side].setdefault(row.statement, [math.nan] * count)
        if row.verdict != "does not apply":
            column[row.round] = row.bound
    return BoundColumns(measured, errors, sides["below"], sides["above"])


def bound_row(
    round: int,
    statement: str,
    quantity: str,
    side: str,
    bound: float,
    measured: Estimate,
    *,
    bound_error: float = 0.0,
    constant: str = "exact",
    condition: str = "",
    met: bool = True,
    reference: str = "",
) -> BoundRow:
    """Judge one bound against one measured value.

    `bound_error` is the error of the bound itself, where it was computed from measured numbers; both errors
    are added in squares.  A bound is refused when the value lies beyond it by more than four of these
    errors and by more than rounding (1e-12 relative).
    """
    checks.one_of(side, ("above", "below"), "side")
    value = float(measured.value)
    error = math.hypot(measured.error, bound_error)
    slack = _REFUSAL * error + 1e-12 * max(abs(value), abs(bound) if math.isfinite(bound) else 0.0)
    if value != 0.0 and math.isfinite(value):
        ratio = bound / value
    else:
        ratio = math.nan if math.isinf(value) or bound == 0.0 else math.copysign(math.inf, bound)
    if not met:
        verdict = "does not apply"
    elif math.isinf(value):
        verdict = "infinite"
    elif (side == "above" and value > bound + slack) or (side == "below" and value < bound - slack):
        verdict = "refused"
    elif bound > _VACUOUS * abs(value) + slack if side == "above" else bound < value / _VACUOUS:
        verdict = "vacuous"
    else:
        verdict = "holds"
    return BoundRow(
        round,
        statement,
        quantity,
        side,
        float(bound),
        value,
        error,
        ratio,
        verdict,
        constant,
        condition,
        reference,
    )


def _innovation_rows(index: int, entry: PropagationRound) -> list[BoundRow]:
    rows: list[BoundRow] = []
    if entry.learned_energy is not None and entry.innovation_kl is not None:
        energy = entry.learned_energy
        rows.append(
            bound_row(
                index,
                "Prop 3.1",
                "KL(p_{i+1}, q_i)",
                "above",
                energy.value / 2.0,
                entry.innovation_kl,
                bound_error=energy.error / 2.0,
                reference=_PAPER + "Proposition 3.1",
            )
        )
    if entry.ideal_energy is None or entry.observability is None or entry.innovation is None:
        return rows
    energy, innovation = entry.ideal_energy, entry.innovation
    eta = min(1.0, max(0.0, entry.observability.value))
    visible = eta * energy.value
    spread = math.hypot(entry.observability.error * energy.value, eta * energy.error)
    bounded = math.isfinite(entry.supremum_energy)
    limits = innovation_bounds(
        max(0.0, min(energy.value, entry.supremum_energy)), eta, supremum_energy=entry.supremum_energy
    )

    def add(
        statement: str, side: str, bound: float, error: float, constant: str, condition: str, met: bool = True
    ) -> None:
        source = "Proposition 3.3" if side == "below" else "Theorem 3.4"
        rows.append(
            bound_row(
                index,
                statement,
                "I_i",
                side,
                bound,
                innovation,
                bound_error=error,
                constant=constant,
                condition=condition,
                met=met,
                reference=_PAPER + source,
            )
        )

    if bounded:
        condition = f"supremum energy {entry.supremum_energy:.4g}"
        # d (s +- tau)^2 / d s^2 = (s +- tau) / s
        for statement, side, bound in (
            ("Prop 3.3 (proved)", "below", limits.lower),
            ("Thm 3.4 (proved)", "above", limits.upper),
        ):
            slope = math.sqrt(bound / visible) if visible > 0.0 and math.isfinite(bound) else 0.0
            add(statement, side, bound, slope * spread, "proved", condition)
        add("Prop 3.3", "below", limits.published_lower, spread / 4.0, "proved", "C proved")
        small = energy.value <= limits.smallness
        condition = "eps^2 <= min(1, eta/(8C))"
        add("Prop 3.3 (small)", "below", visible / 8.0, spread / 8.0, "proved", condition, small)
        bound, condition = limits.published_upper, "eps^2 <= 1, c proved"
        add("Thm 3.4", "above", bound, 4.0 * energy.error, "proved", condition, energy.value <= 1.0)
    else:
        add("Prop 3.3", "below", visible / 4.0, spread / 4.0, "empirical", "C set to 0")
        met, condition = energy.value <= 1.0, "eps^2 <= 1, C and c set to 0"
        add("Prop 3.3 (small)", "below", visible / 8.0, spread / 8.0, "empirical", condition, met)
        add("Thm 3.4", "above", 4.0 * energy.value, 4.0 * energy.error, "empirical", condition, met)
    return rows


def _accumulation_rows(index: int, entry: PropagationRound, alpha: float) -> list[BoundRow]:
    rows: list[BoundRow] = []
    remaining = 1.0 - alpha
    before, after, residual = entry.divergence_before, entry.divergence_after, entry.residual
    innovation = entry.innovation
    if residual is not None and innovation is not None:
        rows.append(
            bound_row(
                index,
                "residual",
                "R_i",
                "below",
                alpha * innovation.value,
                residual,
                bound_error=alpha * innovation.error,
                reference="q_i >= fresh_fraction p*",
            )
        )
    if before is None or after is None:
        return rows
    if innovation is not None:
        value = after.value + remaining**2 * before.value
        total = Estimate(value, after.error + remaining**2 * before.error, after.kind, after.route)
        rows.append(
            bound_row(
                index,
                "innovation",
                "D_{i+1} + (1-alpha)^2 D_i",
                "below",
                alpha * innovation.value / 2.0,
                total,
                bound_error=alpha * innovation.error / 2.0,
                reference=_PAPER + "innovation",
            )
        )
    if residual is None or not math.isfinite(before.value) or not math.isfinite(residual.value):
        return rows
    old, new = remaining * math.sqrt(max(before.value, 0.0)), math.sqrt(max(residual.value, 0.0))
    # d (r +- s)^2 <= (1 + s/r) dR + (1 + r/s) d(s^2)
    error = residual.error * (1.0 + old / new if new > 0.0 else 1.0)
    error += remaining**2 * before.error * (1.0 + new / old if old > 0.0 else 1.0)
    for side, bound in (("below", (new - old) ** 2), ("above", (new + old) ** 2)):
        rows.append(
            bound_row(
                index,
                "triangle",
                "D_{i+1}",
                side,
                bound,
                after,
                bound_error=error,
                reference="triangle inequality in L2(p*)",
            )
        )
    if entry.cross is not None:
        identity = remaining**2 * before.value + residual.value + 2.0 * remaining * entry.cross.value
        error = remaining**2 * before.error + residual.error + 2.0 * remaining * entry.cross.error
        for side in ("below", "above"):
            rows.append(
                bound_row(
                    index,
                    "refresh",
                    "D_{i+1}",
                    side,
                    identity,
                    after,
                    bound_error=error,
                    reference=_PAPER + "refresh identity",
                )
            )
    return rows


def _coherent_rows(record: PropagationRecord) -> list[BoundRow]:
    rows: list[BoundRow] = []
    residuals: list[float] = []
    remaining, error, start = 1.0 - record.fresh_fraction, 0.0, None
    for index, entry in enumerate(record.rounds):
        if entry.residual is None or entry.divergence_after is None or entry.divergence_before is None:
            return rows
        start = entry.divergence_before.value if start is None else start
        residuals.append(entry.residual.value)
        # Error of the square root of the bound: each sqrt(R_j) is known to error_j / (2 sqrt(R_j)).
        root = math.sqrt(max(entry.residual.value, 0.0))
        error = remaining * error + (entry.residual.error / (2.0 * root) if root > 0.0 else 0.0)
        bound = discounted_divergence(residuals, fresh_fraction=record.fresh_fraction, start=start)[-1]
        rows.append(
            bound_row(
                index,
                "Thm 4.2 (coherent)",
                "D_{i+1}",
                "above",
                bound,
                entry.divergence_after,
                bound_error=2.0 * math.sqrt(bound) * error if math.isfinite(bound) else 0.0,
                condition="any defects",
                reference=_PAPER + "Theorem 4.2",
            )
        )
    return rows


def _floor_rows(record: PropagationRecord) -> list[BoundRow]:
    tail = list(record.rounds[len(record.rounds) // 2 :])
    if len(tail) < 2:
        return []
    energies, shares, peaks, met = [], [], [], True
    for entry in tail:
        if entry.ideal_energy is None or entry.observability is None or entry.divergence_after is None:
            return []
        energies.append(entry.ideal_energy.value)
        shares.append(entry.observability.value)
        peaks.append(entry.divergence_after)
        if entry.innovation is not None:
            met &= entry.innovation.value >= entry.observability.value * entry.ideal_energy.value / 8.0
    peak = max(peaks, key=lambda estimate: estimate.value)
    energy, share = max(0.0, min(energies)), min(1.0, max(0.0, min(shares)))
    floors = persistence_floor(energy, share, fresh_fraction=record.fresh_fraction)
    condition = f"last {len(tail)} rounds: eps^2 >= {energy:.3g}, eta >= {share:.3g}, I >= eta eps^2/8"
    return [
        bound_row(
            len(record.rounds) - 1,
            statement,
            "max D over the last half",
            "below",
            bound,
            peak,
            condition=condition,
            met=met,
            reference=_PAPER + "Proposition 4.1",
        )
        for statement, bound in zip(("Prop 4.1", "Prop 4.1 (improved)"), floors, strict=True)
    ]
