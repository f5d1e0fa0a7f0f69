"""The run with twice the steps that measures the step-size effect: other random numbers, nothing else changed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hermite_collapse.app import run
from hermite_collapse.app.config import Config


def test_the_finer_run_has_its_own_seed_and_twice_the_steps(tmp_path, monkeypatch):
    seen = []

    class Record:
        steps = 40

    def simulate(config, recursion, *, folder, progress):
        seen.append((config.simulation.seed, config.simulation.steps, folder.name))
        return Record()

    monkeypatch.setattr(run, "simulate", simulate)
    config = Config().updated({"generator": "exact", "sampler": "euler_maruyama", "steps": 40, "seed": 7})
    results = run.open_folder(tmp_path / "run", config, resume=False)
    assert results.is_refined
    run.run_simulation(results)
    (seed, steps, first), (other_seed, other_steps, second) = seen
    assert (seed, steps, other_steps) == (7, 40, 80)
    assert other_seed != seed
    assert first != second
