"""The record of well-known samplers: values of an independent program, its page, and what it would reject."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from validation.__main__ import RECORDS
from validation.experiment import Settings
from validation.experiments import schedulers
from validation.experiments.schedulers import KNOWN, WIDTHS

RECORD = RECORDS / "cpu" / "schedulers.json"

# One round and the limits at shares .1, .5 and .9, at w = .242, .0248 and .00322, by a program that drives
# schedulers in another way and finds limits by bisection; three digits.
INDEPENDENT = {
    ("Stable Diffusion 1.5, PNDM", 50): "1 .993 1.21  1.02 .937 2.14  1 .987 1.37  1 .993 1.23",
    ("Stable Diffusion 1.5, DDIM", 20): ".804 .566 .723  .159 .133 .55  .649 .375 .648  .785 .537 .711",
    (
        "Stable Diffusion 1.5, DPM++ 2M leading",
        20,
    ): ".844 .338 .0626  .0784 .00537 .000673  .693 .126 .0167  .827 .3 .0516",
    (
        "Stable Diffusion 1.5, DPM++ 2M Karras",
        20,
    ): "1.03 .996 .786  1.39 .936 .0508  1.06 .991 .59  1.03 .995 .763",
    ("SDXL, Euler", 30): ".857 .606 .419  .225 .072 .0191  .734 .391 .23  .842 .575 .388",
    ("Stable Diffusion 3, flow Euler", 28): ".806 .565 .282  .18 .0384 .0319  .657 .337 .139  .787 .532 .255",
    (
        "FLUX.1-dev, flow Euler, no guidance",
        50,
    ): ".884 .712 .385  .335 .0695 .00805  .784 .513 .165  .872 .686 .347",
    (
        "FLUX.1-schnell as a posterior mean",
        4,
    ): ".461 .166 .0278  .0223 .00225 .00029  .263 .0524 .0072  .43 .142 .0227",
    ("EDM, Heun", 18): "1.11 1.16 1.23  5.43 18.8 106  1.25 1.38 1.55  1.13 1.18 1.26",
    ("EDM, Euler", 18): ".715 .674 .634  .183 .154 .131  .552 .502 .456  .693 .65 .608",
    ("DDPM, posterior variance", 1000): ".984 .954 .874  .855 .625 .274  .969 .91 .763  .983 .949 .861",
    ("DDPM, variance beta", 1000): "1 1.01 1.02  1.03 1.12 1.2  1.01 1.02 1.03  1 1.01 1.02",
}


def test_the_record_has_the_values_of_an_independent_program():
    rows = {(row["name"], row["steps"]): row for row in json.loads(RECORD.read_text())["samplers"]}
    assert rows.keys() == {(known.name, known.steps) for known in KNOWN}
    for key, values in INDEPENDENT.items():
        row = rows[key]
        parts = [row["one_round"], *(row["limits"][share] for share in ("0.1", "0.5", "0.9"))]
        found = np.array([part["exact"][1:] for part in parts]).ravel()
        # Their widths are rounded to three digits, ours are those digits; some limits move by more than that.
        np.testing.assert_allclose(found, np.array(values.split(), dtype=float), rtol=6e-3, err_msg=str(key))


def test_the_page_is_made_from_the_record():
    rows = json.loads(RECORD.read_text())["samplers"]
    assert RECORD.with_suffix(".md").read_text() == schedulers.page(rows)
    rows[0]["limits"]["0.5"]["exact"][0] *= 0.9
    assert RECORD.with_suffix(".md").read_text() != schedulers.page(rows)


def few(monkeypatch, number: int) -> None:
    monkeypatch.setattr(schedulers, "KNOWN", tuple(k for k in KNOWN if k.config is None)[:number])


def test_particles_agree_to_rounding_where_nothing_is_drawn(monkeypatch):
    few(monkeypatch, 2)
    result = schedulers.gallery(Settings("small", "cpu"))
    assert result.passed, result.verdict
    first = result.numbers["samplers"][0]["one_round"]
    np.testing.assert_allclose(first["measured"], first["exact"], rtol=1e-12)
    assert "w = 0.242" in result.page


def test_one_step_too_many_is_noticed(monkeypatch):
    few(monkeypatch, 1)
    monkeypatch.setattr(
        schedulers.Known, "sampler", lambda self: schedulers.SamplerSteps.edm(steps=self.steps + 1)
    )
    wrong = schedulers.Known("EDM, Heun", 18, None)
    right = schedulers.SamplerSteps.edm(steps=18)
    widths = np.array(WIDTHS)
    measured, is_noisy = schedulers.particles(wrong, widths, 1000, 0)
    assert not is_noisy
    assert np.abs(measured / (right.variance(widths) / widths) - 1.0).min() > 1e4 * schedulers.TOLERANCE


def test_a_scheduler_object_moves_particles_as_its_map_says():
    pytest.importorskip("diffusers")
    known, widths = next(k for k in KNOWN if k.name.startswith("LCM")), np.array(WIDTHS)
    measured, is_noisy = schedulers.particles(known, widths, 20_000, 1)
    assert is_noisy
    np.testing.assert_allclose(measured, 1.0, atol=5 * np.sqrt(2.0 / 20_000))
