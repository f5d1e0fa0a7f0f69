"""The Triton kernels: in Triton's interpreter against the other routes, and compiled for a Hopper card.

The interpreter has to be asked for before triton is imported: the tests that need it run in a process of their own,
which `test_in_the_interpreter` starts; the slow ones in another.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.laws.channels import GaussianChannel
from hermite_collapse.simulation import (
    EulerMaruyama,
    ExponentialMultistep,
    MixtureDenoiser,
    ProbabilityFlowHeun,
    philox,
    simulate,
)
from hermite_collapse.simulation.fused import diffusion, triton_use
from hermite_collapse.simulation.fused.diffusion import Diffusion
from hermite_collapse.simulation.generations import RoundContext, TrainingMixture
from hermite_collapse.simulation.guided import ClassGuidance
from hermite_collapse.simulation.laws import TorchMixture, components_of
from hermite_collapse.simulation.noise import NoiseStream, Piece, plan_chunks
from hermite_collapse.simulation.stages import carry

triton = pytest.importorskip("triton")
import triton.language as tl

from hermite_collapse.simulation.fused import triton_attention, triton_channel, triton_random, triton_reverse
from hermite_collapse.simulation.fused.triton_random import Rows, draw_pair, normals_of
from hermite_collapse.simulation.fused.triton_stages import power_of_minus
from tests.triton_processes import (
    channel_for_hopper,
    compile_for_hopper,
    compiled,
    interpreted,
    registers_of,
    reverse_for_hopper,
    run_in_the_interpreter,
)

CPU = torch.device("cpu")

PIECES = (Piece(0, 0, 45), Piece(3, 2, 45), Piece(3, 3, 17))  # two launches
ALIKE = PIECES[:2]  # one launch


def case(*values: object, slow: bool = False) -> object:
    return pytest.param(*values, marks=[pytest.mark.slow] if slow else [])


@compiled
@pytest.mark.parametrize("which", [case("not slow"), case("slow", slow=True)])
def test_in_the_interpreter(which):
    """These tests and those of several recursions: one process, as its imports take longer than most tests."""
    run_in_the_interpreter(which, [__file__, str(Path(__file__).with_name("test_triton_together.py"))])


def stream(purpose: str, pieces=PIECES) -> NoiseStream:
    return NoiseStream(pieces, seed=4, round_index=2, purpose=purpose, device=CPU)


def in_ulp(difference: np.ndarray, values: np.ndarray) -> float:
    return float((np.abs(difference) / np.spacing(np.abs(values))).max())


@interpreted
@pytest.mark.parametrize(("kind", "draw"), [("uniform", 0), ("uniform", 7), ("normal", 1), ("normal", 12)])
def test_numbers_of_addresses(kind, draw):
    key = philox.stream_key(11, 3, "path")
    rows = Rows.of([Piece(0, 0, 200), Piece(7, 1, 200), Piece((1 << 31) - 1, 200_000, 200)], CPU)
    particles = (np.array([0, 8192, 200_000 * 8192])[:, None] + np.arange(200)).ravel()
    runs = np.repeat([0, 7, (1 << 31) - 1], 200)
    reference = philox.draw_uniform if kind == "uniform" else philox.draw_normal
    pair = draw_pair(kind, draw, 3, rows, key)
    for made, number in zip(pair, (draw - draw % 2, draw - draw % 2 + 1), strict=True):
        expected = reference(number, 3, particles, runs, key)
        if kind == "uniform":
            assert np.array_equal(made.numpy(), expected)
        else:
            assert in_ulp(made.numpy() - expected, expected) <= 8.0


@interpreted
def test_other_addresses_give_other_numbers():
    def numbers(run=1, block=0, draw=0, key=(1, 2)):
        return draw_pair("normal", draw, 2, Rows.of([Piece(run, block, 20)], CPU), key)[0]

    first = numbers()
    assert torch.equal(first, numbers())
    for other in (
        numbers(run=2),
        numbers(block=1),
        numbers(draw=2),
        numbers(key=(1, 3)),
        numbers(key=(2, 2)),
    ):
        assert not bool((first == other).any())


@triton.jit
def normals_kernel(radius_bits, angle_bits, even, odd, COUNT: tl.constexpr):
    index = tl.arange(0, COUNT)
    low, high = normals_of(
        tl.load(radius_bits + index).to(tl.uint64, bitcast=True),
        tl.load(angle_bits + index).to(tl.uint64, bitcast=True),
    )
    tl.store(even + index, low)
    tl.store(odd + index, high)


@interpreted
def test_normals_of_extreme_bits():
    """Next to u = 0 and u = 1, at every quarter turn, and over seventeen octaves of the radius."""
    generator = np.random.default_rng(3)
    edges = [
        0,
        1,
        2**64 - 1,
        2**63,
        2**62,
        2**62 - 2**11,
        2**62 + 2**11,
        3 * 2**62,
        2**61,
        5 * 2**61,
        2**11,
        2**64 - 2**11,
    ]
    radius = np.array(
        [a for a in edges for _ in edges]
        + [int(x) >> s for s in range(17) for x in generator.integers(2**63, 2**64 - 1, 8, dtype=np.uint64)],
        dtype=np.uint64,
    )
    angle = np.array(edges * len(edges), dtype=np.uint64)
    angle = np.concatenate(
        [angle, generator.integers(0, 2**64 - 1, len(radius) - len(angle), dtype=np.uint64)]
    )
    size = 1 << int(len(radius) - 1).bit_length()
    bits = [torch.from_numpy(np.resize(array, size).view(np.int64).copy()) for array in (radius, angle)]
    made = [torch.empty(size, dtype=torch.float64) for _ in range(2)]
    normals_kernel[(1,)](*bits, *made, COUNT=size)
    radius_64, angle_64 = (array.numpy().view(np.uint64) for array in bits)
    for own, expected in zip(made, philox.normal_pair(radius_64, angle_64), strict=True):
        assert np.abs(own.numpy() - expected).max() < 1e-14
        normal = np.abs(expected) > 1e-8
        assert in_ulp((own.numpy() - expected)[normal], expected[normal]) <= 8.0
    assert float(made[0].abs().max()) > 9.4


@triton.jit
def powers_kernel(t, result, COUNT: tl.constexpr):
    index = tl.arange(0, COUNT)
    tl.store(result + index, power_of_minus(tl.load(t + index)))


@interpreted
def test_powers_of_two():
    t = np.concatenate(
        [[0.0, 0.5, 1.0, 1000.0, 1e5, 1e300], np.random.default_rng(0).uniform(0.0, 990.0, 1018)]
    )
    result = torch.empty(len(t), dtype=torch.float64)
    powers_kernel[(1,)](torch.from_numpy(t), result, COUNT=len(t))
    assert in_ulp(result.numpy()[6:] - 2.0 ** -t[6:], 2.0 ** -t[6:]) <= 1.0
    assert result[0] == 1.0 and result[2] == 0.5
    assert bool((result[3:6] <= 2.0**-999).all()) and bool((result[3:6] > 0.0).all())


def law(components: int, dimension: int, kind: str, seed: int = 0) -> TorchMixture:
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(components))
    means = 2.0 * generator.standard_normal((components, dimension)) + (1e3 if kind == "far" else 0.0)
    spread = generator.uniform(0.1, 0.5, (components, dimension))
    if kind == "isotropic":
        spread = np.broadcast_to(spread[:, :1], spread.shape)
    if kind == "rotated":
        frames = np.linalg.qr(generator.standard_normal((2, dimension, dimension)))[0]
        spread = np.einsum(
            "kij,kj,klj->kil", frames[np.arange(components) % 2], spread, frames[np.arange(components) % 2]
        )
    return components_of(hc.GaussianMixture(weights, means, spread), CPU)


def largest_difference(
    mixture: TorchMixture, stages, guidance: ClassGuidance | None = None
) -> tuple[float, float]:
    """Between kernel and loop, and the largest coordinate."""
    made = Diffusion(MixtureDenoiser(mixture), stages, mixture, CPU, guidance=guidance)
    x, path = mixture.sample(stream("start", ALIKE)), stream("path", ALIKE)
    labels = None if guidance is None else torch.arange(len(x)) % len(guidance.classes)
    expected = carry(x, made.denoiser_for(labels), stages, stream("path", ALIKE))
    made.kernel.carry(x, path.pieces, path.key, labels)
    return float((x - expected).abs().max()), float(expected.abs().max())


def stages_of(sampler, steps: int = 3):
    return sampler.stages(steps=steps, start=8.0, stop=0.1, rate=0.5)


@interpreted
@pytest.mark.parametrize(
    ("components", "dimension", "kind"),
    [
        (1, 1, "diagonal"),
        (20, 1, "diagonal"),
        (5, 2, "isotropic"),
        (3, 2, "rotated"),
        (2, 10, "far"),
        (2, 12, "rotated"),
        (40, 20, "diagonal"),
        case(3, 1, "isotropic", slow=True),
        case(7, 10, "isotropic", slow=True),
        case(11, 3, "diagonal", slow=True),
        case(6, 2, "rotated", slow=True),
        case(4, 8, "diagonal", slow=True),
        case(25, 10, "diagonal", slow=True),
        case(5, 12, "rotated", slow=True),
        case(64, 20, "diagonal", slow=True),
        case(40, 64, "isotropic", slow=True),
        case(3, 2, "far", slow=True),
    ],
)
def test_particles_are_those_of_the_loop(components, dimension, kind):
    """To rounding, 2e-16 of the largest logit, amplified by the dynamics: below 1e-12 at these sizes."""
    difference, largest = largest_difference(
        law(components, dimension, kind), stages_of(ExponentialMultistep())
    )
    assert largest > 0.0 and difference <= 1e-12 * max(1.0, largest) ** (2 if kind == "far" else 1)


def guidance_of(mixture: TorchMixture, scale: float) -> ClassGuidance:
    """Three classes, of every third component each."""
    class_of = np.arange(mixture.count) % 3
    classes = []
    for own in range(3):
        members = torch.from_numpy(class_of == own)
        weights = mixture.weights[members] / mixture.weights[members].sum()
        part = TorchMixture(
            weights,
            mixture.means[members],
            mixture.variances[members],
            mixture.frames,
            None if mixture.frame_of is None else mixture.frame_of[members],
        )
        classes.append(MixtureDenoiser(part))
    return ClassGuidance(classes, class_of, scale)


@interpreted
@pytest.mark.parametrize(
    ("components", "dimension", "kind"),
    [
        (10, 1, "diagonal"),  # tiles without a component of some class
        (3, 10, "isotropic"),
        case(3, 2, "rotated", slow=True),
        case(4, 12, "rotated", slow=True),
        case(6, 3, "rotated", slow=True),
        case(40, 20, "diagonal", slow=True),
        case(35, 10, "isotropic", slow=True),
        case(7, 4, "diagonal", slow=True),
        case(5, 7, "isotropic", slow=True),
        case(4, 40, "diagonal", slow=True),
    ],
)
def test_guided_particles_are_those_of_the_loop(components, dimension, kind):
    mixture, stages = law(components, dimension, kind), stages_of(ExponentialMultistep())
    difference, largest = largest_difference(mixture, stages, guidance_of(mixture, 1.7))
    assert difference <= 1e-12 * max(1.0, largest)
    other, _ = largest_difference(
        mixture, stages, replace(guidance_of(mixture, 1.7), class_of=np.arange(components) % 2)
    )
    assert other > 1e-3


@interpreted
@pytest.mark.parametrize("dimension", [2, case(10, slow=True)])
@pytest.mark.parametrize(
    "sampler",
    [
        ExponentialMultistep(order=1, final_step="half"),
        ExponentialMultistep(final_step="full"),
        EulerMaruyama(final_step="rescaled"),
        ProbabilityFlowHeun(),
    ],
)
def test_every_sampler(sampler, dimension):
    difference, _ = largest_difference(law(4, dimension, "diagonal"), stages_of(sampler, 2))
    assert difference <= 1e-12


@interpreted
def test_particles_are_those_of_the_compiled_kernel():
    mixture, stages = law(9, 5, "diagonal"), stages_of(ExponentialMultistep(), 2)
    made = Diffusion(MixtureDenoiser(mixture), stages, mixture, CPU)
    expected = made.particles(stream("start"), stream("path"))
    x, path = mixture.sample(stream("start")), stream("path")
    made.kernel.carry(x, path.pieces, path.key)
    assert float((x - expected).abs().max()) <= 1e-12


@interpreted
@pytest.mark.parametrize("name", ["tilted_2d", case("five_modes_10d", slow=True)])
def test_a_simulation_by_the_kernel(name, monkeypatch):
    """The whole way of a CUDA device but for the device; the variants are held against the loop on the way."""
    recursion = hc.Recursion(hc.presets.load(name), fresh_fraction=0.5, truncation_time=0.1)

    def simulated():
        return simulate(recursion, rounds=1, particles=70, degree=3, generator="exact", steps=2, device="cpu")

    expected = simulated()
    used = []

    def usable(kernel, device, variant, difference):
        used.append(difference())
        return True

    monkeypatch.setattr(diffusion, "engine_for", lambda *_, **__: diffusion.TRITON)
    monkeypatch.setattr(diffusion, "usable", usable)
    made = simulated()
    np.testing.assert_allclose(made.coefficients, expected.coefficients, atol=1e-12)
    assert len(used) == 1 and max(used) < 1e-12


@interpreted
def test_particles_do_not_depend_on_what_is_carried_with_them():
    mixture, stages = law(5, 10, "diagonal"), stages_of(ExponentialMultistep(), 2)
    kernel = Diffusion(MixtureDenoiser(mixture), stages, mixture, CPU).kernel
    start = mixture.sample(stream("start"))
    together, alone = start.clone(), start[90:].clone()
    kernel.carry(together, PIECES, (1, 2))
    kernel.carry(alone, PIECES[2:], (1, 2))
    assert torch.equal(together[90:], alone)


def round_context(data: hc.GaussianMixture | hc.EmpiricalLaw, regime: str, fresh: float) -> RoundContext:
    recursion = hc.Recursion(data, fresh_fraction=fresh, truncation_time=0.2, regime=regime)
    generator = np.random.default_rng(7)
    earlier = {
        j: torch.from_numpy(generator.normal(size=(2, 300, recursion.dimension)) + 10.0 * j)
        for j in np.flatnonzero(recursion.mixing(3)[1])
    }
    return RoundContext(recursion, 3, 2, 300, 11, CPU, earlier)


@interpreted
@pytest.mark.parametrize(
    ("name", "regime", "fresh"),
    [
        case(name, regime, fresh, slow=slow and name != "many")
        for name in ("one", "many", "points", "framed")
        for regime, fresh, slow in (
            ("replace", 0.3, False),
            ("replace", 1.0, True),
            ("accumulate", 0.0, True),
        )
    ],
)
def test_particles_of_the_channel(name, regime, fresh):
    """A few units of rounding of the largest term; a different source, member or component would be far away."""
    generator = np.random.default_rng(5)
    data = {
        "one": lambda: hc.GaussianMixture([1.0], [[0.5]], [[2.0]]),
        "many": lambda: hc.GaussianMixture(
            generator.dirichlet(np.ones(40)),
            generator.normal(size=(40, 5)),
            generator.uniform(0.1, 1.0, (40, 5)),
        ),
        "framed": lambda: hc.GaussianMixture(
            [0.3, 0.7], generator.normal(size=(2, 3)), [np.diag([1.0, 2.0, 3.0]), np.eye(3) + 0.5]
        ),
        "points": lambda: hc.EmpiricalLaw(generator.normal(size=(300, 2))),
    }[name]()
    context = round_context(data, regime, fresh)
    training = TrainingMixture(context)
    for part in plan_chunks(2, 300, 300):
        path = context.noise(part, "channel")
        tables = training.tables(GaussianChannel(0.9, 0.16))
        made = triton_channel.training_through_channel(tables, path.pieces, path.key)
        expected = training.draw_readable(path, GaussianChannel(0.9, 0.16))
        assert made.shape == expected.shape
        assert float((made - expected).abs().max()) < 1e-14 * float(expected.abs().max())


@interpreted
@pytest.mark.parametrize(("dimension", "count"), [(1, 300), (10, 129), (20, 64)])
@pytest.mark.parametrize(("noise", "shift", "unit"), [(0.5, 0.0, 1.0), (0.1, 30.0, 1.0), (0.5, 0.0, 1e-4)])
def test_means_of_pools(dimension, count, noise, shift, unit):
    """Within 5e-7 of the largest logit times the spread, from differences in float64."""
    generator = torch.Generator().manual_seed(1)
    points = shift + torch.randn(2, count, dimension, dtype=torch.float64, generator=generator)
    queries = 0.9 * points[:, :50] + noise * torch.randn(
        2, 50, dimension, dtype=torch.float64, generator=generator
    )
    logits = (queries[:, :, None] - 0.9 * points[:, None]).square().sum(-1) / (-2.0 * noise**2)
    expected = torch.softmax(logits, dim=-1) @ points
    made = triton_attention.means(unit * queries, unit * points, 0.9, (unit * noise) ** 2) / unit
    centred = points - points.mean(1, keepdim=True)
    largest = float(((0.9 / noise) ** 2 * centred.square().sum(-1)).max())
    assert float((made - expected).abs().max()) <= 5e-7 * max(largest, 1.0)


@interpreted
@pytest.mark.parametrize("kernel", list(triton_use.KERNELS))
def test_kernels_pass_their_own_check(kernel):
    module = __import__(f"hermite_collapse.simulation.fused.{kernel}", fromlist=["check_on_device"])
    assert module.check_on_device(CPU) <= module.LARGEST_DIFFERENCE


@interpreted
def test_checks_see_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(triton_random, "first_word", lambda draw, kind: philox.first_word(draw + 2, kind))
    assert triton_random.check_on_device(CPU) > triton_random.LARGEST_DIFFERENCE
    monkeypatch.setattr(
        triton_channel,
        "key_arguments",
        lambda key, rows: (triton_random.key_of(key) + 1, rows.runs, rows.runs),
    )
    assert triton_channel.check_on_device(CPU) > triton_channel.LARGEST_DIFFERENCE
    monkeypatch.setattr(triton_attention, "_LOG2_E", 1.4437)
    assert triton_attention.check_on_device(CPU) > triton_attention.LARGEST_DIFFERENCE
    monkeypatch.setattr(triton_reverse, "_LOG2_E", 1.4427)
    assert triton_reverse.check_on_device(CPU) > triton_reverse.LARGEST_DIFFERENCE


def test_a_kernel_that_does_not_run_is_named_in_a_note(monkeypatch):
    monkeypatch.setattr(triton_use, "_notes", {})
    monkeypatch.setattr(triton_use, "_problems", {})
    monkeypatch.setitem(triton_use.KERNELS, "triton_missing", "Imagined numbers")
    cuda = torch.device("cuda", 0)
    assert not triton_use.usable("triton_missing", cuda)
    (note,) = triton_use.notes(cuda)
    assert note.startswith(
        "Imagined numbers were made by torch's own operations: the Triton kernel does not run (Module"
    )
    assert triton_use.notes(CPU) == ()
    assert not triton_use.usable("triton_random", CPU)


def test_a_variant_that_disagrees_is_named_in_a_note(monkeypatch):
    monkeypatch.setattr(triton_use, "_notes", {})
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(triton_use, "_problems", {("triton_reverse", str(cuda), None): None})
    asked = []

    def use(variant: int, difference: float) -> bool:
        return triton_use.usable("triton_reverse", cuda, variant, lambda: asked.append(variant) or difference)

    assert use(1, 0.0) and triton_use.notes(cuda) == ()
    assert not use(2, 0.25) and not use(3, float("nan"))
    assert use(1, 0.25) and asked == [1, 2, 3]  # asked once
    (note,) = triton_use.notes(cuda)
    assert note.endswith("the Triton kernel differs by nan from them.")


@pytest.mark.gpu
@compiled
@pytest.mark.parametrize("kernel", list(triton_use.KERNELS))
def test_kernels_agree_on_the_device(kernel):
    assert triton_use.usable(kernel, torch.device("cuda"))


@compiled
@pytest.mark.parametrize(("form", "guided"), [("matrices", False), ("lanes", False), ("matrices", True)])
def test_the_reverse_diffusion_compiles_for_a_card(form, guided):
    width = 16 if form == "matrices" else 2
    code = reverse_for_hopper(width - 1, width, tile=width, GUIDED=guided).asm["ptx"]
    assert (".f64.f64.f64.f64" in code) == (form == "matrices")  # the tensor units


@compiled
@pytest.mark.parametrize("width", [case(width, slow=width != 4) for width in triton_reverse.GUIDED_LAUNCHES])
def test_guided_particles_stay_in_registers(width):
    """All but 72 bytes of a thread in wide ones; cut as without guidance, more do not from four dimensions on."""
    stacks = []
    for launches in (triton_reverse.GUIDED_LAUNCHES, triton_reverse.LAUNCHES):
        cut = launches[width]
        dimension = max(1, width - 5) if width >= 16 else width
        built = reverse_for_hopper(
            dimension, width, tile=cut.tile, particles=cut.particles, ahead=cut.ahead, GUIDED=True
        )
        stacks.append(registers_of(built)[1])
    assert stacks[0] <= (72 if width >= 32 else 0)
    assert width < 4 or stacks[1] >= stacks[0] + 64


@compiled
def test_the_means_compile_for_a_card():
    halves = ["queries_high", "queries_low", "points_high", "points_low"]
    signature = dict.fromkeys(halves, "*fp16") | dict.fromkeys(("bias", "unit", "result"), "*fp32")
    signature |= {"count": "i32", "tiles": "i32"}
    constants = {"D": 10, "WIDTH": 16, "QUERIES": 128, "POINTS": 128}
    built = compile_for_hopper(triton_attention._means, signature, constants, num_warps=8, num_stages=3)
    assert "f32.f16.f16" in built.asm["ptx"]


@compiled
def test_the_channel_compiles_for_a_card():
    assert "call.uni" not in channel_for_hopper().asm["ptx"]


@compiled
def test_normals_compile_for_a_card():
    signature = dict.fromkeys(("even", "odd"), "*fp64") | dict.fromkeys(("run_of", "first_of"), "*i32")
    signature |= dict.fromkeys(("offset", "count", "size", "word0"), "i32") | {"key": "i64"}
    signature |= {"shares": "*i32", "keys": "*i64"}
    constants = {"COLUMNS": 3, "NORMAL": True, "MANY": False, "BLOCK": 512}
    code = compile_for_hopper(triton_random._fill, signature, constants, num_warps=4).asm["ptx"]
    assert "call.uni" not in code  # no function of a library, and none of its slow branches
