"""Pictures of records, and the annealing experiment behind one of them."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("torch")

from validation import catalog, pictures
from validation.__main__ import RECORDS
from validation.experiments import annealing


def test_every_picture_is_of_an_experiment_that_exists():
    known = {experiment.name.replace("/", ".") for experiment in catalog.experiments()}
    assert set(pictures._PICTURES) <= known


@pytest.mark.parametrize("name", pictures._PICTURES)
def test_the_picture_of_a_committed_record_is_drawn_from_the_record_alone(name, tmp_path):
    for kind in (".json", ".npz"):
        if (RECORDS / "cpu" / f"{name}{kind}").exists():
            shutil.copy(RECORDS / "cpu" / f"{name}{kind}", tmp_path)
    picture = pictures.write(tmp_path / f"{name}.json")
    assert picture == tmp_path / f"{name}.svg"
    assert picture.read_bytes() == (RECORDS / "cpu" / f"{name}.svg").read_bytes()


def test_other_records_have_no_picture(tmp_path):
    assert pictures.write(tmp_path / "presets.grid_2d.channel.json") is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_annealing_in_the_plane_follows_its_laws_and_no_others(factor, monkeypatch):
    honest = annealing.annealing_law

    def law(degree, *, fresh_fraction, **rest):
        return honest(degree, fresh_fraction=fresh_fraction * factor, **rest)

    monkeypatch.setattr(annealing, "annealing_law", law)
    outcome = annealing.run(catalog.Settings("small", "cpu", seed=0, level=1e-4))
    assert outcome.passed == (factor == 1.0)
    assert outcome.arrays["exact_constant"].shape == (annealing.ROUNDS + 1, annealing.DEGREE + 1)


def test_a_simulation_of_another_recursion_is_seen(monkeypatch):
    honest = annealing.predict_degree_error

    def moved(recursion, *arguments, **options):
        wrong = type(recursion)(
            recursion.target, fresh_fraction=1.2 * annealing.FRESH_FRACTION, truncation=recursion.schedule
        )
        return honest(wrong, *arguments, **options)

    monkeypatch.setattr(annealing, "predict_degree_error", moved)
    outcome = annealing.run(catalog.Settings("small", "cpu", seed=0, level=1e-4))
    assert not outcome.passed
