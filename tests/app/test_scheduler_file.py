"""A scheduler's file in the configuration of a simulation: paths, what decides a run, refusals."""

from __future__ import annotations

import json

import pytest

from hermite_collapse.app.asked import asked_of_command, asked_of_run
from hermite_collapse.app.cli.app import run
from hermite_collapse.app.config import Config, load_config
from hermite_collapse.app.run import load
from hermite_collapse.app.step_sampler import steps_generation

DDIM = {
    "_class_name": "DDIMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "set_alpha_to_one": False,
}
TEXT = """
[recursion]
truncation_time = 0.0
rounds = 2
fresh_fraction = 0.3

[simulation]
generator = "steps"
scheduler_file = "pipeline"
steps = 8
particles = 4000
runs = 1
"""


@pytest.fixture
def folder(tmp_path):
    """A configuration beside a pipeline's folder."""
    inner = tmp_path / "pipeline" / "scheduler"
    inner.mkdir(parents=True)
    (inner / "scheduler_config.json").write_text(json.dumps(DDIM))
    index = {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "DDIMScheduler"]}
    (tmp_path / "pipeline" / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "my.toml").write_text(TEXT)
    return tmp_path


def test_the_scheduler_of_a_pipelines_folder_makes_the_particles(folder, capsys):
    pytest.importorskip("diffusers")
    assert run(["simulate", str(folder / "my.toml"), "--out", str(folder / "out")]) == 0
    printed = capsys.readouterr().out
    assert f"compare --resume --out {folder / 'out'}" in " ".join(printed.split())
    results = load(folder / "out")
    assert results.config.simulation.scheduler_file.resolve() == (folder / "pipeline").resolve()
    assert results.simulated.generator == "steps" and results.simulated.steps == 8
    assert run(["simulate", str(folder / "my.toml"), "--out", str(folder / "out"), "--resume"]) == 0


def test_what_decides_a_run_is_the_scheduler_and_no_weights(folder):
    config = load_config(folder / "my.toml")
    before = asked_of_run(config)
    (folder / "pipeline" / "unet").mkdir()
    (folder / "pipeline" / "unet" / "weights.bin").write_bytes(b"0" * 1000)
    assert asked_of_run(config) == before
    changed = DDIM | {"set_alpha_to_one": True}
    (folder / "pipeline" / "scheduler" / "scheduler_config.json").write_text(json.dumps(changed))
    assert asked_of_run(config) != before


def test_samplers_named_by_a_word_are_told_apart(tmp_path):
    asked = [asked_of_command("audit", Config(), {"scheduler": tmp_path / word}) for word in ("edm", "ddim")]
    assert asked[0] != asked[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--generator", "channel"], 'scheduler_file must come with generator = "steps"'),
        (["--sampler", "ddim"], "sampler must be left out beside scheduler_file"),
        (["--scheduler-file", "no.json"], "must be a readable file"),
        (["--pool", "10"], "final_step and pool must be left out"),
    ],
)
def test_refusals(folder, capsys, options, words):
    pytest.importorskip("diffusers")
    assert run(["simulate", str(folder / "my.toml"), "--out", str(folder / "out"), *options]) == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1


def test_simulate_prints_the_exact_law_of_the_steps_beside_the_particles(tmp_path, monkeypatch, capsys):
    """For one Gaussian the exact variance is V of the mixture's variance, round after round, worked out here."""
    monkeypatch.chdir(tmp_path)
    text = TEXT.replace('scheduler_file = "pipeline"\n', "")
    target = "[target]\nweights = [1.0]\nmeans = [[0.0]]\ncovariances = [0.5]\n"
    (tmp_path / "gaussian.toml").write_text(target + text.replace("rounds = 2", "rounds = 1"))
    assert run(["simulate", "gaussian.toml", "--out", "run"]) == 0
    printed = capsys.readouterr().out
    (row,) = [line.split() for line in printed.splitlines() if line.startswith("variance")]
    data, exact, simulated, error, z = map(float, row[1:])
    sampler = steps_generation(load("run").config).sampler
    assert data == 0.5 and exact == pytest.approx(float(sampler.variance(0.5)), abs=1e-4) and exact != data
    assert z == pytest.approx((simulated - exact) / error, abs=0.05)
    assert error == pytest.approx(exact * (2.0 / 4000) ** 0.5, rel=0.05)
    (tmp_path / "plane.toml").write_text(
        text.replace("[recursion]", '[target]\npreset = "tilted_2d"\n[recursion]')
    )
    assert run(["simulate", "plane.toml", "--out", "plane"]) == 0
    assert "Nothing is tested: the data are no product of laws on lines" in " ".join(
        capsys.readouterr().out.split()
    )
