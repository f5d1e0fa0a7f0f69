"""The run with twice the steps that measures the step-size effect: other random numbers, nothing else changed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hermite_collapse.app import run
from hermite_collapse.app.config import Config


@pytest.mark.parametrize("seed", [7, 2**63 - 1])
def test_the_finer_run_has_its_own_seed_and_twice_the_steps(tmp_path, monkeypatch, seed):
    seen = []

    class Record:
        steps = 40

    def simulate(config, recursion, *, folder, progress):
        seen.append((config.simulation.seed, config.simulation.steps, folder.name))
        return Record()

    monkeypatch.setattr(run, "simulate", simulate)
    config = Config().updated({"generator": "exact", "sampler": "euler_maruyama", "steps": 40, "seed": seed})
    results = run.open_folder(tmp_path / "run", config, resume=False)
    assert results.is_refined
    run.run_simulation(results)
    (own_seed, steps, first), (other_seed, other_steps, second) = seen
    assert (own_seed, steps, other_steps) == (seed, 40, 80)
    assert abs(other_seed - seed) > 10**6  # nor what a user would choose next
    assert first != second
