"""Only runs whose names say that they are repetitions are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

REPETITIONS = [
    ["run-1", "run-2"],
    ["seed 7", "seed 42"],
    ["rep_1", "rep_2"],
    ["Trial 1", "trial 2"],
    ["ddpm-seed-1", "ddpm-seed-2"],
    ["alpha=0.1 seed=1", "alpha=0.1 seed=2"],
    ["1", "2"],
]
SETTINGS = [
    ["fresh-0.1", "fresh-0.5"],
    ["0.1", "0.5"],
    ["ddpm", "edm"],
    ["cifar10", "celeba"],
    ["steps-20", "steps-50"],
    ["alpha=0.1", "alpha=0.5"],
    ["alpha: 0.1", "alpha: 0.5"],
    ["alpha=0.1 seed 1", "alpha=0.5 seed 1"],
    ["sunrun-1", "moonrun-2"],
    ["run-0.1", "run-0.5"],
]


def columns(names):
    return "Step," + ",".join(f"{name} - fid" for name in names) + "\n0,1,1.2\n1,2,2.2\n2,3,3.6\n"


def rows(names, heading="run"):
    values = [("0,1", "1,2", "2,3"), ("0,1.2", "1,2.2", "2,3.6")]
    lines = [f"{name},{value}" for name, part in zip(names, values, strict=True) for value in part]
    return f"{heading},round,fid\n" + "\n".join(lines)


@pytest.mark.parametrize("table", [columns, rows])
@pytest.mark.parametrize("names", REPETITIONS, ids=" ".join)
def test_repetitions_are_averaged(tmp_path, names, table):
    (tmp_path / "c.csv").write_text(table(names))
    curve = read_curve(tmp_path / "c.csv")
    np.testing.assert_allclose(curve.values[:, 0], [1.1, 2.1, 3.3])
    assert curve.standard_errors is not None


@pytest.mark.parametrize("table", [columns, rows])
@pytest.mark.parametrize("names", SETTINGS, ids=" ".join)
def test_settings_are_not(tmp_path, names, table):
    (tmp_path / "c.csv").write_text(table(names))
    message = f"one run or repetitions of one, such as seed 1, seed 2, got '{names[0]}', '{names[1]}': "
    with pytest.raises(InputError) as problem:
        read_curve(tmp_path / "c.csv")
    assert message in str(problem.value) and "\n" not in str(problem.value)


def test_bare_numbers_of_columns_are_1_2_3_and_columns_of_seeds_say_it_themselves(tmp_path):
    (tmp_path / "c.csv").write_text(columns(["20", "50"]))
    with pytest.raises(InputError, match="repetitions of one"):
        read_curve(tmp_path / "c.csv")
    for text in (rows(["20", "50"]), rows(["a", "b"], "seed")):
        (tmp_path / "c.csv").write_text(text)
        np.testing.assert_allclose(read_curve(tmp_path / "c.csv").values[:, 0], [1.1, 2.1, 3.3])
    (tmp_path / "c.csv").write_text(rows(["alpha=1", "alpha=2"], "seed"))
    with pytest.raises(InputError, match="say --columns seed=run if they are"):
        read_curve(tmp_path / "c.csv")


ONE_RUN = [
    ("round,variance,sem,seed\n0,.2,.01,42\n1,.3,.02,42\n2,.4,.03,42\n", "seed"),
    ("round,variance,sem,seed\n0,.2,.01,1\n1,.3,.02,2\n2,.4,.03,3\n", "seed"),  # one a round
    ("run,metric,round,value,sem\n7,w2,0,.2,.01\n7,w2,1,.3,.02\n7,w2,2,.4,.03\n", "run"),
]


@pytest.mark.parametrize(("text", "name"), ONE_RUN, ids=["the same", "one a round", "long"])
def test_one_run_in_every_round_is_no_average(tmp_path, text, name):
    (tmp_path / "c.csv").write_text(text)
    curve = read_curve(tmp_path / "c.csv")
    assert curve.standard_errors[:, 0].tolist() == [0.01, 0.02, 0.03] and curve.error_freedom is None
    assert curve.columns[name] == "run, one in every round" and not curve.notes
    assert curve.runs[:, 0].tolist() == [1, 1, 1] and curve.rounding is not None
    assert "left out" not in " ".join(curve.columns.values())


def test_the_curves_that_are_averages_are_named_beside_others(tmp_path):
    lines = ["0,1,fid,1", "0,2,fid,1.2", "1,1,fid,2", "1,2,fid,2.4", "0,1,kid,1", "1,1,kid,2"]
    (tmp_path / "c.csv").write_text("\n".join(["round,seed,metric,value", *lines]))
    curve = read_curve(tmp_path / "c.csv")
    assert curve.notes[0].startswith("Runs of fid were averaged;")
    assert curve.columns["seed"] == "run, averaged"


def test_the_user_can_say_it_or_leave_others_out(tmp_path):
    (tmp_path / "c.csv").write_text(rows(["ddpm", "edm"]))
    np.testing.assert_allclose(read_curve(tmp_path / "c.csv", {"run": "run"}).values[:, 0], [1.1, 2.1, 3.3])
    (tmp_path / "c.csv").write_text(columns(["ddpm", "edm"]))
    one = read_curve(tmp_path / "c.csv", {"edm - fid": "ignore"})
    np.testing.assert_allclose(one.values[:, 0], [1.0, 2.0, 3.0])
