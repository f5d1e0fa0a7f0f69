"""Runs by samplers of K steps from the command line: compared, continued, reported and swept."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run

LINE = ["--generator", "steps", "--sampler", "ddim", "--steps", "6", "--truncation-time", "0"]
SMALL = ["--particles", "1500", "--runs", "2", "--rounds", "2", "--degree", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps") / "run"
    status = run(["compare", "--out", str(folder), *LINE, *SMALL])
    return folder, status


def test_a_comparison_leaves_results_a_figure_and_a_page(finished):
    folder, status = finished
    assert status == 0
    assert (folder / "figures" / "steps.svg").exists()
    page = (folder / "report.html").read_text()
    assert "Agreement" in page and "Gaussian closure" in page and "DDIM with eta 0, 6 steps" in page
    results = hc.load(folder)
    dataset = results.dataset
    assert dataset.sizes["statistic"] == 5
    np.testing.assert_allclose(dataset["predicted"], results.steps_comparison.expected)
    assert results.steps_comparison.verdict.passed


def test_a_report_and_a_resumed_run_say_the_same(finished, sketched, capsys):
    folder, _ = finished
    capsys.readouterr()
    assert run(["report", str(folder), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert run(["compare", "--resume", "--out", str(folder), "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["predicted"] == second["predicted"] and first["measured"] == second["measured"]
    assert first["verdict"] == second["verdict"] and first["statistics"][-1] == "variance"


def test_a_simulation_alone_is_continued_by_compare(tmp_path, sketched, capsys):
    folder = str(tmp_path / "run")
    assert run(["simulate", "--out", folder, *LINE, *SMALL]) == 0
    shown = capsys.readouterr().out
    assert "compare --resume" in shown and "No exact values" not in shown
    assert run(["compare", "--resume", "--out", folder]) == 0
    shown = capsys.readouterr().out
    assert shown.count("Agreement.") == 2 and "closure" in shown


def test_what_cannot_be_tested_ends_with_status_4(tmp_path, sketched, capsys):
    arguments = ["compare", "--out", str(tmp_path / "run"), "--preset", "tilted_2d", *LINE, *SMALL]
    assert run([*arguments, "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert not document["verdict"]["tested"] and not document["verdict"]["passed"]
    assert "no product of laws on lines" in document["reason"]
    assert np.all(np.isfinite(document["closure"]))


def test_refusals_come_before_the_simulation(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run(["compare", "--out", str(folder), "--generator", "steps", *SMALL]) == 2
    assert "truncation_time must be 0 in every round" in capsys.readouterr().err
    assert run(["compare", "--out", str(folder), *LINE, *SMALL[:-4], "--degree", "0", "--device", "cpu"]) == 2
    assert "degree" in capsys.readouterr().err
    assert not folder.exists()


def test_a_sweep_compares_every_point(tmp_path, sketched):
    config = tmp_path / "sweep.toml"
    config.write_text(
        "[recursion]\ntruncation_time = 0.0\nrounds = 2\n[analysis]\ndegree = 4\n"
        '[simulation]\ngenerator = "steps"\nparticles = 1500\nruns = 2\nsteps = 6\ndevice = "cpu"\n'
        '[sweep]\ntask = "compare"\nworkers = 1\n[sweep.values]\nfresh_fraction = [0.2, 0.6]\n'
        'sampler = ["ddim", "flow_euler"]\n'
    )
    import xarray

    assert run(["sweep", str(config), "--out", str(tmp_path / "s")]) == 0
    with xarray.open_dataset(tmp_path / "s" / "results.nc", engine="h5netcdf") as dataset:
        assert dataset["p_value"].shape == (2, 2) and float(dataset["rejected"].sum()) == 0.0
        gap = np.abs(dataset["exact_variance"] - dataset["measured_variance"])
        assert float(gap.max()) < 0.12 and "attenuation" not in dataset
        assert dataset["measured_factor"].sizes["degree"] == 5
