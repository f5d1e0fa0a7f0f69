"""What a command will need, before it begins: memory and time to an order of magnitude, for one core.

Whoever asks for more than the machine has, or for more than an hour (a minute where no bar shows how far the work is),
is told so in one sentence and not kept waiting; --yes goes ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import InputError
from ..core.memory import SHARE, in_bytes, memory_of_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..storage.extents import Extent
    from .config import Config

HOUR, MINUTE = 3600.0, 60.0
_WORTH_A_LINE = 5.0  # seconds
_STEPS = 100  # of a sampler, where the number it takes is not known yet

# Seconds, rough: orders of magnitude from a few runs on two cores.
_PER_ROUND_PAIR = 8e-8
_PER_DEGREE_PAIR = 2e-7
_PER_MODE = 1e-7
_PER_DRAW = 1e-6
_PER_PLANNED_ROUND = 0.1
_PER_AUDITED_STEP = 5e-4
_GUIDED = 10.0
_PER_PROBED_STEP = 1e-3
_PER_PROBED_PAIR = 1e-7
_FEW_ROUNDS = 500.0
_PER_COMPONENT = 1e-7
_PER_NEIGHBOUR = 1e-8
_PER_WEIGHT = 5e-11
_PER_IMAGE = 4e-4
_PER_NUMBER = 6e-8
_PER_PRODUCT = 2.5e-10
_PER_PRODUCT_DEGREE = 5e-9
_PER_ROOT = 5e-9  # of a matrix, per cube of its size
_PER_CELL_BYTE = 2e-6
_BYTES_OF_CELL_BYTE = 60.0
_PER_FIT = 6e-7  # per value and pair of parameters, all mechanisms together
_PER_WHITENED = 6e-8  # per entry of the covariance and parameter


@dataclass(frozen=True)
class Cost:
    """Bytes at the peak, seconds, and the keys that decide them, the dearest first."""

    bytes: float
    seconds: float
    keys: tuple[str, ...]


def cost_of_prediction(config: Config, dimension: int) -> Cost:
    """Return what the theory of the configured rounds and degrees needs."""
    rounds, degree = config.recursion.rounds, config.analysis.degree_in(dimension)
    table = float(rounds + 1) * _modes(dimension, degree)
    return Cost(
        bytes=8.0 * (3.0 * table + 4.0 * rounds),
        seconds=_PER_ROUND_PAIR * float(rounds) ** 2
        + _PER_DEGREE_PAIR * float(degree) ** 2
        + _PER_MODE * table,
        keys=("rounds", "degree") if rounds > degree else ("degree", "rounds"),
    )


def cost_of_simulation(config: Config, dimension: int, *, steps: int | None = None) -> Cost:
    """Return what simulating and comparing the configured recursion in so many steps of the sampler needs."""
    section, rounds = config.simulation, float(config.recursion.rounds)
    predicted = cost_of_prediction(config, dimension)
    modes = _modes(dimension, config.analysis.degree_in(dimension))
    rows = float(section.particles) * section.runs
    held = rounds if section.keep == "all" or config.recursion.regime.startswith("accumulate") else 2.0
    pool = float(section.particles if section.pool is None else section.pool)
    taken = float(steps or section.steps or _STEPS)
    memory = 8.0 * rows * dimension * held + 8.0 * section.runs * (rounds + 1.0) * (
        2.0 * modes + dimension**2.0
    )
    seconds = (rounds + 1.0) * rows * _PER_DRAW * (1.0 + 0.01 * modes)
    dear = ["particles", "runs", "rounds"]
    if section.generator == "exact":
        seconds += rounds * rows * taken * dimension * _PER_COMPONENT
        dear.append("steps")
    elif section.generator == "kernel":
        seconds += rounds * rows * taken * pool * dimension * _PER_NEIGHBOUR
        memory += 8.0 * pool * dimension * section.runs
        dear[:0] = ["pool"]
        dear.append("steps")
    elif section.generator == "neural":
        network = config.network
        weights = float(network.network_width) ** 2 * network.network_blocks
        batches = 3.0 * network.training_steps * float(network.training_batch) * section.runs
        seconds += rounds * weights * _PER_WEIGHT * (batches + rows * taken)
        memory += 8.0 * weights * 4.0 * section.runs + 8.0 * pool * dimension * section.runs
        dear += ["steps", "training_steps", "network_width"]
    if modes > rows:
        dear[:0] = ["degree"]
    return Cost(memory + predicted.bytes, seconds + predicted.seconds, tuple(dear))


def cost_of_audit(steps: int, *, probed: bool, guided: bool) -> Cost:
    """Return what the round map of a sampler of so many steps, and its limits, need."""
    count = float(steps)
    seconds = _PER_AUDITED_STEP * count * (_GUIDED if guided else 1.0)
    memory = 8.0 * 20.0 * max(count, 200_000.0)
    if probed:  # every step sees the probes of all of them
        seconds += _PER_PROBED_STEP * count + _PER_PROBED_PAIR * count**2
        memory += 8.0 * 5.0 * count * (20.0 + count / 10.0)
    return Cost(memory, seconds, ("steps",))


def cost_of_plan(config: Config, degrees: int) -> Cost:
    """Return what planning all configured rounds together for some degrees needs."""
    rounds = float(config.recursion.rounds)
    return Cost(
        bytes=8.0 * rounds * (rounds + 20.0 * degrees),
        seconds=_PER_PLANNED_ROUND * rounds * max(1.0, rounds / _FEW_ROUNDS) * degrees,
        keys=("rounds", "plan_degree"),
    )


def cost_of_measurement(sets: Sequence[Extent], *, directions: int, degrees: int, partners: int) -> Cost:
    """Return what measuring sets of samples needs, the data first, with so many real samples in inner products."""
    data = sets[0]
    used = min(directions, data.numbers)
    curves = float(used + degrees)
    most = float(max(one.samples for one in sets))
    small, large = sorted((float(data.samples), float(data.numbers)))
    seconds = 0.0 if used == 0 else _PER_PRODUCT * small**2 * large + _PER_ROOT * small**3
    for one in sets:
        count, length = float(one.samples), float(one.numbers)
        seconds += _PER_IMAGE * one.files + count * length * (_PER_NUMBER + used * _PER_PRODUCT)
        if degrees:
            pairs = count * min(data.samples, partners)
            seconds += pairs * (length * _PER_PRODUCT + degrees * _PER_PRODUCT_DEGREE)
    memory = 8.0 * (3.0 * most * curves + len(sets) * curves**2 + (3.0 * small**2 if used else 0.0))
    memory += (
        max(float(one.samples) * one.numbers for one in sets if one.files)
        if any(s.files for s in sets)
        else 0.0
    )
    keys = ["degrees", "directions"] if degrees > used else ["directions", "degrees"]
    return Cost(
        memory, seconds, ("data", "generations", *keys) if degrees < 100 else (*keys, "data", "generations")
    )


def cost_of_table(size: int) -> Cost:
    """Return what reading a table of so many bytes needs."""
    return Cost(_BYTES_OF_CELL_BYTE * size, _PER_CELL_BYTE * size, ("the table",))


def cost_of_diagnosis(rounds: int, curves: int, *, joint: bool) -> Cost:
    """Return what fitting every mechanism to curves needs, with a joint covariance of all values or without."""
    values, parameters = float(rounds) * curves, 3.0 * curves
    entries = values**2 if joint else values
    return Cost(
        bytes=8.0 * (6.0 * entries + 6.0 * values * parameters),
        seconds=_PER_FIT * values * parameters**2 + _PER_WHITENED * parameters * entries,
        keys=("rounds", "curves"),
    )


def require_affordable(cost: Cost, *, yes: bool, within: float | None = None) -> None:
    """Refuse work that this machine cannot hold or do within an hour, or a minute, unless the user insists."""
    memory, words = memory_of_machine(), "an hour" if within is None else "a minute"
    if yes or (cost.bytes <= SHARE * memory and cost.seconds <= (HOUR if within is None else within)):
        return
    raise InputError(
        f"the work must fit this machine's {in_bytes(memory)} and {words} unless --yes is given, got about "
        f"{in_bytes(cost.bytes)} and {_duration(cost.seconds)}: reduce {', '.join(cost.keys)}."
    )


def expected_time(cost: Cost) -> str | None:
    """Return how long work will take, as a line for whoever waits without a bar; None for a few seconds."""
    return None if cost.seconds < _WORTH_A_LINE else f"this takes about {_duration(cost.seconds)}"


def _modes(dimension: int, degree: int) -> float:
    """Return the number of multi-indices of total degree up to `degree`, as a number that may be huge."""
    logarithm = math.lgamma(dimension + degree + 1) - math.lgamma(dimension + 1) - math.lgamma(degree + 1)
    return math.exp(min(logarithm, 600.0))


def _duration(seconds: float) -> str:
    for size, unit in ((31_557_600.0, "years"), (86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(seconds, 1.0):.0f} s"
