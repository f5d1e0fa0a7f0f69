"""Filters under attack: exponents that overflow, with no warning and no NaN."""

from __future__ import annotations

import warnings

import hermite_collapse as hc


def test_exponents_beyond_the_doubles():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rate in (0.5, 1e300):
            for function, limit in ((hc.attenuation, 1.0), (hc.mode_contraction, 0.7)):
                values = function([0, 1, 10**6], fresh_fraction=0.3, truncation_time=1e308, rate=rate)
                assert values.tolist() == [limit, 0.0, 0.0]
        assert hc.half_degree(fresh_fraction=0.5, truncation_time=1e-320) == float("inf")
