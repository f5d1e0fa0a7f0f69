"""The stages of a reverse diffusion in Triton, in two forms of one kernel, for blocks of particles.

    AXIS = 1   (particles, d) rows; the sums over coordinates and components are float64 matrix products, which Hopper
               and Ampere cards do in tensor units; d and the number of components are padded to 16 and more
    AXIS = 0   (d, particles) columns, a thread's own particle; the sums stay in the thread, for few dimensions

AXIS is that of coordinates and components.  Components are taken in tiles, all of one frame, with a running maximum of
the logits, which are in units of log 2.  Padded components have a logit that no sum sees, and under guidance those of
other classes have it in the sums of a particle's own class.  The
tables are those of `plan` in tiles (`triton_reverse`).
"""

from __future__ import annotations

import triton
import triton.language as tl

from .triton_random import addresses, high_word, normal_pair, own_rows, with_high_word

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


@triton.jit
def _product(values, matrix, AXIS: tl.constexpr):
    """The values of every particle times a matrix, (in, out) for rows of particles and (out, in) for columns."""
    if AXIS == 1:
        return tl.dot(values, matrix)
    else:
        return tl.sum(matrix[:, :, None] * values[None, :, :], axis=1)


@triton.jit
def _gathered(
    logits, turned, total, mass, top, value, tall, gain, own_gain, frame, square,
    AXIS: tl.constexpr, SEVERAL: tl.constexpr, ISOTROPIC: tl.constexpr, FRAMES: tl.constexpr,
):  # fmt: skip
    """The sums over components with those of one more tile, in units of 2^top: of denoisers, of weights, and top."""
    peak = tl.max(logits, AXIS)
    if SEVERAL:
        peak = tl.maximum(peak, top)
    shares = power_of_minus(tl.expand_dims(peak, AXIS) - logits)
    part = _product(shares, tl.load(value + tall), AXIS)
    if ISOTROPIC:
        slope = tl.sum(shares * tl.expand_dims(tl.load(gain + own_gain), 1 - AXIS), AXIS)
        part += tl.expand_dims(slope, AXIS) * turned
    else:
        part += _product(shares, tl.load(gain + own_gain), AXIS) * turned
    if FRAMES:
        part = _product(part, tl.trans(tl.load(frame + square)), AXIS)
    share = tl.sum(shares, AXIS)
    if SEVERAL:
        fade = power_of_minus(peak - top)
        part += total * tl.expand_dims(fade, AXIS)
        share += mass * fade
    return part, share, peak


@triton.jit
def _coefficients(step):
    """p0, p1, q0, q1 and r of a stage."""
    return tl.load(step), tl.load(step + 1), tl.load(step + 2), tl.load(step + 3), tl.load(step + 4)


@triton.jit(do_not_specialize=["rows", "size", "stages", "tiles", "key"])
def reverse(
    points, labels, run_of, first_of, rows, size, stages, tiles, key, shares, keys, extents, stride, small_stride,
    shift, constant, linear, quadratic, mean, value, gain, frames, guidance, step, frame_of, class_of, draw,
    D: tl.constexpr, WIDTH: tl.constexpr, RIGHT: tl.constexpr, TILE: tl.constexpr, AXIS: tl.constexpr,
    SEVERAL: tl.constexpr, ISOTROPIC: tl.constexpr, FRAMES: tl.constexpr, GUIDED: tl.constexpr,
    EARLIER: tl.constexpr, EARLIER_DATA: tl.constexpr, NOISE: tl.constexpr, MANY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Carry the rows of the points, or of every part, through all stages, BLOCK rows a program.

    The tables of an owner of parts lie `stride` numbers, `small_stride` integers, behind those of the one before.
    """
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if MANY:
        owner, begin, rows = own_rows(shares, tl.program_id(1))
        row += begin
        key = tl.load(keys + tl.program_id(1))
        stages, tiles = tl.load(extents + 2 * owner), tl.load(extents + 2 * owner + 1)
        numbers, integers = owner.to(tl.int64) * stride, owner.to(tl.int64) * small_stride
        shift, constant, linear, quadratic = (
            shift + numbers,
            constant + numbers,
            linear + numbers,
            quadratic + numbers,
        )
        mean, value, gain, frames = mean + numbers, value + numbers, gain + numbers, frames + numbers
        guidance, step = guidance + numbers, step + numbers
        frame_of, class_of, draw = frame_of + integers, class_of + integers, draw + integers
    column = tl.arange(0, WIDTH)
    component = tl.arange(0, TILE)
    inside = row < rows
    run, particle = addresses(row, run_of, first_of, size, inside)
    used = tl.expand_dims(column < D, 1 - AXIS)
    entries = tl.expand_dims(row.to(tl.int64), AXIS) * D + tl.expand_dims(column, 1 - AXIS)
    mask = tl.expand_dims(inside, AXIS) & used
    x = tl.load(points + entries, mask=mask, other=0.0)
    wide = tl.expand_dims(column, AXIS) * TILE + tl.expand_dims(component, 1 - AXIS)
    tall = tl.expand_dims(component, AXIS) * WIDTH + tl.expand_dims(column, 1 - AXIS)
    square = tl.expand_dims(column, AXIS) * WIDTH + tl.expand_dims(column, 1 - AXIS)
    centre = tl.expand_dims(tl.load(mean + column), 1 - AXIS)
    if GUIDED:
        label = tl.expand_dims(tl.load(labels + row, mask=inside, other=0).to(tl.int32), AXIS)
        scale = tl.load(guidance)
    x_before = x
    data = tl.zeros_like(x)
    data_before = data
    if AXIS == 1:
        # Normals of half the width and of the rest: those of padded columns would be most of the work.
        first_half, rest = tl.arange(0, WIDTH // 2)[None, :], tl.arange(0, RIGHT)[None, :] + WIDTH // 2
        spare = tl.zeros((BLOCK, WIDTH // 2), tl.float64)
        spare_rest = tl.zeros((BLOCK, RIGHT), tl.float64)
    else:
        spare = tl.zeros_like(x)
    # Beside products of matrices, what a stage needs is on its way before it is needed; a particle in each thread has
    # no registers to spare for that.
    centred, number = tl.load(shift + column), tl.load(draw)
    for stage in range(stages):
        if AXIS == 0:
            centred = tl.load(shift + stage * WIDTH + column)
        y = x - tl.expand_dims(centred, 1 - AXIS)
        if AXIS == 1:
            centred = tl.load(shift + (stage + 1) * WIDTH + column)
            p0, p1, q0, q1, r = _coefficients(step + stage * 5)
        total = tl.zeros_like(x)
        mass = tl.zeros_like(tl.sum(x, AXIS))
        top = mass + _NEVER
        if GUIDED:
            total_own, mass_own, top_own = total, mass, top
        data_before = data
        for tile in range(tiles):
            at = stage * tiles + tile
            frame = frames
            turned = y
            if FRAMES:
                frame += tl.load(frame_of + tile) * WIDTH * WIDTH
                turned = _product(y, tl.load(frame + square), AXIS)
            logits = _product(turned, tl.load(linear + at * WIDTH * TILE + wide), AXIS)
            if WIDTH == D:  # else a constant coordinate beside the others brings the constant
                logits += tl.expand_dims(tl.load(constant + at * TILE + component), 1 - AXIS)
            values, gains, own_gain = value + at * WIDTH * TILE, gain + at * WIDTH * TILE, tall
            if ISOTROPIC:
                curvature = tl.expand_dims(tl.load(quadratic + at * TILE + component), 1 - AXIS)
                logits += tl.expand_dims(tl.sum(turned * turned, AXIS), AXIS) * curvature
                gains, own_gain = gain + at * TILE, component
            else:
                logits += _product(turned * turned, tl.load(quadratic + at * WIDTH * TILE + wide), AXIS)
            total, mass, top = _gathered(
                logits, turned, total, mass, top, values, tall, gains, own_gain, frame, square,
                AXIS, SEVERAL, ISOTROPIC, FRAMES,
            )  # fmt: skip
            if GUIDED:
                own = tl.expand_dims(tl.load(class_of + tile * TILE + component), 1 - AXIS) == label
                logits = tl.where(own, logits, _NEVER)
                total_own, mass_own, top_own = _gathered(
                    logits, turned, total_own, mass_own, top_own, values, tall, gains, own_gain, frame, square,
                    AXIS, SEVERAL, ISOTROPIC, FRAMES,
                )  # fmt: skip
        total *= tl.expand_dims(_inverse(mass), AXIS)
        if GUIDED:
            total = scale * total_own * tl.expand_dims(_inverse(mass_own), AXIS) - (scale - 1.0) * total
        data = centre + total
        if AXIS == 0:
            p0, p1, q0, q1, r = _coefficients(step + stage * 5)
        moved = p0 * x + q0 * data
        if EARLIER:
            moved += p1 * x_before
            x_before = x
        if EARLIER_DATA:
            moved += q1 * data_before
        if NOISE:
            if AXIS == 0:
                number, r = tl.load(draw + stage), tl.load(step + stage * 5 + 4)
            word, fresh = number >> 1, (number & 1) == 0
            own_particle, own_run = tl.expand_dims(particle, AXIS), tl.expand_dims(run, AXIS)
            normals = spare
            if AXIS == 1:
                right = spare_rest
                if fresh:
                    normals, spare = normal_pair(word, first_half, own_particle, own_run, key)
                    right, spare_rest = normal_pair(word, rest, own_particle, own_run, key)
                normals = _filled(normals, right)
                number = tl.load(draw + stage + 1)
            elif fresh:
                normals, spare = normal_pair(word, column[:, None], own_particle, own_run, key)
            moved += r * normals
        x = tl.where(used, moved, 0.0)
    tl.store(points + entries, x, mask=mask)
