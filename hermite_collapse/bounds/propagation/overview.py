"""Everything about the divergences of one recursion: their values, when they become infinite, and each bound judged."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.types import Seed
from ...recursion.recursion import Recursion
from .divergences import DivergenceRow, divergence_table, first_infinite_round, propagation_record
from .innovation import divergence_to_limit
from .rows import BoundRow, propagation_table


@dataclass(frozen=True)
class PropagationOverview:
    """Divergences of p_0, ..., p_rounds and the bounds on them, for exact scores.

    Attributes
    ----------
    divergences : tuple of DivergenceRow
    first_infinite_round : int or None
        The first round at which the chi-square from the data is infinite; None in the first thousand.
    bounds : tuple of BoundRow
    limit_bound : list of float or None
        The bound that the proved rate gives on the chi-square from the limit law, by round; None without a limit.
    """

    divergences: tuple[DivergenceRow, ...]
    first_infinite_round: int | None
    bounds: tuple[BoundRow, ...]
    limit_bound: list[float] | None

    @property
    def is_refused(self) -> bool:
        """Whether a proved bound failed."""
        return any(row.verdict == "refused" for row in self.bounds)


def propagation_overview(
    recursion: Recursion, *, rounds: int, sample_count: int = 65536, rng: Seed = 0
) -> PropagationOverview:
    """Return the divergences of a recursion with exact scores, and every bound on them."""
    record = propagation_record(recursion, rounds=rounds, sample_count=sample_count, rng=rng)
    divergences = divergence_table(recursion, rounds=rounds, sample_count=sample_count, rng=rng)
    start = divergences[0].limit
    limit_bound = None
    if start is not None:
        limit_bound = divergence_to_limit(
            [0.0] * rounds, fresh_fraction=record.fresh_fraction, start=max(0.0, start.value)
        )
    return PropagationOverview(
        tuple(divergences),
        first_infinite_round(recursion, rounds=max(1000, rounds)),
        tuple(propagation_table(record)),
        limit_bound,
    )
