"""Philox 4x32-10 in Triton: the addresses and numbers of `simulation.philox`, on a CUDA device.

Uniforms are equal to the other routes' to the bit, normals to a few units of rounding: logarithm, sine and cosine are
the polynomials of `philox_numba`.  A draw of a whole stream is one launch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import triton
import triton.language as tl

from .. import philox_torch
from ..philox import MULTIPLIERS, WEYL, first_word

_M0, _M1 = (tl.constexpr(word) for word in MULTIPLIERS)
_W0, _W1 = (tl.constexpr(word) for word in WEYL)
_LOW = tl.constexpr(0xFFFFFFFF)

_SQRT_HALF_BITS = tl.constexpr(0x3FE6A09E667F3BCD)
_LN2_HIGH, _LN2_LOW = tl.constexpr(6.93147180369123816490e-01), tl.constexpr(1.90821492927058770002e-10)
_L1, _L2 = tl.constexpr(6.666666666666735130e-01), tl.constexpr(3.999999999940941908e-01)
_L3, _L4 = tl.constexpr(2.857142874366239149e-01), tl.constexpr(2.222219843214978396e-01)
_L5, _L6 = tl.constexpr(1.818357216161805012e-01), tl.constexpr(1.531383769920937332e-01)
_L7 = tl.constexpr(1.479819860511658591e-01)

# sin(pi/2 f) / f and cos(pi/2 f) as polynomials in f^2 through Chebyshev's nodes, abs(f) <= 1/2: relative errors
# 4e-17 and 2e-17.
_S0, _S1 = tl.constexpr(1.5707963267948966), tl.constexpr(-0.6459640975062443)
_S2, _S3 = tl.constexpr(0.07969262624604301), tl.constexpr(-0.004681754132340976)
_S4, _S5 = tl.constexpr(0.0001604411507421909), tl.constexpr(-3.59864335298231e-06)
_S6 = tl.constexpr(5.633933781537854e-08)
_C1, _C2 = tl.constexpr(-1.2337005501361697), tl.constexpr(0.2536695079010467)
_C3, _C4 = tl.constexpr(-0.02086348076331121), tl.constexpr(0.0009192602741831558)
_C5, _C6 = tl.constexpr(-2.520203677046026e-05), tl.constexpr(4.710609726757823e-07)
_C7 = tl.constexpr(-6.321256869628588e-09)
# 1 / x on [1.707, 3.414] to 1 part in 770.
_R0, _R1, _R2 = tl.constexpr(1.477756), tl.constexpr(-0.722444), tl.constexpr(0.116863)
_RECIPROCAL_ROOT = tl.constexpr(0x5FE6EB50)  # its bits less half of those of x are about those of 1 / sqrt(x)
_HALF_QUADRANT, _WITHIN = tl.constexpr(2**50), tl.constexpr(2**51 - 1)
_BITS_OF_2_52, _CENTRE_OF_2_52 = tl.constexpr(0x4330000000000000), tl.constexpr(2.0**52 + 2.0**50)
_QUADRANT_UNIT = tl.constexpr(2.0**-51)
_UNIT, _RADIUS_UNIT = tl.constexpr(2.0**-53), tl.constexpr(2.0**-63)

# What rounding may make of a normal, in logarithms, roots and products of other compilers.
LARGEST_DIFFERENCE = 1e-13

# Elements of one program, and the most elements of one launch: their numbers fit 32 bits.
_BLOCK = 512
LARGEST_ELEMENTS = 1 << 30
# The second axis of a grid is no longer than this.
_MOST_PARTS = 65535


@triton.jit
def _bits(word0, column, particle, run, key):
    """The numbers A and B of an address, uint64; the words are integers below 2^32, the key one of 64 bits."""
    k0, k1 = key.to(tl.uint32), (key >> 32).to(tl.uint32)
    c0, c1, c2, c3 = word0.to(tl.uint32), column.to(tl.uint32), particle.to(tl.uint32), run.to(tl.uint32)
    for _ in tl.static_range(10):
        first, second = c0.to(tl.uint64) * _M0, c2.to(tl.uint64) * _M1
        c0, c1 = (second >> 32).to(tl.uint32) ^ c1 ^ k0, second.to(tl.uint32)
        c2, c3 = (first >> 32).to(tl.uint32) ^ c3 ^ k1, first.to(tl.uint32)
        k0, k1 = k0 + _W0, k1 + _W1
    return c0.to(tl.uint64) | (c1.to(tl.uint64) << 32), c2.to(tl.uint64) | (c3.to(tl.uint64) << 32)


@triton.jit
def high_word(x):
    """The upper 32 bits of a double, as int32."""
    return (x.to(tl.int64, bitcast=True) >> 32).to(tl.int32)


@triton.jit
def with_high_word(x, word):
    """A double with other upper 32 bits."""
    low = x.to(tl.int64, bitcast=True) & _LOW
    return ((word.to(tl.int64) << 32) | low).to(tl.float64, bitcast=True)


@triton.jit
def _reciprocal(x):
    """1 / x for sqrt(1/2) <= x - 1 <= sqrt(2), to an ulp or two: a parabola, then two steps of order three."""
    guess = (x * _R2 + _R1) * x + _R0
    rest = tl.fma(-x, guess, 1.0)
    guess = tl.fma(guess, tl.fma(rest, rest, rest), guess)
    rest = tl.fma(-x, guess, 1.0)
    return tl.fma(guess, tl.fma(rest, rest, rest), guess)


@triton.jit
def _root(x):
    """sqrt(x) for x >= 0 and normal, to an ulp: the exponent halved, two steps of order three, then the residual."""
    guess = with_high_word(x, -(high_word(x) >> 1) + _RECIPROCAL_ROOT)
    rest = tl.fma(-x * guess, guess, 1.0)
    guess = tl.fma(guess * rest, rest * 0.375 + 0.5, guess)
    rest = tl.fma(-x * guess, guess, 1.0)
    guess = tl.fma(guess * rest, rest * 0.375 + 0.5, guess)
    root = x * guess
    return tl.fma(tl.fma(-root, root, x), 0.5 * guess, root)


@triton.jit
def _minus_log(u):
    """-log(u) for 2^-64 <= u <= 1."""
    bits = u.to(tl.int64, bitcast=True)
    lower = ((bits - _SQRT_HALF_BITS) >> 52).to(tl.int32)
    f = with_high_word(u, high_word(u) - (lower << 20)) - 1.0
    halvings = -lower.to(tl.float64)
    double = 2.0 + f
    inverse = _reciprocal(double)
    s = f * inverse
    s = tl.fma(tl.fma(-s, double, f), inverse, s)
    z = s * s
    r = z * _L7 + _L6
    r = z * r + _L5
    r = z * r + _L4
    r = z * r + _L3
    r = z * r + _L2
    r = z * (z * r + _L1)
    half_square = 0.5 * f * f
    small = s * (half_square + r) - halvings * _LN2_LOW
    return halvings * _LN2_HIGH + ((half_square - small) - f)


@triton.jit
def normal_pair(word0, column, particle, run, key):
    """The standard normals of the draws 2 word0 and 2 word0 + 1 at addresses that broadcast."""
    radius_bits, angle_bits = _bits(word0, column, particle, run, key)
    return normals_of(radius_bits, angle_bits)


@triton.jit
def normals_of(radius_bits, angle_bits):
    """The normals of the numbers A and B of an address."""
    u = ((radius_bits >> 1).to(tl.int64).to(tl.float64) + 0.5) * _RADIUS_UNIT
    radius = _root(2.0 * _minus_log(u))
    shifted = (angle_bits >> 11).to(tl.int64) + _HALF_QUADRANT
    quadrant = (shifted >> 51).to(tl.int32)
    # The bits of 2^52 + n are those of 2^52 and of n.
    f = (
        ((shifted & _WITHIN) | _BITS_OF_2_52).to(tl.float64, bitcast=True) - _CENTRE_OF_2_52
    ) * _QUADRANT_UNIT
    z = f * f
    s = z * _S6 + _S5
    s = z * s + _S4
    s = z * s + _S3
    s = z * s + _S2
    s = z * s + _S1
    s = f * (z * s + _S0)
    c = z * _C7 + _C6
    c = z * c + _C5
    c = z * c + _C4
    c = z * c + _C3
    c = z * c + _C2
    c = z * c + _C1
    c = z * c + 1.0
    swapped = (quadrant & 1) == 1
    cosine = radius * tl.where(swapped, s, c)
    sine = radius * tl.where(swapped, c, s)
    cosine = with_high_word(cosine, high_word(cosine) ^ (((quadrant + 1) & 2) << 30))
    return cosine, with_high_word(sine, high_word(sine) ^ ((quadrant & 2) << 30))


@triton.jit
def uniform_pair(word0, column, particle, run, key):
    """The uniforms on [0, 1) of two successive draws."""
    first, second = _bits(word0, column, particle, run, key)
    even = (first >> 11).to(tl.int64).to(tl.float64) * _UNIT
    return even, (second >> 11).to(tl.int64).to(tl.float64) * _UNIT


@triton.jit
def addresses(row, run_of, first_of, size, mask):
    """Run and particle of rows of a stream, as int32, from its pieces of `size` rows each."""
    piece = row // size
    run = tl.load(run_of + piece, mask=mask, other=0)
    return run, tl.load(first_of + piece, mask=mask, other=0) + (row - piece * size)


@triton.jit
def own_rows(shares, part):
    """The number of the owner of a part, its first row, and the row after its last (`Shares`)."""
    return tl.load(shares + 3 * part), tl.load(shares + 3 * part + 1), tl.load(shares + 3 * part + 2)


@triton.jit
def rows_from(shares, part, offset, count, COLUMNS: tl.constexpr):
    """The row of a launch that row `offset` of a part is, and how many of `count` numbers from there are the part's."""
    _, begin, end = own_rows(shares, part)
    left = (end - begin - offset).to(tl.int64) * COLUMNS
    return begin + offset, tl.minimum(left, count).to(tl.int32)


@triton.jit(do_not_specialize=["offset", "count", "size", "word0", "key"])
def _fill(
    even, odd, run_of, first_of, offset, count, size, word0, key, shares, keys,
    COLUMNS: tl.constexpr, NORMAL: tl.constexpr, MANY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Two successive draws of numbers `offset` to `offset + count` of a stream, row after row, or of every part."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if MANY:
        offset, count = rows_from(shares, tl.program_id(1), offset, count, COLUMNS)
        key = tl.load(keys + tl.program_id(1))
        even += offset.to(tl.int64) * COLUMNS
        odd += offset.to(tl.int64) * COLUMNS
    mask = index < count
    row = index // COLUMNS
    run, particle = addresses(row + offset, run_of, first_of, size, mask)
    if NORMAL:
        low, high = normal_pair(word0, index - row * COLUMNS, particle, run, key)
    else:
        low, high = uniform_pair(word0, index - row * COLUMNS, particle, run, key)
    tl.store(even + index, low, mask=mask)
    tl.store(odd + index, high, mask=mask)


@dataclass(frozen=True, eq=False)
class Rows:
    """The addresses of the rows of a stream: pieces of one size, laid end to end.

    Attributes
    ----------
    runs, first : tensor of int32, shape (pieces,)
        Run of each piece, and the particle of the run that it begins with.
    size : int
        Particles of each piece.
    """

    runs: torch.Tensor
    first: torch.Tensor
    size: int

    @classmethod
    def of(cls, pieces: Sequence[Piece], device: torch.device) -> Rows:
        """Return the rows of pieces of one size."""
        table = torch.tensor([(piece.run, piece.first) for piece in pieces], dtype=torch.int32).to(device)
        return cls(table[:, 0].contiguous(), table[:, 1].contiguous(), pieces[0].rows)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.runs) * self.size


@dataclass(frozen=True, eq=False)
class Shares:
    """The parts that consecutive rows of a launch are, each with an owner and the key of its stream.

    Attributes
    ----------
    table : tensor of int32, shape (parts, 3)
        Number of the owner's tables, the first row, and the row after the last.
    keys : tensor of int64, shape (parts,)
    largest : int
        Rows of the largest part.
    """

    table: torch.Tensor
    keys: torch.Tensor
    largest: int

    @classmethod
    def of(
        cls, parts: Sequence[tuple[int, int, int]], keys: Sequence[tuple[int, int]], device: torch.device
    ) -> Shares:
        """Return the shares of parts (owner, first row, row after the last) with their keys."""
        table = torch.tensor(parts, dtype=torch.int32).to(device)
        largest = max(end - begin for _, begin, end in parts)
        return cls(table, torch.tensor([key_of(key) for key in keys]).to(device), largest)

    @property
    def count(self) -> int:
        """The number of parts."""
        return len(self.keys)


class Piece(Protocol):
    """Consecutive particles of one run."""

    @property
    def run(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def rows(self) -> int: ...


class Part(NamedTuple):
    """What one owner of tables makes in a launch for several: pieces laid end to end, and the key of their stream."""

    owner: int
    pieces: Sequence[Piece]
    key: tuple[int, int]


class Launched(NamedTuple):
    """Parts that one launch makes: rows of all parts laid end to end, their addresses, and whose they are."""

    variant: Hashable
    span: slice
    rows: Rows
    shares: Shares


def launches_of(
    parts: Sequence[Part], variants: Sequence[Hashable], numbers: Sequence[int], device: torch.device
) -> Iterator[Launched]:
    """Yield the launches for parts, one for all whose owners have equal variants and whose pieces have one size.

    `numbers` are where the tables of each owner lie among those of its variant.
    """
    pieces = [(number, piece) for number, part in enumerate(parts) for piece in part.pieces]
    start = 0
    for size, group in itertools.groupby(pieces, key=lambda entry: entry[1].rows):
        entries = list(group)
        rows = Rows.of([piece for _, piece in entries], device)
        alike: dict[Hashable, list[tuple[int, int, int]]] = {}
        keys: dict[Hashable, list[tuple[int, int]]] = {}
        begin = 0
        for number, own in itertools.groupby(entries, key=lambda entry: entry[0]):
            end = begin + size * len(list(own))
            owner = parts[number].owner
            alike.setdefault(variants[owner], []).append((numbers[owner], begin, end))
            keys.setdefault(variants[owner], []).append(parts[number].key)
            begin = end
        for variant, spans in alike.items():
            for first in range(0, len(spans), _MOST_PARTS):
                some = slice(first, first + _MOST_PARTS)
                shares = Shares.of(spans[some], keys[variant][some], device)
                yield Launched(variant, slice(start, start + rows.count), rows, shares)
        start += rows.count


def draw_pair(
    kind: str, draw: int, columns: int, rows: Rows, key: tuple[int, int] | Shares
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of an even draw and of the one after it; of rows in nobody's share, anything.

    Parameters
    ----------
    kind : str
        "normal" or "uniform".
    draw : int
        Number of the draw in its stream; its pair is 2 (draw // 2) and the next.
    columns : int
        Numbers of each particle.
    rows : Rows
    key : tuple of int, or Shares
        Words of `philox.stream_key`, of all rows or of each part.

    Returns
    -------
    tuple of tensor, shape (rows, columns)
        In float64.
    """
    even, odd = (
        torch.empty((rows.count, columns), dtype=torch.float64, device=rows.runs.device) for _ in range(2)
    )
    many = isinstance(key, Shares)
    most, parts = (key.largest, key.count) if isinstance(key, Shares) else (rows.count, 1)
    step = max(1, LARGEST_ELEMENTS // columns)
    with on_the_device_of(even):
        for start in range(0, most, step):
            count = min(step, most - start) * columns
            _fill[(triton.cdiv(count, _BLOCK), parts)](
                even if many else even[start:],
                odd if many else odd[start:],
                rows.runs,
                rows.first,
                start,
                count,
                rows.size,
                signed(first_word(draw, kind), 32),
                *key_arguments(key, rows),
                COLUMNS=columns,
                NORMAL=kind == "normal",
                MANY=many,
                BLOCK=_BLOCK,
                num_warps=4,
                enable_fp_fusion=True,
            )
    return even, odd


def key_of(words: tuple[int, int]) -> int:
    """Return the words of a stream's key as one argument of a kernel."""
    return signed(words[0] + (words[1] << 32), 64)


def key_arguments(key: tuple[int, int] | Shares, rows: Rows) -> tuple[int, torch.Tensor, torch.Tensor]:
    """Return the key of all rows, and the table and the keys of shares: what is not there is not read."""
    return (0, key.table, key.keys) if isinstance(key, Shares) else (key_of(key), rows.runs, rows.runs)


def groups_of(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return consecutive pieces of one size together."""
    return [list(group) for _, group in itertools.groupby(pieces, key=lambda piece: piece.rows)]


def on_the_device_of(tensor: torch.Tensor) -> AbstractContextManager[None]:
    """Return a context in which kernels start on the device of a tensor."""
    return torch.cuda.device(tensor.device) if tensor.device.type == "cuda" else nullcontext()


def signed(word: int, bits: int) -> int:
    """Return the signed integer with the bits of an unsigned one: launches take no others."""
    return word - (1 << bits) if word >> (bits - 1) else word


def check_on_device(device: torch.device) -> float:
    """Return the largest difference of a few hundred normals and uniforms from those of torch's operations.

    Uniforms must be equal to the bit: the difference is infinite where they are not.
    """
    runs, offsets = torch.tensor([[0, 1], [5, 1 << 20]], dtype=torch.int32, device=device)
    rows = Rows(runs, offsets, 130)
    first = rows.first.long()[:, None] + torch.arange(rows.size, device=device)
    run = rows.runs.long()[:, None].expand_as(first)
    key = (0x9E3779B9, 0x12345678)
    largest = 0.0
    for kind, draw in (("uniform", 3), ("normal", 8)):
        made = draw_pair(kind, draw, 3, rows, key)
        expected = philox_torch.draw_pair(kind, draw, 3, first.flatten(), run.flatten(), key)
        for own, other in zip(made, expected, strict=True):
            difference = float((own - other).abs().max())
            largest = math.inf if kind == "uniform" and difference > 0.0 else max(largest, difference)
    return largest
