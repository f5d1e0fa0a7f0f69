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
variance. DDPM with 1000 steps is close to neutral where its noise has variance beta ({beta_limit:.3g} in the limit); with
the posterior variance a round keeps {posterior_round:.3g}, and the limit {posterior_limit:.3g}. A distilled model of few steps (LCM) depends on what its network is
taken to be: a flow map is exact, a posterior mean loses almost everything in its few steps.

More steps are not always nearer to 1. With DPM++ 2M Karras two errors have opposite signs in this direction: its steps
widen it, its last step alone, which ends far from the data, keeps {karras_last:.3g}. With 20 steps the two happen to
cancel ({karras_few:.3g}); with 50 the first is gone and the second is left ({karras_many:.3g}). In the widest direction,
where the last step does nothing, 50 steps are the better ones (tables below).

Numbers are exact for Gaussian directions; for data with several modes they are a closure, which in every case tried had
the right sign: the true change of the total variance was between a quarter of what they say and all of it. Guidance, an autoencoder and the error of a learned score come on
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
    posterior, karras = rows["DDPM, posterior variance", 1000], "Stable Diffusion 1.5, DPM++ 2M Karras"
    last = next(row for row in record["samplers"] if (row["name"], row["steps"]) == (karras, 50))["one_round"]
    yield AFTER.format(
        heun_round=round(coarse[0], 2),
        heun_limit=coarse[1]["0.1"],
        fine_limit=fine[1]["0.1"],
        beta_limit=rows["DDPM, variance beta", 1000][1]["0.1"],
        posterior_round=posterior[0],
        posterior_limit=posterior[1]["0.1"],
        karras_last=last["last_step"][MEDIAN],
        karras_few=rows[karras, 20][0],
        karras_many=rows[karras, 50][0],
    )


def _values(row: dict[str, dict]) -> tuple[float, dict[str, float]]:
    """Return a sampler's one round and limits at the median direction."""
    limits = {share: row["limits"][share]["exact"][MEDIAN] for share in SHARES}
    return row["one_round"]["exact"][MEDIAN], limits
