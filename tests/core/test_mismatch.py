"""An argument of another kind than its annotation is named after a failure; calls that fit fail as they did."""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.mismatch import sentence_of_mismatch
from hermite_collapse.core.signature import public
from hermite_collapse.recursion.recursion import Recursion

LAW = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.3)
RECURSION = hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.1)


@public
def everything(
    recursion: Recursion,
    number: float = 0.0,
    *,
    array: np.typing.ArrayLike | None = None,
    text: str | os.PathLike[str] = "",
    several: Sequence[float] = (),
    table: Mapping[str, float] | None = None,
    function: Callable[[float], float] = float,
    unknown: NotDefined = None,  # noqa: F821
) -> float:
    raise AttributeError("a failure of its own")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recursion": 3}, "recursion must be a Recursion, got 3."),
        ({"number": "x"}, "number must be a number, got 'x'."),
        ({"number": True}, "number must be a number, got True."),
        ({"text": 1.0}, "text must be text or a path, got 1.0."),
        ({"several": 2}, "several must be a sequence, got 2."),
        ({"several": np.array(2.0)}, "several must be a sequence, got array(2.)."),
        ({"table": []}, "table must be a mapping or None, got []."),
        ({"function": 0}, "function must be a function, got 0."),
    ],
)
def test_the_sentence(changes, said):
    with pytest.raises(hc.InputError) as caught:
        everything(**{"recursion": RECURSION, **changes})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *({"number": x} for x in (1, Decimal(1), Fraction(1), np.float32(1), np.array(1.0))),
        *({"several": x} for x in ([], (1.0,), np.zeros(2), range(3))),
        {"unknown": object()},
        {"table": {}, "function": len, "text": "a"},
    ],
)
def test_a_failure_of_its_own_stays_one(changes):
    with pytest.raises(AttributeError, match="a failure of its own"):
        everything(**{"recursion": RECURSION, **changes})


def test_protocols_are_told_by_their_members():
    ask = {"degree": 2, "rounds": 2, "fresh_fraction": 0.3}
    assert hc.plan_schedule(**ask, error=hc.PowerLaw(0.001, 0.5)) is not None
    with pytest.raises(hc.InputError, match=r"error must be an ErrorModel, got \[0.1, 0.2\]\."):
        hc.plan_schedule(**ask, error=[0.1, 0.2])


def test_calls_that_do_not_bind_are_not_judged():
    assert sentence_of_mismatch(everything, (), {"no": 1}) is None


VALUES = [
    *(
        0,
        3,
        -1,
        0.1,
        np.inf,
        None,
        "",
        "kl",
        b"x",
        [],
        {},
        [0.1],
        [[0.1], [0.2]],
        np.zeros((2, 2, 2)),
        np.array(0.3),
    ),
    *(
        Decimal("0.1"),
        object(),
        len,
        range(3),
        {1, 2},
        LAW,
        RECURSION,
        hc.schedules.Constant(0.1),
        True,
        int,
        1j,
    ),
]
GOOD = {"recursion": RECURSION, "rounds": 2, "metric": "kl", "target": LAW, "p": LAW, "q": LAW, "degree": 2}
LONG = {"simulate", "demo", "verify", "check_robustness", "plan_schedule", "error_budget", "advise_sampler"}


def functions() -> dict[str, Callable[..., object]]:
    modules = {"hc": hc, "bounds": hc.bounds, "distances": hc.distances}
    found = {f"{m}.{name}": getattr(module, name) for m, module in modules.items() for name in module.__all__}
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) and "plot" not in name and name.partition(".")[2] not in LONG
    }


@pytest.mark.parametrize("name", functions())
def test_no_public_function_answers_with_the_exception_of_another_library(name):
    """A few calls of hostile values each, the same in every run."""
    function, draw = functions()[name], random.Random(name)
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    for _ in range(6 if required else 0):
        values = {p.name: GOOD.get(p.name) if draw.random() < 0.5 else None for p in required}
        values = {key: draw.choice(VALUES) if value is None else value for key, value in values.items()}
        kinds = {p.name: p.kind for p in required}
        given = [v for key, v in values.items() if kinds[key] is not inspect.Parameter.KEYWORD_ONLY]
        named = {key: v for key, v in values.items() if kinds[key] is inspect.Parameter.KEYWORD_ONLY}
        try:
            function(*given, **named)
        except (hc.InputError, hc.ConvergenceError) as error:
            assert "\n" not in str(error) and str(error).endswith(".")
