"""The stages of a reverse diffusion in Triton, in two forms of one algorithm, for blocks of particles.

    matrices   (particles, d) rows; the sums over coordinates and components are float64 matrix products, which Hopper
               and Ampere cards do in tensor units; d and the number of components are padded to 16 and more
    lanes      (d, particles) columns, a thread's own particle; the sums stay in the thread, for few dimensions

Components are taken in tiles, all of one frame, with a running maximum of the logits, which are in units of log 2.
Padded components have a logit that no sum sees.  The tables are those of `plan` in tiles (`triton_reverse`).
"""

from __future__ import annotations

import triton
import triton.language as tl

from .triton_random import addresses, high_word, normal_pair, with_high_word

NEVER = -1e300  # the logit of a padded component
_NEVER = tl.constexpr(NEVER)
_MAGIC = tl.constexpr(6755399441055744.0)  # 1.5 2^52: what is added to it is rounded to an integer
_HIGH_OF_1000 = tl.constexpr(0x408F4000)  # upper word of the double 1000
# 2^f as a polynomial through Chebyshev's nodes, abs(f) <= 1/2: relative error 2e-17.
_P1, _P2 = tl.constexpr(0.6931471805599453), tl.constexpr(0.24022650695910158)
_P3, _P4 = tl.constexpr(0.055504108664821625), tl.constexpr(0.009618129107587256)
_P5, _P6 = tl.constexpr(0.001333355814640647), tl.constexpr(0.00015403530463724353)
_P7, _P8 = tl.constexpr(1.5252733841556773e-05), tl.constexpr(1.3215432535912375e-06)
_P9, _P10 = tl.constexpr(1.0178057087733941e-07), tl.constexpr(7.074194297288521e-09)
_P11 = tl.constexpr(4.4558179083360645e-10)


@triton.jit
def power_of_minus(t):
    """2^-t for t >= 0, to an ulp; about 2^-1000 above 1000."""
    t = with_high_word(t, tl.minimum(high_word(t), _HIGH_OF_1000))
    shifted = -t + _MAGIC
    f = -t - (shifted - _MAGIC)
    p = f * _P11 + _P10
    p = f * p + _P9
    p = f * p + _P8
    p = f * p + _P7
    p = f * p + _P6
    p = f * p + _P5
    p = f * p + _P4
    p = f * p + _P3
    p = f * p + _P2
    p = f * p + _P1
    p = f * p + 1.0
    return with_high_word(p, high_word(p) + (shifted.to(tl.int64, bitcast=True).to(tl.int32) << 20))


@triton.jit
def _beside(left, right):
    """Columns of two blocks of one shape side by side."""
    both = tl.permute(tl.join(left, right), (0, 2, 1))
    return tl.reshape(both, (left.shape[0], 2 * left.shape[1]))


@triton.jit
def _filled(left, right):
    """The columns of a block, those of a narrower one, and zeros to twice the width of the first."""
    for _ in tl.static_range(5):
        if right.shape[1] < left.shape[1]:
            right = _beside(right, tl.zeros_like(right))
    return _beside(left, right)


@triton.jit
def _inverse(x):
    """1 / x for positive x of float32's range, to an ulp or two, without a branch."""
    guess = (1.0 / x.to(tl.float32)).to(tl.float64)
    guess = tl.fma(guess, tl.fma(-x, guess, 1.0), guess)
    return tl.fma(guess, tl.fma(-x, guess, 1.0), guess)


@triton.jit(do_not_specialize=["offset", "rows", "size", "stages", "tiles", "key"])
def matrices(
    points, run_of, first_of, offset, rows, size, stages, tiles, key,
    shift, constant, linear, quadratic, mean, value, gain, frames, frame_of, step, draw,
    D: tl.constexpr, WIDTH: tl.constexpr, RIGHT: tl.constexpr, TILE: tl.constexpr, SEVERAL: tl.constexpr,
    ISOTROPIC: tl.constexpr, FRAMES: tl.constexpr, EARLIER: tl.constexpr, EARLIER_DATA: tl.constexpr,
    NOISE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Carry rows `offset` to `offset + rows` of the points through all stages, BLOCK rows a program."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    component = tl.arange(0, TILE)
    inside = row < rows
    run, particle = addresses(row + offset, run_of, first_of, size, inside)
    entries = row[:, None].to(tl.int64) * D + column[None, :]
    mask = inside[:, None] & (column < D)[None, :]
    x = tl.load(points + entries, mask=mask, other=0.0)
    wide = column[:, None] * TILE + component[None, :]
    tall = component[:, None] * WIDTH + column[None, :]
    square = column[:, None] * WIDTH + column[None, :]
    centre = tl.load(mean + column)
    x_before = x
    data = tl.zeros_like(x)
    data_before = data
    # Normals of half the width and of the rest of the dimensions: those of padded columns would be most of the work.
    first_half, rest = tl.arange(0, WIDTH // 2)[None, :], tl.arange(0, RIGHT)[None, :] + WIDTH // 2
    spare_left, spare_right = tl.zeros((BLOCK, WIDTH // 2), tl.float64), tl.zeros((BLOCK, RIGHT), tl.float64)
    # What the coming stage needs first is on its way through the stage before.
    centred, number = tl.load(shift + column), tl.load(draw)
    for stage in range(stages):
        y = x - centred[None, :]
        centred = tl.load(shift + (stage + 1) * WIDTH + column)
        coefficient, coefficient_data = tl.load(step + stage * 5), tl.load(step + stage * 5 + 2)
        coefficient_before, coefficient_data_before = (
            tl.load(step + stage * 5 + 1),
            tl.load(step + stage * 5 + 3),
        )
        deviation = tl.load(step + stage * 5 + 4)
        total = tl.zeros_like(x)
        mass = tl.zeros_like(tl.sum(x, axis=1))
        top = mass + _NEVER
        data_before = data
        for tile in range(tiles):
            at = stage * tiles + tile
            if FRAMES:
                frame = frames + tl.load(frame_of + tile) * WIDTH * WIDTH
                turned = tl.dot(y, tl.load(frame + square))
            else:
                turned = y
            logits = tl.dot(turned, tl.load(linear + at * WIDTH * TILE + wide))
            if WIDTH == D:  # else a constant coordinate beside the others brings the constant
                logits += tl.load(constant + at * TILE + component)[None, :]
            if ISOTROPIC:
                curvature = tl.load(quadratic + at * TILE + component)
                logits += tl.sum(turned * turned, axis=1)[:, None] * curvature[None, :]
            else:
                logits += tl.dot(turned * turned, tl.load(quadratic + at * WIDTH * TILE + wide))
            peak = tl.max(logits, axis=1)
            if SEVERAL:
                peak = tl.maximum(peak, top)
            shares = power_of_minus(peak[:, None] - logits)
            part = tl.dot(shares, tl.load(value + at * WIDTH * TILE + tall))
            if ISOTROPIC:
                part += (
                    tl.sum(shares * tl.load(gain + at * TILE + component)[None, :], axis=1)[:, None] * turned
                )
            else:
                part += tl.dot(shares, tl.load(gain + at * WIDTH * TILE + tall)) * turned
            if FRAMES:
                part = tl.dot(part, tl.trans(tl.load(frame + square)))
            if SEVERAL:
                fade = power_of_minus(peak - top)
                total = total * fade[:, None] + part
                mass = mass * fade + tl.sum(shares, axis=1)
                top = peak
            else:
                total = part
                mass = tl.sum(shares, axis=1)
        data = centre[None, :] + total * _inverse(mass)[:, None]
        moved = coefficient * x + coefficient_data * data
        if EARLIER:
            moved += coefficient_before * x_before
            x_before = x
        if EARLIER_DATA:
            moved += coefficient_data_before * data_before
        if NOISE:
            left, right = spare_left, spare_right
            if (number & 1) == 0:
                word, own, of_run = number >> 1, particle[:, None], run[:, None]
                left, spare_left = normal_pair(word, first_half, own, of_run, key)
                right, spare_right = normal_pair(word, rest, own, of_run, key)
            number = tl.load(draw + stage + 1)
            moved += deviation * _filled(left, right)
        x = tl.where((column < D)[None, :], moved, 0.0)
    tl.store(points + entries, x, mask=mask)


@triton.jit
def _times(matrix, columns):
    """The product of a small matrix with columns, one in each thread."""
    return tl.sum(matrix[:, :, None] * columns[None, :, :], axis=1)


@triton.jit(do_not_specialize=["offset", "rows", "size", "stages", "tiles", "key"])
def lanes(
    points, run_of, first_of, offset, rows, size, stages, tiles, key,
    shift, constant, linear, quadratic, mean, value, gain, frames, frame_of, step, draw,
    D: tl.constexpr, WIDTH: tl.constexpr, TILE: tl.constexpr, SEVERAL: tl.constexpr, ISOTROPIC: tl.constexpr,
    FRAMES: tl.constexpr, EARLIER: tl.constexpr, EARLIER_DATA: tl.constexpr, NOISE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """The same with a particle in each thread: sums over coordinates and components stay in it."""
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    component = tl.arange(0, TILE)
    inside = row < rows
    run, particle = addresses(row + offset, run_of, first_of, size, inside)
    entries = row[None, :].to(tl.int64) * D + column[:, None]
    mask = inside[None, :] & (column < D)[:, None]
    x = tl.load(points + entries, mask=mask, other=0.0)
    wide = column[None, :] * TILE + component[:, None]
    tall = component[None, :] * WIDTH + column[:, None]
    square = column[None, :] * WIDTH + column[:, None]
    centre = tl.load(mean + column)
    x_before = x
    data = tl.zeros_like(x)
    data_before = data
    spare = tl.zeros_like(x)
    for stage in range(stages):
        y = x - tl.load(shift + stage * WIDTH + column)[:, None]
        total = tl.zeros_like(x)
        mass = tl.zeros_like(tl.sum(x, axis=0))
        top = mass + _NEVER
        data_before = data
        for tile in range(tiles):
            at = stage * tiles + tile
            if FRAMES:
                frame = frames + tl.load(frame_of + tile) * WIDTH * WIDTH
                turned = _times(tl.load(frame + square), y)
            else:
                turned = y
            logits = _times(tl.load(linear + at * WIDTH * TILE + wide), turned)
            if WIDTH == D:
                logits += tl.load(constant + at * TILE + component)[:, None]
            if ISOTROPIC:
                curvature = tl.load(quadratic + at * TILE + component)
                logits += tl.sum(turned * turned, axis=0)[None, :] * curvature[:, None]
            else:
                logits += _times(tl.load(quadratic + at * WIDTH * TILE + wide), turned * turned)
            peak = tl.max(logits, axis=0)
            if SEVERAL:
                peak = tl.maximum(peak, top)
            shares = power_of_minus(peak[None, :] - logits)
            part = _times(tl.load(value + at * WIDTH * TILE + tall), shares)
            if ISOTROPIC:
                part += (
                    tl.sum(shares * tl.load(gain + at * TILE + component)[:, None], axis=0)[None, :] * turned
                )
            else:
                part += _times(tl.load(gain + at * WIDTH * TILE + tall), shares) * turned
            if FRAMES:
                part = _times(tl.trans(tl.load(frame + square)), part)
            if SEVERAL:
                fade = power_of_minus(peak - top)
                total = total * fade[None, :] + part
                mass = mass * fade + tl.sum(shares, axis=0)
                top = peak
            else:
                total = part
                mass = tl.sum(shares, axis=0)
        data = centre[:, None] + total * _inverse(mass)[None, :]
        moved = tl.load(step + stage * 5) * x + tl.load(step + stage * 5 + 2) * data
        if EARLIER:
            moved += tl.load(step + stage * 5 + 1) * x_before
            x_before = x
        if EARLIER_DATA:
            moved += tl.load(step + stage * 5 + 3) * data_before
        if NOISE:
            normals, number = spare, tl.load(draw + stage)
            if (number & 1) == 0:
                normals, spare = normal_pair(
                    number >> 1, column[:, None], particle[None, :], run[None, :], key
                )
            moved += tl.load(step + stage * 5 + 4) * normals
        x = tl.where((column < D)[:, None], moved, 0.0)
    tl.store(points + entries, x, mask=mask)
