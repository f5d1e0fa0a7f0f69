r"""Who does what in one round of a pipeline, and in the long run: each mechanism alone, and all of them together.

One round is looked at where all mechanisms see the same training law, that of the data, w = v: with r_k = V_k(w)/w of
mechanism k alone and r of all in their order,

    log r = sum_k log r_k + rest,

where the rest is what they do to each other.  Limits are not additive: at fresh fraction alpha each has

    v_d/v - 1 = (1/r - 1)/alpha     (r at the limit's own w),

so that only first-order terms add, in 1/v.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .denoiser import Sampler
from .guidance import Guidance
from .mechanism import Mechanism
from .mechanisms import FinalStep

STEPS, GUIDANCE, IMAGES = "sampler steps", "guidance", "finite images"
REPRESENTATIVE = {"coarse": 0.9, "median": 0.5, "fine": 0.1}
"""Quantiles of the variances of the data that stand for coarse, median and fine directions."""


class Dominant(NamedTuple):
    """The mechanism that moves each direction most; "" where none does.

    Attributes
    ----------
    in_round : tuple of str
        With the largest size of log r_k in one round.
    in_limit : tuple of str
        With the largest size of log(limit/v) alone.
    """

    in_round: tuple[str, ...]
    in_limit: tuple[str, ...]


class Representative(NamedTuple):
    """Indices of the directions at the quantiles .9, .5 and .1 of the variances."""

    coarse: int
    median: int
    fine: int


@dataclass(frozen=True, eq=False)
class Ledger(Value):
    """What each mechanism of a pipeline does to each direction; made by `Pipeline.ledger`.

    Attributes
    ----------
    names : tuple of str
        Of the mechanisms, in the order of a round; a guided sampler counts as its steps and its guidance.
    descriptions : tuple of str
        The same with their parameters.
    fresh_fraction : float
    data : array, shape (m,)
        Variances v of the data; within a class under guidance.
    log_ratios : array, shape (K, m)
        log(V_k(v)/v) of each mechanism alone, in one round.
    log_ratio : array, shape (m,)
        log(V(v)/v) of all together.
    limits : array, shape (K, m)
        Limit over v with each mechanism alone, from the data: infinity where it grows without bound, NaN for a cycle.
    limit : array, shape (m,)
        Limit over v with all together.
    interplay : array, shape (m,)
        Part of the rest that guidance inside a sampler's steps has over both alone; 0 without.
    last_step : array, shape (2, m)
        Of the sampler's last step, or the noise that it leaves, alone: V/v in one round, and limit over v.  A part of
        the sampler's steps; NaN where there is no sampler, or one that ends as a flow map.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    fresh_fraction: float
    data: FloatArray
    log_ratios: FloatArray
    log_ratio: FloatArray
    limits: FloatArray
    limit: FloatArray
    interplay: FloatArray
    last_step: FloatArray

    @property
    def rest(self) -> FloatArray:
        """What the mechanisms do to each other in one round: log r - sum of log r_k, shape (m,)."""
        return self.log_ratio - self.log_ratios.sum(axis=0)

    @property
    def dominant(self) -> Dominant:
        """The mechanism that moves each direction most, in one round and in the limit."""
        rounds = np.abs(self.log_ratios)
        with np.errstate(divide="ignore"):
            limits = np.abs(np.log(np.where(np.isnan(self.limits), np.inf, self.limits)))
        return Dominant(self._largest(rounds, rounds), self._largest(limits, rounds))

    def _largest(self, sizes: FloatArray, ties: FloatArray) -> tuple[str, ...]:
        """Return the name of the largest size of each direction; of equal ones, that with the larger tie-breaker."""
        if not self.names:
            return ("",) * len(self.data)
        order = np.lexsort((ties, sizes), axis=0)[-1]
        largest = np.take_along_axis(sizes, order[np.newaxis], axis=0)[0]
        return tuple(
            self.names[k] if size > 0.0 else "" for k, size in zip(order.tolist(), largest, strict=True)
        )

    @property
    def representative(self) -> Representative:
        """Indices of a coarse, a median and a fine direction: the quantiles .9, .5 and .1 of the variances."""
        order: IntArray = np.argsort(self.data, kind="stable")
        last = len(order) - 1
        return Representative(*(int(order[round(q * last)]) for q in REPRESENTATIVE.values()))

    def table(self, directions: Sequence[int] | None = None) -> str:
        """Return the variance that each mechanism keeps in one round and in the limit, as text of 80 columns.

        Parameters
        ----------
        directions : sequence of int, optional
            Indices of at most three; the coarse, the median and the fine one if left out.
        """
        shown = tuple(dict.fromkeys(self.representative)) if directions is None else tuple(directions)
        width = max(map(len, (*self.names, "  last step alone", "all together")))
        head = [" " * width] + [f"{'v = ' + _number(float(self.data[j])):>19}" for j in shown]
        lines = ["  ".join(head), "  ".join([" " * width] + [f"{'round':>9} {'limit':>9}"] * len(shown))]
        for name, rounds, limits in self.rows():
            cells = [f"{_number(float(rounds[j])):>9} {_number(float(limits[j])):>9}" for j in shown]
            lines.append("  ".join([name.ljust(width), *cells]).rstrip())
        return "\n".join(lines)

    def rows(self) -> list[tuple[str, FloatArray, FloatArray]]:
        """Return name, V/v of one round and limit over v of mechanisms, rest (no limit) and all together."""
        rows = []
        for name, ratio, limit in zip(self.names, np.exp(self.log_ratios), self.limits, strict=True):
            rows.append((name, ratio, limit))
            if name == STEPS and np.isfinite(self.last_step).any():
                rows.append(("  last step alone", *self.last_step))
        if len(self.names) > 1:
            rows.append(("rest", np.exp(self.rest), np.full_like(self.limit, np.nan)))
        rows.append(("all together", np.exp(self.log_ratio), self.limit))
        return rows

    @classmethod
    def joined(cls, ledgers: Sequence[Ledger]) -> Ledger:
        """Return the ledger of pipelines that differ in their parameters from direction to direction."""
        first = ledgers[0]
        if any(
            ledger.names != first.names or ledger.fresh_fraction != first.fresh_fraction for ledger in ledgers
        ):
            raise InputError(
                "pipelines must hold the same mechanisms at the same fresh fraction, got others."
            )
        words = tuple(
            own[0] if len(set(own)) == 1 else f"{name} (another in each direction)"
            for name, own in zip(
                first.names, zip(*(ledger.descriptions for ledger in ledgers), strict=True), strict=True
            )
        )
        arrays = ("data", "log_ratios", "log_ratio", "limits", "limit", "interplay", "last_step")
        return first.replace(
            descriptions=words,
            **{
                name: np.concatenate([getattr(ledger, name) for ledger in ledgers], axis=-1)
                for name in arrays
            },
        )


def separated(mechanisms: Sequence[Mechanism]) -> tuple[tuple[str, Mechanism], ...]:
    """Return the mechanisms with names, a guided sampler as its steps without guidance and its guidance."""
    pairs: list[tuple[str, Mechanism]] = []
    for part in mechanisms:
        if isinstance(part, Sampler):
            pairs.append((STEPS, part.replace(guidance=None)))
            if part.guidance is not None:
                pairs.append((GUIDANCE, part.guidance))
        elif isinstance(part, Guidance):
            pairs.append((GUIDANCE, part))
        else:
            pairs.append((re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(part).__name__).lower(), part))
    names = [name for name, _ in pairs]
    return tuple(
        (name if names.count(name) == 1 else f"{name} {names[: i + 1].count(name)}", part)
        for i, (name, part) in enumerate(pairs)
    )


def last_step(mechanisms: Sequence[Mechanism]) -> FinalStep | None:
    """Return the last step of the sampler among mechanisms as one of its own, where it has one."""
    for part in mechanisms:
        if isinstance(part, Sampler):
            kind, sigma = part.ending
            return None if kind == "flow" or not np.isfinite(sigma) else FinalStep(sigma, kind)
    return None


def _number(value: float) -> str:
    """Return a number in at most 9 characters; nothing where there is none."""
    if np.isnan(value):
        return ""
    return "infinite" if np.isinf(value) else f"{value:.4g}"
