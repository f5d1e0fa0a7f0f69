"""Several recursions as one launch: the bytes of each alone, in Triton's interpreter, and compilations for a card.

`test_triton.test_in_the_interpreter` runs those that need the interpreter.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import (
    ChannelGeneration,
    ExactGeneration,
    ReverseDiffusion,
    StepsGeneration,
    devices,
    generations,
    simulate,
)
from hermite_collapse.simulation.fused import diffusion, starts, together
from hermite_collapse.simulation.rounds import run_rounds
from hermite_collapse.simulation.settings import RunSettings

pytest.importorskip("triton")

from hermite_collapse.simulation.fused import triton_channel, triton_random, triton_reverse
from hermite_collapse.simulation.fused.triton_random import Part, draw_pair, launches_of
from hermite_collapse.simulation.noise import Piece
from tests.triton_processes import (
    channel_for_hopper,
    compiled,
    double_operations,
    interpreted,
    registers_of,
    reverse_for_hopper,
)

CPU = torch.device("cpu")
ARRAYS = ("coefficients", "second_moments", "means", "covariances", "samples")
REVERSE = ReverseDiffusion(steps=2)
STEPS = hc.mechanisms.SamplerSteps


class Launches:
    """A kernel that counts how often it is launched, and for how many parts."""

    def __init__(self, kernel):
        self._kernel, self.parts = kernel, []

    def __getitem__(self, grid):
        self.parts.append(grid[1])
        return self._kernel[grid]


@pytest.fixture
def launches(monkeypatch):
    """The way of a CUDA device but for the device; kernels together are held against each alone on the way."""

    def usable(kernel, device, variant=None, difference=None):
        return difference is None or difference() <= 1e-12

    for module in (diffusion, starts, together, generations, triton_channel):
        monkeypatch.setattr(module, "usable", usable)
    monkeypatch.setattr(diffusion, "engine_for", lambda *_, **__: diffusion.TRITON)
    monkeypatch.setattr(devices, "works_in_blocks", lambda device: False)
    monkeypatch.setattr(devices, "default_chunk", lambda *given, **named: 1 << 30)
    counted = {"reverse": Launches(triton_reverse.reverse), "channel": Launches(triton_channel._draw)}
    monkeypatch.setattr(triton_reverse, "reverse", counted["reverse"])
    monkeypatch.setattr(triton_channel, "_draw", counted["channel"])
    return counted


def mixture(dimension: int, components: int, framed: bool, seed: int = 0) -> hc.GaussianMixture:
    """Components of any spread, with axes of two frames if asked for."""
    generator = np.random.default_rng(seed)
    spread = generator.uniform(0.1, 0.5, (components, dimension))
    if framed:
        frames = np.linalg.qr(generator.standard_normal((2, dimension, dimension)))[0]
        own = frames[np.arange(components) % 2]
        spread = np.einsum("kij,kj,klj->kil", own, spread, own)
    means = generator.standard_normal((components, dimension))
    return hc.GaussianMixture(generator.dirichlet(np.ones(components)), means, spread)


def recursions(dimension: int, framed: bool = False) -> dict[str, hc.Recursion]:
    """Different shares, truncations, regimes, starts, blurs and numbers of components, alike but for the last."""
    target = mixture(dimension, 3, framed)
    return {
        "one": hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1),
        "two": hc.Recursion(target, fresh_fraction=0.6, truncation_time=(0.2, 0.3), blur=0.1),
        "three": hc.Recursion(
            target, fresh_fraction=0.5, truncation_time=0.2, regime="accumulate_with_fresh"
        ),
        "four": hc.Recursion(
            hc.GaussianMixture([0.5, 0.5], np.ones((2, dimension)), 0.3),
            fresh_fraction=0.9,
            truncation_time=0.3,
            initial=target,
        ),
    }


def unstopped(dimension: int, framed: bool = False) -> dict[str, hc.Recursion]:
    target = mixture(dimension, 3, framed)
    return {str(f): hc.Recursion(target, fresh_fraction=f, truncation_time=0.0) for f in (0.2, 0.8)}


GENERATIONS = {
    "channel": (ChannelGeneration(), recursions),
    "exact": (ExactGeneration(REVERSE), recursions),
    "guided": (StepsGeneration(STEPS.ddpm(steps=3), guidance_scale=2.0), unstopped),
}


@interpreted
@pytest.mark.parametrize(
    ("name", "dimension", "framed", "chunk"),
    [
        ("channel", 2, True, 100),
        ("exact", 1, False, 100),
        pytest.param("channel", 1, False, None, marks=pytest.mark.slow),
        pytest.param("guided", 1, False, None, marks=pytest.mark.slow),
        pytest.param("exact", 2, True, None, marks=pytest.mark.slow),
        pytest.param("exact", 10, False, None, marks=pytest.mark.slow),
        pytest.param("guided", 2, True, 70, marks=pytest.mark.slow),
        pytest.param("guided", 10, False, None, marks=pytest.mark.slow),
    ],
)
def test_bytes_are_those_of_each_recursion_alone(name, dimension, framed, chunk, launches):
    generation, make = GENERATIONS[name]
    given = make(dimension, framed)
    rounds = 1 if (name, dimension) == ("exact", 1) else 2
    options = {"rounds": rounds, "particles": 35, "runs": 2, "degree": 2, "device": "cpu", "keep": "all"}
    records = run_rounds(RunSettings.of(given, generation, seed=5, chunk=chunk, **options))
    assert max(max(counted.parts, default=0) for counted in launches.values()) > 1
    first = next(iter(given))
    for key, recursion in given.items():
        alone = simulate(recursion, generator=generation, seed=records[key].seed, **options)
        for array in ARRAYS:
            assert getattr(records[key], array).tobytes() == getattr(alone, array).tobytes(), array
        assert key == first or alone.samples.tobytes() != records[first].samples.tobytes()


@interpreted
@pytest.mark.parametrize("name", ["channel", "exact"])
def test_a_round_of_any_number_of_recursions_is_one_launch(name, launches, monkeypatch):
    monkeypatch.setattr(triton_channel.TrainingTogether, "difference_from_each", lambda self: 0.0)
    monkeypatch.setattr(together.DiffusionsTogether, "difference_from_each", lambda self: 0.0)
    target = mixture(1, 3, False)
    counts = []
    for number in (2, 5):
        for counted in launches.values():
            counted.parts.clear()
        shares = np.linspace(0.2, 0.8, number)
        given = {str(f): hc.Recursion(target, fresh_fraction=f, truncation_time=0.1) for f in shares}
        monkeypatch.setattr(diffusion.Diffusion, "_difference", lambda self: 0.0)
        settings = RunSettings.of(given, GENERATIONS[name][0], rounds=2, particles=20, degree=2, device="cpu")
        run_rounds(settings)
        counts.append({key: len(counted.parts) for key, counted in launches.items()})
        assert {part for counted in launches.values() for part in counted.parts} == {number}
    # The start of the recursion, and of each round that begins a reverse diffusion.
    assert counts == 2 * [{"channel": 3, "reverse": 2 if name == "exact" else 0}]


@interpreted
def test_runs_with_refits_of_their_own_are_one_launch(launches):
    recursion = next(iter(unstopped(1).values()))
    generation = StepsGeneration(STEPS.ddim(steps=2))
    simulate(
        recursion, generator=generation, rounds=2, particles=20, runs=3, degree=2, device="cpu", keep="last"
    )
    assert launches["reverse"].parts[-1] == 3


PARTS = [
    Part(0, (Piece(0, 0, 30), Piece(1, 0, 30), Piece(2, 3, 7)), (1, 2)),
    Part(1, (Piece(5, 0, 7),), (3, 1 << 31)),
    Part(0, (Piece(6, 0, 7),), (5, 6)),
    Part(2, (Piece(0, 0, 7),), (1, 2)),
]


def test_launches_hold_every_row_once_and_are_as_few_as_sizes_and_variants():
    made = list(launches_of(PARTS, ["a", "a", "b"], [0, 1, 0], CPU))
    assert [(one.variant, one.span, one.rows.size) for one in made] == [
        ("a", slice(0, 60), 30),
        ("a", slice(60, 88), 7),
        ("b", slice(60, 88), 7),
    ]
    assert [one.shares.table.tolist() for one in made] == [
        [[0, 0, 60]],
        [[0, 0, 7], [1, 7, 14], [0, 14, 21]],
        [[0, 21, 28]],
    ]
    assert made[1].shares.largest == 7
    assert made[1].shares.keys.tolist() == [1 + (2 << 32), 3 - (1 << 63), 5 + (6 << 32)]


def test_more_parts_than_a_grid_has_are_several_launches(monkeypatch):
    monkeypatch.setattr(triton_random, "_MOST_PARTS", 3)
    parts = [Part(owner, (Piece(0, 0, 2),), (owner, 0)) for owner in range(7)]
    made = list(launches_of(parts, ["a"] * 7, range(7), CPU))
    assert [one.shares.table[:, 0].tolist() for one in made] == [[0, 1, 2], [3, 4, 5], [6]]


@interpreted
def test_numbers_of_parts_are_those_of_their_keys(monkeypatch):
    monkeypatch.setattr(triton_random, "LARGEST_ELEMENTS", 30)  # several launches along the rows
    for one in launches_of(PARTS, ["a"] * 3, range(3), CPU):
        pair = draw_pair("normal", 2, 3, one.rows, one.shares)
        for (_, begin, end), key in zip(one.shares.table.tolist(), one.shares.keys.tolist(), strict=True):
            words = (key & 0xFFFFFFFF, (key >> 32) & 0xFFFFFFFF)
            for own, expected in zip(pair, draw_pair("normal", 2, 3, one.rows, words), strict=True):
                assert torch.equal(own[begin:end], expected[begin:end])


@interpreted
def test_a_kernel_with_other_bytes_than_alone_is_not_used(launches, monkeypatch):
    diffusions = [
        generation_round._diffusion
        for generation_round in (
            ExactGeneration(REVERSE).prepare(generations.RoundContext(recursion, 0, 1, 20, 3, CPU, {}))
            for recursion in list(recursions(1).values())[:2]
        )
    ]
    made = together.DiffusionsTogether.of(diffusions)
    assert made is not None and made.difference_from_each() == 0.0
    made._number[1] = 0  # the tables of the other
    assert made.difference_from_each() == np.inf
    monkeypatch.setattr(together.DiffusionsTogether, "difference_from_each", lambda self: np.inf)
    assert together.DiffusionsTogether.of(diffusions) is None
    laws = [one.start for one in diffusions]
    tables = [triton_channel.TrainingTables.of_law(law) for law in laws]
    drawn = triton_channel.together(tables, start=True)
    assert drawn is not None
    drawn._places[1] = drawn._places[0]
    assert drawn.difference_from_each() == np.inf


@compiled
@pytest.mark.parametrize("start", [False, True])
def test_the_channel_of_several_does_the_same_operations(start):
    one, several = (channel_for_hopper(START=start, MANY=many) for many in (False, True))
    assert len(double_operations(one)) > 200
    assert double_operations(one) == double_operations(several)
    (few, no_stack), (some, stack) = registers_of(one), registers_of(several)
    assert few <= 80 and no_stack == stack == 0 and some <= few + 16


@compiled
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dimension", "width", "tile", "options"),
    [
        (1, 1, 8, {"particles": 256}),
        (2, 2, 8, {"particles": 128, "FRAMES": True}),
        (10, 16, 16, {"ahead": 2, "SEVERAL": False}),
        (20, 32, 32, {}),
    ],
)
def test_the_reverse_diffusion_of_several_does_the_same_operations(dimension, width, tile, options):
    one, several = (
        reverse_for_hopper(dimension, width, tile=tile, MANY=many, **options) for many in (False, True)
    )
    assert sorted(double_operations(one)) == sorted(double_operations(several))
    (_, own), (_, together_) = registers_of(one), registers_of(several)
    assert together_ <= own + 64 and (own == 0 or dimension > 16)
