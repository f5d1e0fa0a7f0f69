"""Philox 4x32-10: random numbers as a function of their address, and its plain NumPy route.

    key      64 bits of BLAKE2b over (seed, round, purpose): one for a stream
    counter  c0 = n // 2 + 2^31 kind,  c1 = column,  c2 = particle of the run,  c3 = run

n counts the draws of a stream, normals (kind 0) and uniforms (kind 1) apart; a draw is one number for every column.
The four words w0..w3 of a counter are two numbers of 64 bits, A = w0 + 2^32 w1 and B = w2 + 2^32 w3, which serve the
draws 2m and 2m + 1 of the same particle and column:

    uniforms on [0, 1)   (A >> 11) 2^-53  and  (B >> 11) 2^-53
    normals              R cos(W)  and  R sin(W),  R = sqrt(-2 log u),  W = 2 pi (B >> 11) 2^-53
                         u = (double(A >> 1) + 1/2) 2^-63 in (0, 1]

The radius reaches sqrt(128 log 2) = 9.4.  The angle is reduced to (pi/2) (q + f), q an integer and f in [-1/2, 1/2),
by integer arithmetic, so that sines and cosines are right to a few ulp next to their zeros too.

The routes of `philox_numba` and `philox_torch` give the same uniforms to the bit, and the same normals to a few ulp;
this one is what they are held against.

References
----------
Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.types import FloatArray

NAME = "philox4x32-10"
"""The word for the generator in records."""

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
KINDS = {"normal": 0, "uniform": 1}

# What the numbers are for.  The codes enter the keys: they never change meaning.
PURPOSES = {
    "initial": 0,
    "parents": 1,
    "channel": 2,
    "start": 3,
    "path": 4,
    "pool": 5,
    "other": 6,
    "labels": 7,
    "weights": 8,
    "held out": 9,
    "batches": 10,
}

Words = NDArray[np.uint64]
_LOW = np.uint64(0xFFFFFFFF)


def stream_key(seed: int, round_index: int, purpose: str) -> tuple[int, int]:
    """Return the key of a stream, two words of 32 bits; the purpose is a key of PURPOSES."""
    digest = hashlib.blake2b(repr((seed, round_index, PURPOSES[purpose])).encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def first_word(draw: int, kind: str) -> int:
    """Return the counter's word c0 of a draw."""
    return draw // 2 + (KINDS[kind] << 31)


def philox(counter: tuple[ArrayLike, ...], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Return the four words, each below 2^32, of counters of four words that broadcast."""
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    first, second = (np.uint64(multiplier) for multiplier in MULTIPLIERS)
    half = np.uint64(32)
    for number in range(ROUNDS):
        k0, k1 = (np.uint64((key[i] + number * WEYL[i]) % 2**32) for i in range(2))
        p0, p1 = first * c0, second * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & _LOW, (p0 >> half) ^ c3 ^ k1, p0 & _LOW
    return c0, c1, c2, c3


def draw_uniform(
    draw: int, columns: int, particles: ArrayLike, runs: ArrayLike, key: tuple[int, int]
) -> FloatArray:
    """Return the uniforms of a draw, shape (n, columns), of particles (n,) of runs (n,)."""
    bits = _bits(first_word(draw, "uniform"), columns, particles, runs, key)[draw % 2]
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_normal(
    draw: int, columns: int, particles: ArrayLike, runs: ArrayLike, key: tuple[int, int]
) -> FloatArray:
    """Return the normals of a draw, shape (n, columns), of particles (n,) of runs (n,)."""
    bits = _bits(first_word(draw, "normal"), columns, particles, runs, key)
    return normal_pair(*bits)[draw % 2]


def normal_pair(radius_bits: Words, angle_bits: Words) -> tuple[FloatArray, FloatArray]:
    """Return the normals of an even and the following odd draw, of the numbers A and B."""
    u = ((radius_bits >> np.uint64(1)).astype(np.float64) + 0.5) * 2.0**-63
    radius = np.sqrt(-2.0 * np.log(u))
    shifted = (angle_bits >> np.uint64(11)) + np.uint64(2**50)
    quadrant = (shifted >> np.uint64(51)).astype(np.int64) % 4
    fraction = ((shifted & np.uint64(2**51 - 1)).astype(np.float64) - 2.0**50) * 2.0**-51
    sine, cosine = np.sin(0.5 * np.pi * fraction), np.cos(0.5 * np.pi * fraction)
    even = np.choose(quadrant, [cosine, -sine, -cosine, sine])
    odd = np.choose(quadrant, [sine, cosine, -sine, -cosine])
    return radius * even, radius * odd


def _bits(
    word: int, columns: int, particles: ArrayLike, runs: ArrayLike, key: tuple[int, int]
) -> tuple[Words, Words]:
    """The numbers A and B, shape (n, columns)."""
    rows, own = np.asarray(particles)[:, None], np.asarray(runs)[:, None]
    w0, w1, w2, w3 = philox((word, np.arange(columns)[None, :], rows, own), key)
    half = np.uint64(32)
    return w0 | (w1 << half), w2 | (w3 << half)
