"""The channel generator's compiled pass against torch's operations, particle by particle."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.laws.channels import GaussianChannel
from hermite_collapse.simulation.generations import RoundContext, TrainingMixture
from hermite_collapse.simulation.noise import plan_chunks

CPU = torch.device("cpu")


def rotated():
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(3, 3, 3))
    return hc.GaussianMixture([0.2, 0.5, 0.3], rng.normal(size=(3, 3)), roots @ roots.transpose(0, 2, 1))


def many(dimension):
    """More components than are compared one by one, of unequal weights."""
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.1, 1.0, 40)
    return hc.GaussianMixture(
        weights / weights.sum(), rng.normal(size=(40, dimension)), rng.uniform(0.1, 1.0, (40, dimension))
    )


LAWS = {
    "one": lambda: hc.GaussianMixture([1.0], [[0.5]], [[2.0]]),
    "rotated": rotated,
    "many": lambda: many(5),
    "points": lambda: hc.EmpiricalLaw(np.random.default_rng(6).normal(size=(300, 2))),
}


def context(law, *, regime="replace", fresh=0.3, runs=2, particles=9000):
    recursion = hc.Recursion(law, fresh_fraction=fresh, truncation_time=0.2, regime=regime)
    index = 3
    rng = np.random.default_rng(7)
    earlier = {
        j: torch.from_numpy(rng.normal(size=(runs, particles, recursion.dimension)) + 10.0 * j)
        for j in np.flatnonzero(recursion.mixing(index)[1])
    }
    return RoundContext(recursion, index, runs, particles, 11, CPU, earlier)


@pytest.mark.parametrize("chunk", [8192, 10**6])
@pytest.mark.parametrize(("regime", "fresh"), [("replace", 0.3), ("replace", 1.0), ("accumulate", 0.0)])
@pytest.mark.parametrize("name", LAWS)
def test_compiled_particles_are_those_of_the_readable_route(name, regime, fresh, chunk):
    """A few units of rounding of the largest term; a different source, member or component would be far away."""
    round_context = context(LAWS[name](), regime=regime, fresh=fresh)
    training, channel = TrainingMixture(round_context), GaussianChannel(0.9, 0.19)
    for part in plan_chunks(round_context.runs, round_context.particles, chunk):
        made = training.draw(part, "channel", channel)
        readable = training.draw_readable(round_context.noise(part, "channel"), channel)
        assert made.shape == readable.shape == (part.rows, round_context.recursion.dimension)
        scale = float(readable.abs().max())
        assert float((made - readable).abs().max()) < 1e-14 * scale
        other = training.draw_readable(round_context.noise(part, "pool"), channel)
        assert float((made - other).abs().max()) > 0.1  # control


def test_every_particle_is_a_parent_carried_through_the_channel():
    """Without noise each is scale times a point of the data or an earlier particle of its own run, in proportion."""
    points = np.arange(1.0, 6.0)[:, None]
    round_context = context(hc.EmpiricalLaw(points), fresh=0.25, particles=20_000)
    training = TrainingMixture(round_context)
    for part in plan_chunks(2, 20_000, 20_000):
        made = training.draw(part, "channel", GaussianChannel(0.5, 0.0)).numpy()[:, 0]
        run = part.pieces[0].run
        own = {j: rows[run, :, 0].numpy() for j, rows in round_context.earlier.items()}
        fresh = np.isin(2.0 * made, points)
        assert abs(np.mean(fresh) - 0.25) < 4.5 * np.sqrt(0.25 * 0.75 / len(made))
        assert np.isin(2.0 * made[~fresh], np.concatenate(list(own.values()))).all()
        counts = np.bincount((2.0 * made[fresh]).astype(int), minlength=6)[1:]
        expected = fresh.sum() / 5.0
        assert np.sum((counts - expected) ** 2 / expected) < 4.0 + 4.5 * np.sqrt(8.0)


def test_members_are_drawn_with_equal_probability_over_the_whole_run():
    round_context = context(hc.EmpiricalLaw([[-1.0]]), fresh=0.0, particles=16_000, runs=1)
    (source,) = round_context.earlier.values()
    source.copy_(torch.arange(16_000.0, dtype=torch.float64).view(1, -1, 1))
    chunks = plan_chunks(1, 16_000, 10**6)
    made = torch.cat(
        [TrainingMixture(round_context).draw(c, "pool", GaussianChannel(1.0, 0.0)) for c in chunks]
    )
    counts = np.bincount(made.numpy()[:, 0].astype(int) // 1000, minlength=16)
    assert np.sum((counts - 1000.0) ** 2 / 1000.0) < 15.0 + 4.5 * np.sqrt(30.0)
    assert counts.sum() == 16_000
