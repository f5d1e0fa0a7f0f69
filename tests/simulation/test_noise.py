"""Random numbers by address, and the cutting into chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite_collapse.simulation.noise import BLOCK, NoiseStream, Piece, pieces_of_run, plan_chunks
from hermite_collapse.simulation.philox import PURPOSES, draw_normal, draw_uniform, stream_key
from hermite_collapse.simulation.products import product

CPU = torch.device("cpu")


def _stream(*pieces, seed=3, round_index=2, purpose="path"):
    return NoiseStream(pieces, seed=seed, round_index=round_index, purpose=purpose, device=CPU)


@given(runs=st.integers(1, 9), particles=st.integers(1, 40_000), chunk=st.integers(1, 100_000))
def test_chunks_cover_all_rows_once_in_whole_pieces_of_one_size(runs, particles, chunk):
    chunks = plan_chunks(runs, particles, chunk)
    assert [c.start for c in chunks] == [0, *[c.stop for c in chunks[:-1]]]
    assert chunks[-1].stop == runs * particles
    pieces = [piece for c in chunks for piece in c.pieces]
    per_run = -(-particles // BLOCK)
    assert [(p.run, p.block) for p in pieces] == [(r, b) for r in range(runs) for b in range(per_run)]
    for c in chunks:
        assert len({p.rows for p in c.pieces}) == 1
        assert c.rows <= max(chunk, min(particles, BLOCK))


def test_a_piece_sees_the_same_numbers_alone_and_in_company():
    a, b = Piece(0, 0, 100), Piece(4, 1, 100)
    together, alone = _stream(a, b), _stream(b)
    for _ in range(3):
        assert torch.equal(together.normal(2)[100:], alone.normal(2))
        assert torch.equal(together.uniform(3)[100:], alone.uniform(3))


PIECES = (Piece(0, 3, 100), Piece(2**32 - 1, 0, 100), Piece(5, 2**19 - 1, 7))


def _reference(draw, columns, *, kind="normal"):
    key = stream_key(3, 2, "path")
    function = draw_normal if kind == "normal" else draw_uniform
    parts = [
        function(draw, columns, p.block * BLOCK + np.arange(p.rows), np.full(p.rows, p.run), key)
        for p in PIECES
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("columns", [(2, 2, 2, 2), (3, 5, 2, 4), (4, 1, 1, 6)])
@pytest.mark.parametrize("first", [0, 1, 6, 7])
def test_draws_are_those_of_the_addresses_whatever_their_columns(columns, first):
    """A waiting half of a pair may be too narrow for the next draw, or wider than it."""
    stream = NoiseStream(PIECES, seed=3, round_index=2, purpose="path", device=CPU, first_draw=first)
    for number, count in enumerate(columns, start=first):
        normals, uniforms = stream.normal(count), stream.uniform(count)
        assert normals.is_contiguous()
        np.testing.assert_allclose(normals.numpy(), _reference(number, count), rtol=1e-14, atol=0.0)
        np.testing.assert_array_equal(uniforms.numpy(), _reference(number, count, kind="uniform"))


def test_addresses_of_rows_are_those_of_their_pieces():
    particles, runs = _stream(*PIECES)._addresses
    assert runs.tolist() == [p.run for p in PIECES for _ in range(p.rows)]
    assert particles.tolist() == [p.block * BLOCK + i for p in PIECES for i in range(p.rows)]
    pieces = pieces_of_run(4, 2 * BLOCK + 5)
    assert pieces == (Piece(4, 0, BLOCK), Piece(4, 1, BLOCK), Piece(4, 2, 5))


@given(particles=st.integers(1, 40_000), chunk=st.integers(1, 100_000))
@settings(max_examples=10, deadline=None)
def test_numbers_do_not_depend_on_the_chunk_size(particles, chunk):
    def made(size):
        parts = []
        for part in plan_chunks(2, particles, size):
            stream = _stream(*part.pieces)
            parts.append(torch.cat([stream.normal(2), stream.uniform(1), stream.normal(2)], dim=1))
        return torch.cat(parts)

    assert torch.equal(made(chunk), made(BLOCK))


def test_every_part_of_the_address_changes_the_numbers():
    draws = [
        _stream(Piece(0, 0, 4)),
        _stream(Piece(1, 0, 4)),
        _stream(Piece(0, 1, 4)),
        _stream(Piece(0, 0, 4), round_index=3),
        _stream(Piece(0, 0, 4), seed=4),
        _stream(Piece(0, 0, 4), seed=3 + 2**32),
        *[_stream(Piece(0, 0, 4), purpose=p) for p in PURPOSES if p != "path"],
    ]
    values = np.array([s.normal(1).numpy().ravel() for s in draws])
    assert len(np.unique(values[:, 0])) == len(draws)


def test_normals_and_uniforms_have_their_moments():
    n = 4 * BLOCK
    stream = _stream(*[Piece(0, b, BLOCK) for b in range(4)])
    z, u = stream.normal(2).numpy(), stream.uniform(2).numpy()
    root = np.sqrt(n)
    assert np.all(abs(z.mean(0)) < 4.5 / root)
    assert np.all(abs((z**2).mean(0) - 1) < 4.5 * np.sqrt(2) / root)
    assert abs((z[:, 0] * z[:, 1]).mean()) < 4.5 / root
    assert np.all(abs(u.mean(0) - 0.5) < 4.5 / np.sqrt(12) / root)
    assert u.min() >= 0.0
    assert u.max() < 1.0


@pytest.mark.parametrize("shape", [(10, 105), (3, 60), (16, 64)])
def test_products_do_not_depend_on_the_rows_beside_them(shape):
    rng = torch.Generator().manual_seed(0)
    rows = torch.randn(7 * 333, shape[0], dtype=torch.float64, generator=rng)
    matrix = torch.randn(*shape, dtype=torch.float64, generator=rng)
    whole = product(rows, matrix, piece=333)
    for start, stop in ((0, 1), (2, 5), (6, 7)):
        part = product(rows[start * 333 : stop * 333].clone(), matrix, piece=333)
        assert torch.equal(part, whole[start * 333 : stop * 333])
    assert torch.allclose(whole, rows @ matrix, rtol=1e-13, atol=1e-12)
