"""Work that this machine cannot do is refused before it begins, in one sentence, unless the user insists."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hermite_collapse.app import cost as costs
from hermite_collapse.app.cli.app import run
from hermite_collapse.app.config import parse_config
from hermite_collapse.app.cost import (
    MINUTE,
    Cost,
    cost_of_diagnosis,
    cost_of_measurement,
    cost_of_prediction,
    cost_of_simulation,
    expected_time,
    require_affordable,
)
from hermite_collapse.app.enough_steps import planned_steps
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.extents import Extent, extent_of

HUGE = [
    ["predict", "--rounds", "1000000000"],
    ["predict", "--degree", "10000000"],
    ["bounds", "--rounds", "1000000000"],
    ["spectrum", "--degree", "100000000"],
    ["simulate", "--rounds", "1000000000"],
    ["simulate", "--particles", "1000000000000"],
    ["simulate", "--degree", "100000000"],
    ["simulate", "--generator", "kernel", "--pool", "1000000000000"],
    ["simulate", "--generator", "exact", "--steps", "100000000"],
    ["compare", "--runs", "1000000000"],
    ["audit", "ddim", "--steps", "1000000000"],
    ["schedule", "--error-scale", "0.001", "--objective", "mean_square", "--rounds", "1000000"],
]


@pytest.mark.parametrize("arguments", HUGE, ids=" ".join)
def test_huge_work_is_refused_before_it_begins(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*arguments, "--out", "o"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "unless --yes is given, got about" in err
    assert arguments[-2].removeprefix("--") in err.partition("reduce ")[2]
    assert list(tmp_path.iterdir()) == []


def test_yes_goes_ahead(monkeypatch, capsys):
    monkeypatch.setattr(costs, "HOUR", 0.0)
    assert run(["predict", "--rounds", "2"]) == 2
    assert run(["predict", "--rounds", "2", "--yes"]) == 0


def test_measuring_too_much_is_refused_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("real", "gen_1")):
        np.save(f"{name}.npy", np.random.default_rng(seed).standard_normal((60, 3)))
    ask = ["measure", "--data", "real.npy", "--generations", "gen_1.npy"]
    assert run([*ask, "--degrees", "100000000", "--out", "o"]) == 2
    assert "reduce degrees, directions" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gen_1.npy", "real.npy"]
    # As much as 400 bytes on the disk may announce.
    np.lib.format.open_memmap("real.npy", "w+", np.float64, (10**9, 1000))
    assert run(ask) == 2
    assert "unless --yes is given, got about" in capsys.readouterr().err
    np.save("real.npy", np.random.default_rng(0).standard_normal((60, 3)))
    assert run(ask) == 0
    monkeypatch.setattr(costs, "HOUR", 0.0)
    assert run(ask) == 2 and run([*ask, "--yes"]) == 0


def test_folders_are_counted_without_decoding_them(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for i in range(3):
        image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"damaged")
    assert extent_of(tmp_path) == Extent(3, 60, 3)
    assert extent_of(tmp_path / "none.npy") is None
    ten = [Extent(2000, 784, 2000)] * 10
    cost = cost_of_measurement(ten, directions=16, degrees=4, partners=2000)
    assert 5.0 < cost.seconds < 60.0 and cost.bytes < 1e9


def test_diagnosing_too_much_is_refused_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with open("c.csv", "wb") as stream:
        stream.truncate(10**12)
    assert run(["diagnose", "c.csv"]) == 2
    assert "reduce the table" in capsys.readouterr().err
    assert cost_of_diagnosis(20, 30, joint=True).seconds < 10.0
    assert cost_of_diagnosis(10_000, 30, joint=True).bytes > 1e11
    rows = "".join(f"{i},{1 + 0.5**i}\n" for i in range(9))
    (tmp_path / "d.csv").write_text("round,variance\n" + rows)
    monkeypatch.setattr(costs, "MINUTE", 0.0)
    assert run(["diagnose", "d.csv"]) == 2 and run(["diagnose", "d.csv", "--yes"]) == 0


def test_the_sentence_names_amounts_and_keys(monkeypatch):
    monkeypatch.setattr(costs, "memory_of_machine", lambda: 16e9)
    with pytest.raises(
        InputError, match=r"this machine's 16 GB .* about 80 GB and 3 h: reduce particles, runs\."
    ):
        require_affordable(Cost(8e10, 3.0 * 3600.0, ("particles", "runs")), yes=False)
    require_affordable(Cost(1e9, 60.0, ()), yes=False)
    require_affordable(Cost(math.inf, math.inf, ()), yes=True)


def test_usual_work_is_far_from_the_limit():
    for document, dimension in (
        ({}, 1),
        ({"simulation": {"generator": "exact"}}, 2),
        ({"target": {"preset": "five_modes_10d"}, "recursion": {"rounds": 20}}, 10),
    ):
        config = parse_config(document)
        assert cost_of_prediction(config, dimension).seconds < 60.0
        assert cost_of_simulation(config, dimension).seconds < 1800.0
        assert cost_of_simulation(config, dimension).bytes < 2e9


def test_steps_that_nobody_asked_for_are_counted():
    document = {"recursion": {"truncation_time": 1e-4}, "simulation": {"generator": "exact"}}
    config = parse_config(document)
    steps = planned_steps(config, config.build_recursion())
    assert steps > 100
    document["simulation"]["steps"] = steps
    assert cost_of_simulation(config, 1, steps=steps) == cost_of_simulation(parse_config(document), 1)


def test_a_sweep_of_too_many_points_or_too_dear_ones(tmp_path, capsys):
    values = "[" + ",".join(f"0.{i:03d}" for i in range(1, 900)) + "]"
    file = tmp_path / "s.toml"
    file.write_text(f"[sweep.values]\nfresh_fraction = {values}\nrate = {values}\n")
    assert run(["sweep", str(file)]) == 2
    assert "sweep.values must span at most 100000 points, got 808201." in capsys.readouterr().err
    file.write_text('[sweep]\ntask = "compare"\n[sweep.values]\nparticles = [1000, 10000000000000]\n')
    assert run(["sweep", str(file), "--out", str(tmp_path / "o")]) == 2
    assert "reduce sweep.values, particles" in capsys.readouterr().err


@pytest.mark.parametrize(
    "key", ["fresh_fraction", "truncation_time", "blur", "rate", "exponent", "significance"]
)
def test_integers_of_many_digits_are_one_sentence(key, tmp_path, capsys):
    section = "analysis" if key == "significance" else "recursion"
    (tmp_path / "a.toml").write_text(f"[{section}]\n{key} = {'9' * 400}\n")
    assert run(["predict", str(tmp_path / "a.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "bounds"])
@pytest.mark.parametrize(
    "options",
    [
        ["--blur", "1e300"],
        ["--blur", "1e6"],
        ["--rate", "1e-320"],
        ["--fresh-fraction", "1e-300"],
        ["--schedule", "geometric", "--ratio", "1e-320"],
        ["--schedule", "polynomial", "--exponent", "1e300"],
    ],
    ids=" ".join,
)
def test_numbers_at_the_ends_of_double_precision(options, command, capsys):
    assert run([command, *options, "--rounds", "2", "--degree", "3"]) in (0, 2)
    out, err = capsys.readouterr()
    assert "nan" not in out.lower() and "Traceback" not in err


def test_the_time_of_a_prediction_grows_like_the_square_of_the_rounds():
    """Every round mixes all earlier ones; memory grows like the rounds."""
    few, many = (
        cost_of_prediction(parse_config({"recursion": {"rounds": rounds}}), 1) for rounds in (10**5, 10**6)
    )
    assert 80.0 < many.seconds / few.seconds < 100.0
    assert 9.0 < many.bytes / few.bytes < 11.0


def test_what_shows_no_bar_is_refused_above_a_minute_and_said_above_seconds():
    minutes, seconds = Cost(1.0, 90.0, ("steps",)), Cost(1.0, 20.0, ("steps",))
    require_affordable(minutes, yes=False)
    with pytest.raises(InputError, match="and a minute unless --yes is given.*1.5 min: reduce steps"):
        require_affordable(minutes, yes=False, within=MINUTE)
    require_affordable(minutes, yes=True, within=MINUTE)
    assert expected_time(seconds) == "this takes about 20 s"
    assert expected_time(Cost(1.0, 2.0, ())) is None


@pytest.mark.parametrize("arguments", [["diagnose", "wide.csv"], ["audit", "edm", "--steps", "1000000"]])
def test_waiting_for_minutes_is_refused_at_once(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ",".join(f"degree {n}" for n in range(1, 400))
    rows = [",".join([str(i), *(repr(0.9 ** (i * n)) for n in range(1, 400))]) for i in range(5)]
    (tmp_path / "wide.csv").write_text("\n".join([f"round,{names}", *rows]) + "\n")
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and "a minute unless --yes is given" in err and err.count("\n") == 1
