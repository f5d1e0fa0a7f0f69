"""Records of simulations: saved, loaded, refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.record import SimulatedRecursion


def record(**changes):
    rng = np.random.default_rng(0)
    runs, rounds, m, d = 2, 3, 3, 2
    values = {
        "indices": np.array([[0, 0], [0, 1], [1, 0]]),
        "coefficients": rng.normal(size=(runs, rounds + 1, m)),
        "second_moments": 4.0 + rng.random((runs, rounds + 1, m)),
        "means": rng.normal(size=(runs, rounds + 1, d)),
        "covariances": rng.normal(size=(runs, rounds + 1, d, d)),
        "truncation_times": np.array([0.1, 0.2, 0.3]),
        "wall_seconds": np.array([0.5, 1.5, np.nan, 2.0]),
        "generator": "exact",
        "particles": 50,
        "seed": 7,
        "device": "cpu",
        "versions": {"torch": "2"},
        "sampler": {"name": "euler_maruyama", "horizon": None},
        "steps": 100,
        "recursion": {"fresh_fraction": 0.3},
        "notes": ("Memory ran out.",),
    }
    return SimulatedRecursion(**{**values, **changes})


@pytest.mark.parametrize("changes", [{}, {"samples": np.zeros((2, 1, 50, 2)), "pool": 9, "notes": ()}])
def test_saved_and_loaded_records_are_equal(tmp_path, changes):
    before = record(**changes)
    before.save(tmp_path / "deep" / "folder")
    after = SimulatedRecursion.load(tmp_path / "deep" / "folder")
    for field in dataclasses.fields(SimulatedRecursion):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(old, new)
            assert old.dtype == new.dtype
        else:
            assert old == new, field.name


def test_bytes_depend_on_the_run_alone(tmp_path):
    record().save(tmp_path / "a")
    record(wall_seconds=np.zeros(4), notes=()).save(tmp_path / "b")
    for name in ("record.npz", "record.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_records_of_one_run_are_equal_however_long_it_took():
    other = record(wall_seconds=np.zeros(4), notes=())
    assert record() == other and hash(record()) == hash(other)
    assert record() != record(steps=99) and record() != record(means=record().means + 1e-15)


def test_a_record_says_which_generator_made_its_particles(tmp_path):
    """Records from before it was written down were made by another one."""
    assert record().random_numbers == "sfc64 on a CPU, else the device's own"
    record(random_numbers="philox4x32-10").save(tmp_path)
    assert SimulatedRecursion.load(tmp_path).random_numbers == "philox4x32-10"
    document = json.loads((tmp_path / "record.json").read_text())
    del document["random_numbers"]
    (tmp_path / "record.json").write_text(json.dumps(document))
    assert "sfc64" in SimulatedRecursion.load(tmp_path).random_numbers


def test_derived_quantities():
    r = record()
    assert (r.runs, r.rounds, r.dimension, r.degree) == (2, 3, 2, 1)
    assert r.degrees.tolist() == [0, 1, 1]
    rng = np.random.default_rng(1)
    h = rng.normal(size=50)
    one = record(coefficients=np.full((1, 1, 3), h.mean()), second_moments=np.full((1, 1, 3), (h**2).mean()))
    np.testing.assert_allclose(one.variances, h.var(ddof=1))
    np.testing.assert_allclose(one.standard_errors, h.std(ddof=1) / np.sqrt(50))
    assert np.isnan(one.spread_over_runs).all()
    np.testing.assert_allclose(r.spread_over_runs, abs(r.coefficients[0] - r.coefficients[1]) / np.sqrt(2.0))


def test_folders_without_a_record_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"folder must hold a readable record\.json"):
        SimulatedRecursion.load(tmp_path)
    record().save(tmp_path)
    (tmp_path / "record.npz").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match=r"folder must hold a readable record\.npz"):
        SimulatedRecursion.load(tmp_path)
    record().save(tmp_path)
    document = json.loads((tmp_path / "record.json").read_text())
    for change, sentence in (
        ({"record_version": 99}, "record of version 1, got version 99"),
        ({"colour": "red"}, "known fields only, got ['colour']"),
    ):
        (tmp_path / "record.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(InputError) as caught:
            SimulatedRecursion.load(tmp_path)
        assert sentence in str(caught.value)
    del document["seed"]
    (tmp_path / "record.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="folder must hold a complete record"):
        SimulatedRecursion.load(tmp_path)
