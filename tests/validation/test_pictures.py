"""Pictures of records, and the annealing experiment behind one of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from validation import catalog, pictures
from validation.__main__ import RECORDS
from validation.experiment import Settings
from validation.experiments import annealing


def test_every_picture_is_of_an_experiment_that_exists():
    known = {experiment.name.replace("/", ".") for experiment in catalog.experiments()}
    assert set(pictures._PICTURES) <= known


@pytest.mark.parametrize("name", pictures._PICTURES)
def test_a_picture_is_drawn_from_the_numbers_of_its_record_alone(name, tmp_path):
    record = tmp_path / f"{name}.json"
    document = json.loads((RECORDS / "cpu" / record.name).read_text())
    stored = RECORDS / "cpu" / f"{name}.npz"
    arrays = dict(np.load(stored)) if stored.exists() else {}

    def drawn(document: dict, arrays: dict) -> bytes:
        record.write_text(json.dumps(document))
        if arrays:
            np.savez(record.with_suffix(".npz"), **arrays)
        picture = pictures.write(record)
        assert picture == record.with_suffix(".svg")
        narrow = picture.with_stem(f"{name}_narrow")
        assert narrow.exists() == (name == "schedulers")
        assert not narrow.exists() or b"<svg" in narrow.read_bytes() != picture.read_bytes()
        return picture.read_bytes()

    first = drawn(document, arrays)
    assert b"<svg" in first and drawn(document, arrays) == first
    for key in ("kl", "measured"):  # of other numbers it is another picture
        if key in document:
            document[key] = {name: [0.9 * v for v in values] for name, values in document[key].items()}
    for row in document.get("samplers", ()):
        row["one_round"]["exact"] = [0.9 * v for v in row["one_round"]["exact"]]
    for key, value in arrays.items():
        if value.dtype.kind == "f":
            arrays[key] = value * np.linspace(0.9, 1.0, value.size).reshape(value.shape)
    assert drawn(document, arrays) != first


def test_other_records_have_no_picture(tmp_path):
    assert pictures.write(tmp_path / "presets.grid_2d.channel.json") is None
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def simulated_once():
    """The simulations of the annealing experiment are the same whatever they are held against."""
    simulate, records = annealing.simulate, {}

    def remembered(recursion, **options):
        key = (repr(recursion), *sorted(options.items()))
        if key not in records:
            records[key] = simulate(recursion, **options)
        return records[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annealing, "simulate", remembered)
        yield
    assert len(records) == len(annealing.SCHEDULES)


@pytest.mark.usefixtures("simulated_once")
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_annealing_in_the_plane_follows_its_laws_and_no_others(factor, monkeypatch):
    honest = annealing.annealing_law

    def law(degree, *, fresh_fraction, **rest):
        return honest(degree, fresh_fraction=fresh_fraction * factor, **rest)

    monkeypatch.setattr(annealing, "annealing_law", law)
    outcome = annealing.run(Settings("small", "cpu", seed=0, level=1e-4))
    assert outcome.passed == (factor == 1.0)
    assert outcome.arrays["exact_constant"].shape == (annealing.ROUNDS + 1, annealing.DEGREE + 1)


@pytest.mark.usefixtures("simulated_once")
def test_a_simulation_of_another_recursion_is_seen(monkeypatch):
    honest = annealing.predict_degree_error

    def moved(recursion, *arguments, **options):
        wrong = type(recursion)(
            recursion.target,
            fresh_fraction=1.2 * annealing.FRESH_FRACTION,
            truncation_time=recursion.schedule,
        )
        return honest(wrong, *arguments, **options)

    monkeypatch.setattr(annealing, "predict_degree_error", moved)
    outcome = annealing.run(Settings("small", "cpu", seed=0, level=1e-4))
    assert not outcome.passed
