"""Truncation times of known samplers, integrated here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from hermite_collapse.advice.samplers import KNOWN_SAMPLERS


def test_score_sde_stops_at_the_integral_of_its_noise():
    exact, _ = quad(lambda s: 0.1 + (20.0 - 0.1) * s, 0.0, 1e-3, epsabs=0, epsrel=1e-13)
    assert KNOWN_SAMPLERS["score_sde_vp"].truncation_time == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("ddpm", -np.log1p(-1e-4)),
        ("stable_diffusion", -np.log1p(-0.00085)),
        ("edm", np.log1p((0.002 / 0.5) ** 2)),
        ("score_sde_ve", np.log1p(0.04**2)),
        ("papers", 0.02),
    ],
)
def test_first_levels(name, time):
    assert KNOWN_SAMPLERS[name].truncation_time == pytest.approx(time, rel=1e-10)
