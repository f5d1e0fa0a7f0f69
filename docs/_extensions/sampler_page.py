"""The page of well-known samplers, filled from validation/records/cpu/schedulers.json: no number is written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "validation" / "records" / "cpu"
SHARES = ("0.1", "0.5", "0.9")
MEDIAN = 2
BEFORE = """# Maps of well-known samplers

Which samplers keep the data when their output is trained on again, and which do not? The table is for a **perfect
network**: all that is left is what the sampler's own steps do. A direction of the data has a variance w, one round makes
V(w) of it, and rounds with a share of fresh data settle at a limit. Every number is divided by w, so 1 is right, below 1
is variety lost, and above 1 is variance that the data do not have.

![One round and the limits at three fresh fractions, one row for each sampler](../validation/records/cpu/schedulers.svg)

*A median direction of Fashion-MNIST, variance {width:g} where pixels are in [-1, 1].*

| sampler, steps | one round, V(w)/w | limit, 90 % fresh | limit, 50 % fresh | limit, 10 % fresh |
|---|---|---|---|---|"""
AFTER = """
**How to read it.** One round close to 1 is not enough: with 10 % of fresh data a deviation that repeats is multiplied by
about ten, and more where the map itself amplifies. EDM's 18 Heun steps make {heun_round:g} of this variance in one round
and {heun_limit:.3g} in the limit; 40 steps, {fine_limit:.3g}. Flow and Euler samplers at their usual 28 or 30 steps lose
variance; DDPM with 1000 steps is close to neutral. A distilled model of few steps (LCM) depends on what its network is
taken to be: a flow map is exact, a posterior mean loses almost everything in its few steps.

Numbers are exact for Gaussian directions; for data with several modes they are a closure, which in every case tried had
the right sign, and a quarter of the change or more. Guidance, an autoencoder and the error of a learned score come on
top: `hermite-collapse audit` adds them, for your sampler and your data ({{doc}}`questions`). The formulas are in
{{doc}}`theory/round_maps`, curves over all variances in {{doc}}`examples/plot_steps`.

## Other directions, and the last step alone

The record itself, with the widest direction (w = 1) and the percentiles 90, 50 and 10 of the variances of Fashion-MNIST.
In brackets: what the last step would do alone. Every sampler was also run with particles through its scheduler object;
`make validate` writes it again.

:::{{dropdown}} All tables
```{{include}} ../validation/records/cpu/schedulers.md
:start-line: 6
:heading-offset: 1
```
:::
"""


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    return {"samplers.md": "\n".join(_page())}


def _page() -> Iterator[str]:
    record = json.loads((RECORDS / "schedulers.json").read_text("utf-8"))
    rows = {(row["name"], row["steps"]): _values(row) for row in record["samplers"]}
    yield BEFORE.format(width=record["widths"][MEDIAN])
    for (name, steps), (one, limits) in rows.items():
        cells = [f"{name}, {steps}", f"{one:.3g}", *(f"{limits[share]:.3g}" for share in reversed(SHARES))]
        yield f"| {' | '.join(cells)} |"
    coarse, fine = rows["EDM, Heun", 18], rows["EDM, Heun", 40]
    yield AFTER.format(heun_round=round(coarse[0], 2), heun_limit=coarse[1]["0.1"], fine_limit=fine[1]["0.1"])


def _values(row: dict[str, dict]) -> tuple[float, dict[str, float]]:
    """Return a sampler's one round and limits at the median direction."""
    limits = {share: row["limits"][share]["exact"][MEDIAN] for share in SHARES}
    return row["one_round"]["exact"][MEDIAN], limits
