"""The validation command: its list, its records, its exit status."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hermite_collapse as hc

pytest.importorskip("torch")

from validation import __main__ as command
from validation import catalog
from validation.experiment import Experiment, Result, Settings, holm
from validation.experiments import controls, final_steps, presets


def test_every_preset_generator_and_sampler_is_listed(capsys):
    assert command.main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(listed) == len(set(listed))
    for preset in hc.presets.names():
        assert f"presets/{preset}/channel" in listed
        for generator in ("exact", "kernel"):
            for sampler in presets.SAMPLERS:
                assert f"presets/{preset}/{generator}/{sampler}" in listed
    for name in ("figures/hermite_heat_map", "figures/kl_against_rounds", "figures/second_moment_drift"):
        assert name in listed


def test_names_prefixes_and_patterns_select():
    def names(*wanted):
        return [e.name for e in catalog.chosen(list(wanted), long_ones=False)]

    assert names("presets/grid_2d/channel") == ["presets/grid_2d/channel"]
    assert len(names("presets/grid_2d")) == 1 + 2 * len(presets.SAMPLERS)
    assert len(names("presets/*/channel", "presets/grid_2d/channel")) == len(hc.presets.names())
    with pytest.raises(KeyError, match="grid"):
        names("grid")
    assert "five_modes_10d" not in [e.name for e in catalog.chosen(None, long_ones=False)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "nothing"], "--only must name an experiment (see --list), got 'nothing'"),
        (["--only", "benchmarks", "--only", "controls"], "--only must not mix benchmarks with experiments"),
        (["--device", "abacus"], "device must be"),
        (["--only", "benchmarks/nothing"], "got 'nothing'"),
    ],
)
def test_bad_arguments_end_with_status_two_and_write_nothing(arguments, sentence, tmp_path, capsys):
    assert command.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""
    assert not (tmp_path / "out").exists()


def test_a_record_says_what_was_predicted_measured_and_on_what(tmp_path, capsys):
    arguments = [
        "--only",
        "presets/two_modes_1d/channel",
        "--json",
        "--out",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    assert command.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    path = tmp_path / "cpu" / "presets.two_modes_1d.channel.json"
    record = json.loads(path.read_text())
    assert printed == [record]
    assert record["passed"] is True
    assert record["device"].startswith("cpu")
    assert set(record["versions"]) >= {"torch", "numpy", "hermite_collapse"}
    assert record["verdict"].startswith("Theory and simulation agree")
    last = record["last_round"]
    assert len(last["modes"]) == len(last["predicted"]) == len(last["measured"]) == len(last["z"]) == 5
    with np.load(path.with_suffix(".npz")) as arrays:
        np.testing.assert_allclose(arrays["predicted"][-1], last["predicted"])
        z = (arrays["measured"] - arrays["predicted"])[:, 1:] / arrays["standard_error"][:, 1:]
        np.testing.assert_allclose(arrays["z"][:, 1:], z)


def test_exit_status_one_and_a_summary_where_a_prediction_fails(tmp_path, monkeypatch, capsys):
    def failing(settings: Settings) -> Result:
        return Result(False, "3 | not 2", {"z": np.float64("nan")})

    monkeypatch.setattr(catalog, "experiments", lambda: [Experiment("wrong", "a wrong one", failing)])
    assert command.main(["--out", str(tmp_path), "--device", "cpu"]) == 1
    assert "0 of 1 as predicted" in capsys.readouterr().out
    assert json.loads((tmp_path / "cpu" / "wrong.json").read_text())["z"] is None
    page = (tmp_path / "cpu" / "summary.md").read_text()
    assert "| wrong | **no** |" in page
    assert "3 \\| not 2" in page


def test_controls_are_rejected_and_would_pass_unbroken():
    settings = Settings("small", "cpu", level=1e-3)
    by_name = {e.name: e for e in controls.experiments()}
    for name in ("controls/fresh_fraction", "controls/truncation", "controls/pool"):
        outcome = by_name[name].run(settings)
        assert outcome.passed, outcome.verdict
    sound = controls.run(controls._many, {}, settings)
    assert not sound.passed  # nothing is wrong, so nothing is rejected


def test_first_order_samplers_agree_only_when_extrapolated():
    settings = Settings("small", "cpu", level=1e-3)
    outcome = presets.run("wide_1d", "exact", "euler_maruyama", settings)
    assert outcome.passed, outcome.verdict
    assert outcome.numbers["largest_step_bias_in_standard_errors"] > 1.0


def test_limits_of_the_final_steps():
    outcome = final_steps.limit(Settings("small", "cpu"))
    ratios = outcome.numbers["ratios"]
    # Relative corrections are of order sigma^2 over the variance of a mode, 0.01 / 0.2.
    assert ratios["rescaled"] == pytest.approx(1.0, abs=0.05)
    assert ratios["full"] == pytest.approx(1.0, abs=0.05)
    assert ratios["half"] < 0.05


@pytest.mark.parametrize(("z", "passed"), [([0.5, -1.0, 2.0], True), ([0.5, -5.0], False), ([], False)])
def test_holm_rejects_what_no_multiplicity_explains(z, passed):
    assert holm(np.array(z), 0.01)[0] is passed
