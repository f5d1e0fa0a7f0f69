"""Sweeps: every point is the closed form, whoever computes it, and an interrupted sweep goes on."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from hermite_collapse.app import sweep as sweeps
from hermite_collapse.app.config import parse_config
from hermite_collapse.core.errors import InputError
from hermite_collapse.recursion import modes

VALUES = {"fresh_fraction": [0.1, 0.5], "truncation_time": [0.05, 0.2, 0.4]}


def config(values=VALUES, **sweep):
    return parse_config(
        {
            "recursion": {"rounds": 2},
            "analysis": {"degree": 4},
            "simulation": {"particles": 9000},
            "sweep": {"workers": 1, **sweep, "values": values},
        }
    )


def test_grid_is_the_closed_form_everywhere(tmp_path):
    calls = []
    data = sweeps.run_sweep(
        sweeps.plan_sweep(config()), tmp_path / "s", progress=lambda done, total: calls.append((done, total))
    )
    assert data["attenuation"].dims == ("fresh_fraction", "truncation_time", "degree")
    for alpha in VALUES["fresh_fraction"]:
        for time in VALUES["truncation_time"]:
            point = data.sel(fresh_fraction=alpha, truncation_time=time)
            expected = modes.attenuation(range(5), fresh_fraction=alpha, truncation_time=time)
            np.testing.assert_allclose(point["attenuation"], expected, rtol=1e-15)
            np.testing.assert_allclose(point["filter_degree"], alpha / (0.5 * time))
            assert float(point["distance_bures"]) < float(point["distance_wasserstein2"])
    assert calls[0] == (0, 6) and calls[-1] == (6, 6)
    with xarray.open_dataset(tmp_path / "s" / "results.nc", engine="h5netcdf") as stored:
        xarray.testing.assert_identical(stored.load(), data)
        assert all("long_name" in v.attrs for v in stored.data_vars.values())


def test_list_pairs_the_values_and_fills_what_is_shorter(tmp_path):
    values = {"fresh_fraction": [0.1, 0.5], "degree": [2, 4], "preset": ["two_modes_1d", "tilted_2d"]}
    data = sweeps.run_sweep(sweeps.plan_sweep(config(values, method="list")), tmp_path / "s")
    assert data["attenuation"].dims == ("point", "degree") and data.sizes["degree"] == 5
    assert (
        np.isnan(data["attenuation"].values[0, 3:]).all()
        and not np.isnan(data["attenuation"].values[1]).any()
    )
    assert np.isnan(data["distance_wasserstein2"].values[1])  # two dimensions
    assert list(data["preset"].values) == values["preset"]


def test_processes_and_cluster_give_the_same_numbers(tmp_path):
    pytest.importorskip("distributed")
    results = {}
    for name, settings in {
        "one": {},
        "many": {"workers": 2},
        "cluster": {"workers": 2, "scheduler": "local"},
    }.items():
        results[name] = sweeps.run_sweep(sweeps.plan_sweep(config(**settings)), tmp_path / name).drop_vars(
            "seconds"
        )
    xarray.testing.assert_identical(results["one"], results["many"])
    xarray.testing.assert_identical(results["one"], results["cluster"])


def test_an_interrupted_sweep_goes_on(tmp_path, monkeypatch):
    plan, compute = sweeps.plan_sweep(config()), sweeps.compute_point
    whole = sweeps.run_sweep(plan, tmp_path / "whole").drop_vars("seconds")
    done = []

    def until_four(document):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(document)
        return compute(document)

    monkeypatch.setattr(sweeps, "compute_point", until_four)
    with pytest.raises(KeyboardInterrupt):
        sweeps.run_sweep(plan, tmp_path / "s")
    assert sweeps.finished_points(tmp_path / "s") == 4
    assert not (tmp_path / "s" / "results.nc").exists()
    monkeypatch.setattr(sweeps, "compute_point", lambda document: done.append(document) or compute(document))
    again = sweeps.run_sweep(plan, tmp_path / "s").drop_vars("seconds")
    assert len(done) == 6  # no point twice
    xarray.testing.assert_identical(whole, again)
    with pytest.raises(InputError, match="with sweep.values.fresh_fraction = .* instead of nothing"):
        sweeps.run_sweep(sweeps.plan_sweep(config({"rate": [0.5]})), tmp_path / "s")


def test_compare_task_tests_each_point(tmp_path):
    pytest.importorskip("torch")
    data = sweeps.run_sweep(
        sweeps.plan_sweep(config({"fresh_fraction": [0.2, 0.6]}, task="compare")), tmp_path / "s"
    )
    assert not data["rejected"].values.any() and (data["tested"] > 5).all()
    z = (data["measured_factor"] - data["factor"]) / data["measured_error"]
    assert float(np.abs(z.values[:, 1:, 1:]).max()) < 5.0


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ({}, {}, "must name at least one key"),
        ({"fresh_fractoin": [1]}, {}, "unknown key fresh_fractoin: did you mean fresh_fraction"),
        ({"workers": [1]}, {}, "must name keys of a run, got workers"),
        ({"rate": []}, {}, "sweep.values.rate must hold at least one value"),
        (
            {"fresh_fraction": [0.1, 1.5]},
            {},
            "the point fresh_fraction = 1.5 of the sweep is not valid: .* got 1.5",
        ),
        (
            {"rate": [1.0], "rounds": [1, 2]},
            {"method": "list"},
            'of one length for method = "list", got rate 1, rounds 2',
        ),
        ({"preset": ["two_modes_1d", "nowhere"]}, {}, "preset must be one of"),
        (
            {"generator": ["exact", "neural"]},
            {"task": "compare"},
            "generator = neural .* of a comparison must",
        ),
        ({"significance": [0.1, 0.0]}, {"task": "compare"}, "significance must lie in"),
    ],
)
def test_bad_sweeps_are_refused_before_anything_runs(values, settings, message):
    with pytest.raises(InputError, match=message):
        sweeps.plan_sweep(config(values, **settings))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="with other files"):
        sweeps.run_sweep(sweeps.plan_sweep(config({"rate": [0.5]})), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def failing(monkeypatch, when):
    """Make points fail where `when` says so; a set of the settings that were tried comes back."""
    compute, tried = sweeps.compute_point, []

    def perhaps(document):
        alpha = document["recursion"]["fresh_fraction"]
        tried.append(alpha)
        if when(alpha):
            raise RuntimeError("the matrix is\nsingular")
        return compute(document)

    monkeypatch.setattr(sweeps, "compute_point", perhaps)
    return tried


def test_a_point_that_fails_stops_no_other_and_is_tried_again(tmp_path, monkeypatch, capsys):
    values = {"fresh_fraction": [0.1, 0.3, 0.5]}
    plan, failures = sweeps.plan_sweep(config(values)), {}
    with monkeypatch.context() as patch:
        failing(patch, lambda alpha: alpha == 0.3)
        data = sweeps.run_sweep(plan, tmp_path / "s", failures=failures)
    assert failures == {1: "RuntimeError: the matrix is singular"}
    assert np.isnan(data["half_degree"].values).tolist() == [False, True, False]
    text = sweeps.failure_text(plan, failures)
    assert "1 of 3" in text and "fresh_fraction = 0.3 (RuntimeError: the matrix is singular)" in text
    with monkeypatch.context() as patch:
        tried = failing(patch, lambda alpha: False)
        again = sweeps.run_sweep(plan, tmp_path / "s", failures=(failures := {}))
    assert tried == [0.3] and failures == {} and not again["half_degree"].isnull().any()
    with monkeypatch.context() as patch:
        failing(patch, lambda alpha: True)
        with pytest.raises(InputError, match="3 of 3 that cannot"):
            sweeps.run_sweep(plan, tmp_path / "t", failures={})
    assert not (tmp_path / "t").exists()


def test_the_command_names_what_failed_at_the_end(tmp_path, monkeypatch, capsys):
    from hermite_collapse.app.cli.app import run

    (tmp_path / "my.toml").write_text(
        "[recursion]\nrounds = 1\n[sweep]\nworkers = 1\n[sweep.values]\nfresh_fraction = [0.1, 0.3]\n"
    )
    command = ["sweep", str(tmp_path / "my.toml"), "--out", str(tmp_path / "s")]
    with monkeypatch.context() as patch:
        failing(patch, lambda alpha: alpha == 0.3)
        assert run(command) == 2
    printed = capsys.readouterr()
    assert "2 points over fresh_fraction" in printed.out and printed.err.count("\n") == 1
    assert "fresh_fraction = 0.3 (RuntimeError" in printed.err and "--resume tries them again" in printed.err
    assert run([*command, "--resume"]) == 0


def test_a_killed_process_costs_its_own_point_only(tmp_path, monkeypatch):
    """The killer is in the environment, which spawned processes inherit."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from hermite_collapse.recursion import prediction\n"
        "whole = prediction.predict\n"
        "def predict(recursion, **settings):\n"
        "    if recursion.fresh_fraction == 0.3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(recursion, **settings)\n"
        "prediction.predict = predict\n"
    )
    values = {"fresh_fraction": [0.1, 0.2, 0.3, 0.4]}
    plan, failures = sweeps.plan_sweep(config(values, workers=2)), {}
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        data = sweeps.run_sweep(plan, tmp_path / "s", failures=failures)
    assert list(failures) == [2] and "killed" in failures[2]
    assert np.isnan(data["half_degree"].values).tolist() == [False, False, True, False]
    again = sweeps.run_sweep(plan, tmp_path / "s")
    assert not again["half_degree"].isnull().any()


def test_memory_of_a_plan_grows_with_its_points_and_not_their_square():
    import pickle

    def size(points):
        plan = sweeps.plan_sweep(config({"fresh_fraction": np.linspace(0.1, 0.9, points).tolist()}))
        return sum(len(pickle.dumps(point)) for point in plan.configs)

    assert size(160) < 1.2 * 4 * size(40)
