"""Philox: known answers, the transform to normals against mpmath, its tails, and equal numbers by every route."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from hermite_collapse.simulation import philox_numba, philox_torch
from hermite_collapse.simulation.philox import (
    KINDS,
    PURPOSES,
    draw_normal,
    draw_uniform,
    first_word,
    normal_pair,
    philox,
    stream_key,
)

ALL = 2**32 - 1
# Of Random123's file kat_vectors, "philox4x32 10".
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ALL, ALL, ALL, ALL), (ALL, ALL), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers_by_every_route(counter, key, expected):
    assert [f"{int(word):08x}" for word in philox(counter, key)] == expected.split()
    traced = philox_torch.philox(tuple(torch.tensor(word) for word in counter), key)
    assert [f"{int(word):08x}" for word in traced] == expected.split()
    a, b = philox_numba.philox_pair(*(np.uint64(word) for word in (*counter, *key)))
    words = [a & ALL, a >> 32, b & ALL, b >> 32]
    assert [f"{word:08x}" for word in words] == expected.split()


def test_keys_are_documented_bytes():
    """BLAKE2b of the text "(7, 3, 4)", its first 8 bytes as two little-endian words."""
    import hashlib

    digest = hashlib.blake2b(b"(7, 3, 4)", digest_size=8).digest()
    assert stream_key(7, 3, "path") == tuple(np.frombuffer(digest, dtype="<u4").tolist())


def _routes(kind, draw, columns, first, run, key, rows):
    """The draw by all routes, the reference first."""
    particles, runs = np.arange(first, first + rows), np.full(rows, run)
    reference = (draw_normal if kind == "normal" else draw_uniform)(draw, columns, particles, runs, key)
    pair = philox_torch.draw_pair(
        kind, draw, columns, torch.from_numpy(particles), torch.from_numpy(runs), key
    )
    compiled = np.empty((2, rows, columns))
    fill = philox_numba.fill_normals if kind == "normal" else philox_numba.fill_uniforms
    word, *others = (np.uint64(v) for v in (first_word(draw, kind), run, *key))
    fill(word, first, *others, *compiled)
    return reference, pair[draw % 2].numpy(), compiled[draw % 2]


ADDRESSES = [
    (0, 0, 0, (0, 0)),
    (1, 8192 * 77, 3, stream_key(0, 1, "channel")),
    (7, 2**32 - 1003, 2**32 - 1, (ALL, ALL)),
    (2**32 - 2, 5, 2**31, stream_key(10**30, 999, "path")),
]


@pytest.mark.parametrize(("draw", "first", "run", "key"), ADDRESSES)
@pytest.mark.parametrize(("rows", "columns"), [(1000, 3), (3, 1000), (64, 64), (1, 1)])
def test_routes_give_uniforms_to_the_bit_and_normals_to_four_ulp(draw, first, run, key, rows, columns):
    reference, *others = _routes("uniform", draw, columns, first, run, key, rows)
    assert reference.min() >= 0.0
    assert reference.max() < 1.0
    for other in others:
        np.testing.assert_array_equal(other, reference)
    reference, *others = _routes("normal", draw, columns, first, run, key, rows)
    for other in others:
        assert np.max(np.abs(other - reference) / np.spacing(np.abs(reference))) <= 4.0


def test_a_number_is_the_same_in_a_vector_and_alone():
    """The bytes, not only the value: the last rows of a loop are no vector."""
    key = stream_key(1, 2, "start")
    whole, alone = np.empty((2, 333, 2)), np.empty((2, 1, 2))
    word, run, *keys = (np.uint64(v) for v in (9, 4, *key))
    philox_numba.fill_normals(word, 0, run, *keys, *whole)
    for i in range(333):
        philox_numba.fill_normals(word, i, run, *keys, *alone)
        np.testing.assert_array_equal(alone[:, 0], whole[:, i])


# Numbers A whose u is next to 0, next to 1, at powers of two and next to sqrt(1/2), where the logarithm changes scale.
_RADII = [
    0,
    1,
    2,
    3,
    4,
    1023,
    2**20,
    2**40 + 1,
    2**62 - 1,
    2**62,
    2**63,
    2**63 + 2**11,
    2**64 - 1,
    2**64 - 2**11,
]
_RADII += [int(2**64 * math.sqrt(0.5)) + step for step in (-(2**30), -2048, 0, 2048, 2**30)]
_RADII += [2 * int(2.0**63 * math.exp(-0.5 * z * z)) for z in (1.0, 4.0, 8.0)]
_RADII += [int(2.0**64 * 0.9999999), 2**64 - 2**12, 2**64 - 2**20]
# Numbers B next to the axes and the diagonals, on both sides.
_ANGLES = [(k * 2**61 + step * 2**11) % 2**64 for k in range(8) for step in (-1, 0, 1, 12345, -(2**40) // 3)]


def _exact_pair(a: int, b: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The definition at 60 digits; u is the rounded double, which is part of the definition."""
    with mpmath.workdps(60):
        u = mpmath.mpf((float(a >> 1) + 0.5) * 2.0**-63)
        radius = mpmath.sqrt(-2 * mpmath.log(u))
        turn = 2 * mpmath.pi * mpmath.mpf(b >> 11) / 2**53
        return radius * mpmath.cos(turn), radius * mpmath.sin(turn)


def test_normals_are_the_transform_to_four_ulp_next_to_all_its_edges():
    """The compiled functions and the reference at the ends of u, where the logarithm changes scale, and at the axes."""
    pairs = [(a, b) for a in _RADII for b in _ANGLES]
    exact = [_exact_pair(a, b) for a, b in pairs]
    a, b = (np.array(column, dtype=np.uint64) for column in zip(*pairs, strict=True))
    reference = normal_pair(a, b)
    for index, (x, y) in enumerate(exact):
        radius = math.sqrt(2.0 * philox_numba.minus_log((float(pairs[index][0] >> 1) + 0.5) * 2.0**-63))
        cosine, sine = philox_numba.direction(np.uint64(pairs[index][1]))
        for value, true in (
            (radius * cosine, x),
            (radius * sine, y),
            (reference[0][index], x),
            (reference[1][index], y),
        ):
            error = abs(mpmath.mpf(float(value)) - true)
            if abs(true) < mpmath.mpf(10) ** -50:  # an axis, or radius 0
                assert value == 0.0
            else:
                assert error <= 4.0 * float(np.spacing(abs(float(true)))), pairs[index]


def test_a_wrong_coefficient_would_show():
    """Control of the test above: the eleventh digit of the radius is far beyond four ulp."""
    x, _ = _exact_pair(2**40 + 1, 12345 * 2**11)
    wrong = float(x) * (1.0 + 1e-11)
    assert abs(mpmath.mpf(wrong) - x) > 4.0 * float(np.spacing(abs(float(x))))


def _tail(z: float) -> mpmath.mpf:
    """P(X > z) of the even draws' transform, by inverting it: the words that end above z are counted exactly.

    u = (j + 1/2) 2^-63 with j uniform below 2^63, so that R cos w > z means j + 1/2 < 2^63 exp(-z^2 / (2 cos^2 w)).
    The number of such j is counted at many angles, and averaged over them by the midpoint rule, whose error is far
    below rounding for a smooth periodic function.
    """
    points = 4000
    with mpmath.workdps(30):
        total = mpmath.mpf(0)
        for k in range(points):
            w = -mpmath.pi / 2 + mpmath.pi * (k + mpmath.mpf(1) / 2) / points
            bound = mpmath.mpf(2) ** 63 * mpmath.exp(-(z**2) / (2 * mpmath.cos(w) ** 2))
            total += mpmath.floor(bound + mpmath.mpf(1) / 2)
        return total / points / 2 / mpmath.mpf(2) ** 63


@pytest.mark.parametrize(
    ("z", "tolerance"), [(1.0, 1e-12), (4.0, 1e-12), (6.0, 1e-11), (7.0, 1e-8), (8.0, 1e-6)]
)
def test_tails_are_normal_to_eight_sigma(z, tolerance):
    """At 8 sigma 1.2e5 of 2^63 radii remain at the best angle; that they are whole is the tolerance."""
    with mpmath.workdps(30):
        normal = mpmath.erfc(z / mpmath.sqrt(2)) / 2
        assert abs(_tail(z) / normal - 1) < tolerance


def test_the_smallest_words_reach_nine_sigma():
    a, b = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64)
    assert normal_pair(a, b)[0][0] == pytest.approx(math.sqrt(128.0 * math.log(2.0)), rel=1e-15)


def _varied(coordinate: str, count: int = 1 << 16) -> np.ndarray:
    """Normals of addresses that differ in one coordinate only."""
    key, start = stream_key(5, 1, "path"), np.arange(count)
    if coordinate == "particle":
        return draw_normal(0, 1, start, np.zeros(count), key)[:, 0]
    if coordinate == "run":
        return draw_normal(0, 1, np.zeros(count), start, key)[:, 0]
    if coordinate == "column":
        return draw_normal(0, count, [0], [0], key)[0]
    if coordinate == "draw":
        return np.array([draw_normal(n, 1, [0], [0], key)[0, 0] for n in range(count // 16)])
    seeds = {"seed": lambda n: (n, 1, "path"), "round": lambda n: (5, n, "path")}[coordinate]
    return np.array([draw_normal(0, 1, [0], [0], stream_key(*seeds(n)))[0, 0] for n in range(count // 16)])


@pytest.mark.parametrize("coordinate", ["particle", "run", "column", "draw", "seed", "round"])
def test_normals_along_every_coordinate_are_normal_and_uncorrelated(coordinate):
    """Chi-square over 32 cells of equal probability, four moments, correlations of values and squares at lags to 8."""
    z = _varied(coordinate)
    n, cells = len(z), 32
    edges = [float(mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(k) / cells - 1)) for k in range(1, cells)]
    counts = np.bincount(np.searchsorted(edges, z), minlength=cells)
    square = float(np.sum((counts - n / cells) ** 2) / (n / cells))
    assert abs(square - (cells - 1)) < 4.5 * math.sqrt(2.0 * (cells - 1))
    for power, variance in ((1, 1.0), (2, 2.0), (3, 15.0), (4, 96.0)):
        mean = (0.0, 1.0, 0.0, 3.0)[power - 1]
        assert abs(np.mean(z**power) - mean) < 4.5 * math.sqrt(variance / n)
    for lag in range(1, 9):
        for x, scale in ((z, 1.0), (z**2 - 1.0, 2.0)):
            assert abs(np.mean(x[lag:] * x[:-lag])) < 4.5 * scale / math.sqrt(n - lag)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_halves_of_a_pair_and_the_kinds_are_independent(kind):
    key, n = stream_key(8, 2, "channel"), 1 << 16
    draw = draw_normal if kind == "normal" else draw_uniform
    first, second = (draw(k, 1, np.arange(n), np.zeros(n), key)[:, 0] for k in (0, 1))
    other = (draw_uniform if kind == "normal" else draw_normal)(0, 1, np.arange(n), np.zeros(n), key)[:, 0]
    for one, two in ((first, second), (first, other), (second, other)):
        for power in (1, 2):
            x, y = (v**power - np.mean(v**power) for v in (one, two))
            assert abs(np.mean(x * y)) < 4.5 * np.std(x) * np.std(y) / math.sqrt(n)


def test_uniforms_fill_all_53_bits_evenly():
    key, n = stream_key(3, 0, "initial"), 1 << 16
    bits = (draw_uniform(0, 1, np.arange(n), np.zeros(n), key)[:, 0] * 2.0**53).astype(np.uint64)
    for k in range(53):
        share = np.mean((bits >> np.uint64(k)) & np.uint64(1))
        assert abs(share - 0.5) < 4.5 * 0.5 / math.sqrt(n)


def test_purposes_have_codes_of_their_own():
    assert len(set(PURPOSES.values())) == len(PURPOSES)
    assert len({stream_key(0, 0, purpose) for purpose in PURPOSES}) == len(PURPOSES)
