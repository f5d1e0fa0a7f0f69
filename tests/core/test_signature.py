"""A call that does not fit gets one sentence; one that fits is left alone."""

from __future__ import annotations

import inspect
import pickle
import re
from dataclasses import dataclass

import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.signature import public


@public
def share(degree, order=1, *, fresh_fraction, rate=0.5):
    """Return something."""
    if degree == "broken":
        raise TypeError("from inside")
    return degree, order, fresh_fraction, rate


@public
@dataclass(frozen=True)
class Setting:
    steps: int
    rate: float = 0.5


class Plain:
    def __init__(self, target, *, truncation):
        self.target, self.truncation = target, truncation


Plain = public(Plain)

MISUSE = [
    (
        lambda: share(2, fresh_fracton=0.3),
        "share must be given arguments it knows, got fresh_fracton (did you mean fresh_fraction?).",
    ),
    (
        lambda: share(2, zzz=0.3),
        "share must be given arguments it knows, got zzz (it takes degree, order, fresh_fraction and rate).",
    ),
    (
        lambda: share(2, 1, 0.3),
        "share must be given fresh_fraction by name, as in fresh_fraction=0.3, got 0.3 by position.",
    ),
    (
        lambda: share(2, degree=1, fresh_fraction=0.1),
        "share must be given degree once, got it by position and by name.",
    ),
    (lambda: share(), "share must be given degree and fresh_fraction, got none."),
    (lambda: share(2), "share must be given fresh_fraction, got none."),
    (lambda: Setting(1, 2.0, 3.0), "Setting must be given at most 2 arguments by position, got 3."),
    (lambda: Setting(), "Setting must be given steps, got none."),
    (
        lambda: Plain(1, trunc=0.1),
        "Plain must be given arguments it knows, got trunc (did you mean truncation?).",
    ),
    (
        lambda: Plain(1, 0.1),
        "Plain must be given truncation by name, as in truncation=0.1, got 0.1 by position.",
    ),
]


@pytest.mark.parametrize(("call", "sentence"), MISUSE, ids=range(len(MISUSE)))
def test_one_sentence(call, sentence):
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == sentence


def test_a_call_that_fits_is_left_alone():
    assert share(2, fresh_fraction=0.3) == (2, 1, 0.3, 0.5)
    assert Setting(3) == Setting(steps=3) and Plain(1, truncation=0.2).truncation == 0.2
    with pytest.raises(TypeError, match="from inside"):
        share("broken", fresh_fraction=0.3)


def test_name_documentation_signature_and_pickle_stay():
    assert share.__name__ == "share" and share.__doc__ == "Return something."
    assert list(inspect.signature(share).parameters) == ["degree", "order", "fresh_fraction", "rate"]
    assert list(inspect.signature(Setting).parameters) == ["steps", "rate"]
    assert pickle.loads(pickle.dumps(share)) is share
    assert pickle.loads(pickle.dumps(Setting(2))) == Setting(2)


@public
def factors(degree, *, truncation_time, rounds=1):
    if rounds == 0:
        raise TypeError("from inside")
    return degree, truncation_time, rounds


def test_keywords_of_earlier_versions_are_read_as_their_names_of_today():
    assert factors(2, truncation=0.3) == factors(2, truncation_time=0.3) == (2, 0.3, 1)
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=[0.1, 0.2])
    assert recursion == recursion.replace(truncation=[0.1, 0.2])
    assert recursion.replace(truncation=0.4) == recursion.replace(truncation_time=0.4) != recursion
    for call, sentence in (
        (lambda: factors(2, truncation=0.3, truncation_time=0.3), "got truncation "),
        (lambda: factors(2, truncation=0.3, rouns=1), "got rouns (did you mean rounds?)"),
        (lambda: share(2, fresh_fraction=0.1, truncation=1), "got truncation (it takes"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            call()
    with pytest.raises(TypeError, match="from inside"):
        factors(2, truncation=0.3, rounds=0)
