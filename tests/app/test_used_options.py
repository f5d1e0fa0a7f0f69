"""No option is taken and then not used; a device that is not there is refused before any work begins."""

from __future__ import annotations

import os

import pytest

from hermite_collapse.app.cli.app import COMMANDS, run
from hermite_collapse.app.config import key_sections, parse_config
from hermite_collapse.app.sweep import plan_sweep
from hermite_collapse.core.errors import InputError

SIMULATES = {"simulate", "compare", "config", "sweep"}
DRAWS = {"bounds", "spectrum"}  # directions, and a choice of samples


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(arguments: list[str], capsys) -> str:
    before = sorted(os.listdir())
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and sorted(os.listdir()) == before
    return err


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_a_simulation_are_those_of_commands_that_use_them(name, capsys):
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    for key, section in key_sections().items():
        option = f"--{key.replace('_', '-')}"
        if (name, option) == ("diagnose", "--runs"):  # of how many runs the values of a curve are the mean
            continue
        if section == "simulation" and option not in ("--sampler", "--scheduler-file", "--steps", "--pool"):
            used = name in SIMULATES or (key == "seed" and name in DRAWS)
            assert (f"\n  {option} " in text) == used, option
            if not used:
                said = refused([name, option, "1"], capsys)
                assert f"{key} must be left out with {name}, which does not use it, got {option}." in said


def test_sweeps_of_predictions_take_no_options_of_a_simulation(capsys, tmp_path):
    (tmp_path / "s.toml").write_text("[sweep.values]\nfresh_fraction = [0.1]\n")
    for option, value in (("device", "cpu"), ("particles", "100"), ("seed", "1")):
        said = refused(["sweep", "s.toml", f"--{option}", value], capsys)
        assert f'{option} must come with task = "compare" in [sweep]' in said
    (tmp_path / "s.toml").write_text("[sweep.values]\nparticles = [100]\n")
    assert 'that predictions use unless task = "compare", got particles' in refused(
        ["sweep", "s.toml"], capsys
    )


WITHOUT_EFFECT = [
    ("predict --floor .1", 'floor must come with schedule = "geometric", got 0.1 with "constant".'),
    ("predict --ratio .5 --schedule polynomial", 'with schedule = "geometric", got 0.5 with "polynomial".'),
    ("predict --exponent 2 --schedule geometric", 'with schedule = "polynomial", got 2.0 with "geometric".'),
    (
        "predict --schedule explicit --truncation-times .1 .2 --rounds 2 --truncation-time .3",
        'truncation_time must come with schedule = "constant" or "polynomial" or "geometric", got 0.3 with "explicit".',
    ),
    (
        "simulate --network-width 8",
        'network_width must come with generator = "neural", got 8 with "channel".',
    ),
    ("compare --generator steps --training-steps 8", 'with generator = "neural", got 8 with "steps".'),
    (
        "schedule --known ddpm --truncation-time .3",
        "truncation_time must be left out with known, which gives it",
    ),
    ("schedule --alpha-bar .9 --truncation-time .3", "truncation_time must be left out with alpha_bar"),
    ("schedule --known ddpm --rate 1", "rate must be left out with known, which gives it, got 1.0."),
    ("schedule --error-exponent 1", "error_exponent must come with error_scale, got 1.0 without it."),
    ("schedule --plan-degree 4", "plan_degree must come with error_scale, got [4] without it."),
    ("schedule --shape constant", "shape must come with error_scale, got 'constant' without it."),
    ("schedule --significance .1", "significance must be left out with schedule, which does not use it"),
    ("predict --significance .1", "significance must be left out with predict, which does not use it"),
    ("spectrum --rounds 3", "rounds must be left out with spectrum, which does not use it, got --rounds."),
]


@pytest.mark.parametrize(("words", "message"), WITHOUT_EFFECT)
def test_options_without_effect(words, message, capsys):
    assert message in refused(words.split(), capsys)


def test_a_file_may_hold_what_options_may_not_say(sketched, capsys, tmp_path):
    (tmp_path / "all.toml").write_text(
        "[recursion]\nrounds = 2\nratio = 0.5\n[analysis]\nsignificance = 0.1\n[network]\nnetwork_width = 8\n"
    )
    for command in ("predict", "spectrum"):
        assert run([command, "all.toml"]) == 0
    assert run(["schedule", "--alpha-bar", ".9", "--rate", "1", "--shape", "free"]) == 0
    (tmp_path / "s.toml").write_text(
        '[sweep]\nworkers = 1\n[sweep.values]\nschedule = ["constant", "geometric"]\n'
    )
    assert run(["sweep", "s.toml", "--ratio", "0.5", "--rounds", "2", "--out", "s"]) == 0


def test_a_shared_file_may_hold_a_device(capsys, tmp_path):
    (tmp_path / "all.toml").write_text('[simulation]\ndevice = "cuda"\n')
    assert run(["predict", "all.toml", "--rounds", "2"]) == 0


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "got 'cuda' where torch sees no CUDA device"),
        ("cuda:99", "device must be one"),
        ("mps", "device must be 'auto', 'cpu' or 'cuda', got 'mps'"),
        ("", "device must be 'auto', 'cpu' or 'cuda', got ''"),
    ],
)
def test_a_device_that_is_not_there(device, message, capsys, tmp_path):
    torch = pytest.importorskip("torch")
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    (tmp_path / "c.toml").write_text(
        '[sweep]\ntask = "compare"\nworkers = 1\n[sweep.values]\nfresh_fraction = [0.1, 0.2]\n'
    )
    for command in (["simulate"], ["compare", "--out", "x"], ["sweep", "c.toml", "--out", "x"]):
        assert message in refused([*command, "--device", device], capsys)


def test_devices_of_others_are_not_looked_for():
    values = {"sweep": {"task": "compare", "values": {"fresh_fraction": [0.1]}}}
    there = parse_config({**values, "simulation": {"device": "cuda:99"}})
    with pytest.raises(InputError, match="the point fresh_fraction = 0.1 of the sweep is not valid: device"):
        plan_sweep(there)
    far = there.model_copy(
        update={"sweep": there.sweep.model_copy(update={"scheduler": "tcp://elsewhere:8786"})}
    )
    assert len(plan_sweep(far).configs) == 1
