"""The route of a device that is no CPU, run on one: as many operations for many particles as for few."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import hermite_collapse as hc
from hermite_collapse.simulation import (
    ChannelGeneration,
    ExactGeneration,
    KernelGeneration,
    NeuralGeneration,
    ResidualPerceptron,
    ReverseDiffusion,
    Training,
    devices,
    simulate,
)
from hermite_collapse.simulation.generations import TrainingMixture
from hermite_collapse.simulation.noise import BLOCK, Piece, plan_chunks
from hermite_collapse.simulation.statistics import HermiteStatistics

RECURSION = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.2)
REVERSE = ReverseDiffusion(steps=3)


def _same(denoiser):
    """The denoiser itself, by the readable loop: a wrapped one is not run in a kernel."""
    return denoiser


GENERATIONS = {
    "channel": ChannelGeneration(),
    "exact": ExactGeneration(REVERSE, wrap=_same),
    "kernel": KernelGeneration(REVERSE, pool=50),
    "neural": NeuralGeneration(
        ResidualPerceptron(width=8, blocks=1, frequencies=2),
        Training(samples=100, steps=2, batch=16),
        REVERSE,
    ),
}


class Operations(TorchDispatchMode):
    """Counts the operations of torch, and the copies of results to the host."""

    def __init__(self):
        super().__init__()
        self.count, self.read = 0, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += 1
        self.read += "local_scalar" in str(function)
        return function(*arguments, **(keywords or {}))


def _readable(mixture, chunk, purpose, channel):
    return mixture.draw_readable(mixture._context.noise(chunk, purpose), channel)


def _use_device_route(monkeypatch):
    monkeypatch.setattr(devices, "works_in_blocks", lambda device: False)
    monkeypatch.setattr(devices, "default_chunk", lambda *given, **named: 1 << 30)
    monkeypatch.setattr(TrainingMixture, "draw", _readable)


@pytest.fixture
def device_route(monkeypatch):
    _use_device_route(monkeypatch)


def _counted(generation, particles, runs=1, **options):
    with Operations() as operations:
        record = simulate(
            RECURSION,
            generator=generation,
            rounds=2,
            particles=particles,
            runs=runs,
            degree=3,
            device="cpu",
            **options,
        )
    return operations, record


@pytest.mark.parametrize("name", GENERATIONS)
@pytest.mark.parametrize("products", [False, True])
def test_operations_of_a_round_do_not_grow_with_the_particles(name, products, device_route):
    few, many = (_counted(GENERATIONS[name], n * BLOCK, products=products)[0] for n in (2, 8))
    assert many.count <= few.count + 20  # the tree of sums: a few more levels
    assert many.read == few.read


@pytest.mark.parametrize("particles", [40, BLOCK + 40])
@pytest.mark.parametrize("name", ["channel", "exact", "kernel"])
def test_operations_of_a_round_do_not_grow_with_the_runs(name, particles, device_route):
    few, many = (_counted(GENERATIONS[name], particles, runs)[0] for runs in (2, 12))
    assert many.count == few.count


def test_operations_of_the_statistics_do_not_grow_with_the_recursions(device_route):
    counts = []
    for recursions in (2, 9):
        statistics = HermiteStatistics(
            2, 3, runs=recursions, particles=40, products=True, device=torch.device("cpu"), centred_together=1
        )
        (chunk,) = plan_chunks(recursions, 40, 1 << 30, whole=True)
        rows = torch.linspace(-1.0, 1.0, 2 * chunk.rows, dtype=torch.float64).view(-1, 2)
        with Operations() as operations:
            statistics.add(rows, chunk)
            statistics.result()
        counts.append(operations.count)
    assert counts[1] == counts[0]


@pytest.mark.parametrize("rows", [40, BLOCK])
@pytest.mark.parametrize("runs", [1, 50])
def test_batches_of_the_statistics_are_those_of_each_recursion_alone(rows, runs, device_route):
    """Shapes decide the last bits of a device's products: those of many recursions are those of one."""
    batches = {
        HermiteStatistics(
            2,
            3,
            runs=runs * recursions,
            particles=5 * BLOCK + 40,
            products=False,
            device=torch.device("cpu"),
            centred_together=runs,
        )._blocks_together(rows)
        for recursions in (1, 7, 100)
    }
    assert len(batches) == 1 and batches.pop() >= 32


@pytest.mark.parametrize("name", GENERATIONS)
def test_operations_block_by_block_would_be_noticed(name):
    few, many = (_counted(GENERATIONS[name], n * BLOCK, chunk=BLOCK)[0] for n in (2, 8))
    assert many.count > few.count + 100


@pytest.mark.parametrize("name", GENERATIONS)
def test_the_route_of_a_device_gives_the_same_particles(name, monkeypatch):
    particles = 3 * BLOCK // 2
    blocks = _counted(GENERATIONS[name], particles, 2, keep="all")[1]
    _use_device_route(monkeypatch)
    whole = _counted(GENERATIONS[name], particles, 2, keep="all")[1]
    tolerance = 1e-4 if name in ("kernel", "neural") else 1e-11  # float32 inside
    for array in ("samples", "coefficients", "second_moments", "means", "covariances"):
        np.testing.assert_allclose(
            getattr(whole, array), getattr(blocks, array), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize(
    ("runs", "particles", "chunk"), [(5, 100, 250), (3, BLOCK + 1, 2 * BLOCK + 2), (2, 9, 9)]
)
def test_whole_runs_are_pieces_where_one_fits_a_chunk(runs, particles, chunk):
    chunks = plan_chunks(runs, particles, chunk, whole=True)
    assert [piece for part in chunks for piece in part.pieces] == [
        Piece(run, 0, particles) for run in range(runs)
    ]
    assert [part.start for part in chunks] + [runs * particles] == [0] + [part.stop for part in chunks]
    assert all(part.rows == len(part.pieces) * particles <= chunk for part in chunks)


def test_a_run_that_does_not_fit_a_chunk_is_cut_into_blocks():
    assert plan_chunks(2, 3 * BLOCK, 2 * BLOCK, whole=True) == plan_chunks(2, 3 * BLOCK, 2 * BLOCK)
