"""The nearest known word, whatever case and marks it was written in."""

import pytest

import hermite_collapse as hc
from hermite_collapse.core import checks
from hermite_collapse.core.near import nearest
from hermite_collapse.core.signature import public

SAMPLERS = ("ddim", "ddpm", "ddpm_beta", "edm_heun", "edm_euler", "edm", "flow_euler")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("EDM", "edm"),
        ("Flow-Euler", "flow_euler"),
        (" DDPM beta ", "ddpm_beta"),
        ("DDDIM", "ddim"),
        ("FLOW", "flow_euler"),
        ("fl", None),
        ("unipc", None),
        ("", None),
    ],
)
def test_case_and_marks_are_left_aside(word, meant):
    assert nearest(word, SAMPLERS) == meant


def test_the_known_word_comes_back_as_it_is_written():
    assert nearest("ddim", ("DDIM Scheduler", "DDIM")) == "DDIM"


@public
def share(*, fresh_fraction):
    return fresh_fraction


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: checks.one_of("EDM", SAMPLERS, "sampler"), "did you mean 'edm'?"),
        (lambda: hc.presets.load("Two-Modes-1D"), "did you mean 'two_modes_1d'?"),
        (lambda: share(Fresh_Fraction=0.3), "did you mean fresh_fraction?"),
    ],
)
def test_refusals_name_it(call, meant):
    with pytest.raises(hc.InputError, match=meant.replace("?", r"\?")):
        call()
