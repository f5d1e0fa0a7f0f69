"""Tables as people keep them: read right, or refused in one sentence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve
from hermite_collapse.storage.runs import errors_of_runs

nan = np.nan


class Read(NamedTuple):
    """What a table should be read as; None where it is not looked at."""

    kind: str | None
    values: list
    errors: list | None = None
    rounds: tuple = (0, 1)
    degrees: tuple | None = None
    note: str = ""


TABLES: list[tuple[str, str | bytes, dict[str, str], Read]] = [
    # names of rounds, in any case, quoted, with blanks
    ("plain", "round,degree 1\n0,1\n1,.9\n", {}, Read("factors", [[1], [0.9]], degrees=(1,))),
    ("case", "ROUND,Degree 4\n0,1\n1,.9\n", {}, Read("factors", [[1], [0.9]], degrees=(4,))),
    ("quotes", '"Round" , \'Degree 1\'\n"0","1"\n1,.9\n', {}, Read("factors", [[1], [0.9]])),
    ("generation", "Generation,variance\n0,.2\n1,.3\n", {}, Read("variances", [[0.2], [0.3]])),
    ("gen", "gen,var 1,var 2\n0,.2,.4\n1,.3,.5\n", {}, Read("variances", [[0.2, 0.4], [0.3, 0.5]])),
    ("iteration", "iteration,FID\n0,2\n1,3\n", {}, Read("distances", [[2], [3]])),
    ("epoch", "epoch,recall\n0,.9\n1,.8\n", {}, Read("distances", [[0.9], [0.8]])),
    ("step", "step;w2\n0;.1\n1;.2\n", {}, Read("distances", [[0.1], [0.2]])),
    ("labels", "generation,variance\nreal,.2\ngen_1,.3\n", {}, Read("variances", [[0.2], [0.3]])),
    ("from one", "round,degree 2\n1,.9\n2,.8\n", {}, Read("factors", [[0.9], [0.8]], rounds=(1, 2))),
    ("unsorted", "round,degree 2\n1,.8\n0,1\n", {}, Read("factors", [[1], [0.8]])),
    (
        "far apart",
        "round,w2\n0,.1\n50,.5\n200,.9\n",
        {},
        Read("distances", [[0.1], [0.5], [0.9]], rounds=(0, 50, 200)),
    ),
    (
        "no round",
        "degree 1,degree 2\n1,1\n.9,.8\n",
        {},
        Read("factors", [[1, 1], [0.9, 0.8]], degrees=(1, 2)),
    ),
    ("no names", "1 1\n0.9 0.8\n", {}, Read(None, [[1, 1], [0.9, 0.8]], degrees=(1, 2), note="no names")),
    (
        "rounds without names",
        "0 1\n1 0.9\n2 .8\n",
        {},
        Read(None, [[1], [0.9], [0.8]], rounds=(0, 1, 2), degrees=(1,)),
    ),
    ("one of values", "3.1\n8.2\n", {}, Read(None, [[3.1], [8.2]])),
    ("title", "Run 7\nround,fid\n0,2\n1,3\n", {}, Read("distances", [[2], [3]])),
    ("one row a curve", "metric,gen 0,gen 1\nFID,2,3\n", {}, Read("distances", [[2], [3]])),
    (
        "one row a curve, its errors below",
        "metric,gen 0,gen 1\nFID,2,3\nFID std,.1,.2\n",
        {},
        Read("distances", [[2], [3]], [[0.1], [0.2]]),
    ),
    ("models", "model,prec,rec\nreal,.8,.7\ngen1,.7,.6\n", {}, Read("distances", [[0.8, 0.7], [0.7, 0.6]])),
    ("score", "gen,FID score\n0,2\n1,3\n", {}, Read("distances", [[2], [3]])),
    ("long score", "gen,metric,score\n0,FID,2\n1,FID,3\n", {}, Read("distances", [[2], [3]])),
    ("to something", "gen,distance to manifold\n0,2\n1,3\n", {}, Read("distances", [[2], [3]])),
    ("empty column", "gen,fid,\n0,2,\n1,3,\n", {}, Read("distances", [[2], [3]])),
    ("in brackets", "gen,fid\n0,2 (0.1)\n1,3 (.2)\n", {}, Read("distances", [[2], [3]], [[0.1], [0.2]])),
    ("s.e.", "gen,fid,s.e.\n0,2,.1\n1,3,.2\n", {}, Read("distances", [[2], [3]], [[0.1], [0.2]])),
    (
        "intervals",
        "gen,fid,95% CI\n0,2,1.959964\n1,3,3.919928\n",
        {},
        Read("distances", [[2], [3]], [[1], [2]]),
    ),
    # bytes and delimiters
    ("byte-order mark", b"\xef\xbb\xbfround,degree 1\n0,1\n1,.9\n", {}, Read("factors", [[1], [0.9]])),
    ("utf-16", "round,degree 1\n0,1\n1,.9\n".encode("utf-16"), {}, Read("factors", [[1], [0.9]])),
    (
        "windows",
        "round,fid,±\r\n0,1,.1\r\n1,2,.1\r\n".encode("cp1252"),
        {},
        Read("distances", [[1], [2]], [[0.1], [0.1]]),
    ),
    (
        "tabs",
        "round\tdegree_2\tdegree_2_stderr\n0\t1\t.1\n1\t.8\t.1\n",
        {},
        Read("factors", [[1], [0.8]], [[0.1], [0.1]]),
    ),
    (
        "decimal commas",
        "Runde;x\n".replace("Runde;x", "round;variance") + "0;0,25\n1;0,31\n",
        {},
        Read("variances", [[0.25], [0.31]]),
    ),
    (
        "markdown",
        "| gen | FID | ± |\n|---|:-:|---|\n| 0 | 3.1 | .2 |\n| 1 | 4.1 | .2 |\n",
        {},
        Read("distances", [[3.1], [4.1]], [[0.2], [0.2]]),
    ),
    (
        "blanks",
        "round  degree 1  degree 1 error\n0 1 .01\n1 .9 .02\n",
        {},
        Read("factors", [[1], [0.9]], [[0.01], [0.02]]),
    ),
    (
        "comment above",
        "# mine\n# round, degree 3\n0,1\n1,.9\n",
        {},
        Read("factors", [[1], [0.9]], degrees=(3,)),
    ),
    # errors by every name
    (
        "error",
        "round,degree 1,degree 1 error\n0,1,.1\n1,.9,.2\n",
        {},
        Read("factors", [[1], [0.9]], [[0.1], [0.2]]),
    ),
    ("std", "round,variance,std\n0,1,.1\n1,2,.1\n", {}, Read("variances", [[1], [2]], [[0.1], [0.1]])),
    ("sem", "round,fid,fid_sem\n0,1,.1\n1,2,.1\n", {}, Read("distances", [[1], [2]], [[0.1], [0.1]])),
    ("se before", "round,fid,se(fid)\n0,1,.1\n1,2,.1\n", {}, Read("distances", [[1], [2]], [[0.1], [0.1]])),
    (
        "plus minus",
        "round,fid,+-,recall,+-\n0,1,.1,.9,.01\n1,2,.1,.8,.02\n",
        {},
        Read("distances", [[1, 0.9], [2, 0.8]], [[0.1, 0.01], [0.1, 0.02]]),
    ),
    (
        "in the cell",
        "round,degree 1\n0,1.00 ± 0.01\n1,0.90 +/- 0.02\n",
        {},
        Read("factors", [[1], [0.9]], [[0.01], [0.02]]),
    ),
    (
        "numbered errors",
        "round,variance 1,variance 2,std 1,std 2\n0,1,2,.1,.2\n1,1,2,.3,.4\n",
        {},
        Read("variances", [[1, 2], [1, 2]], [[0.1, 0.2], [0.3, 0.4]]),
    ),
    ("deviations", "round,std\n0,.5\n1,.6\n", {}, Read("deviations", [[0.5], [0.6]])),
    (
        "mean and std",
        "gen,FID (mean),FID (std)\n0,12,.3\n1,15,.4\n",
        {},
        Read("distances", [[12], [15]], [[0.3], [0.4]]),
    ),
    # rows that count, long tables, runs, gaps, per cent, schedules, roles by hand
    (
        "row numbers",
        ",round,degree 1\n0,0,1\n1,1,.9\n",
        {},
        Read("factors", [[1], [0.9]], note="counts the rows"),
    ),
    (
        "row numbers of R",
        "round degree_1\n1 0 1\n2 1 .9\n",
        {},
        Read("factors", [[1], [0.9]], note="counts the rows"),
    ),
    (
        "long by degree",
        "round,degree,value,error\n0,1,1,.1\n0,2,1,.1\n1,1,.9,.1\n1,2,.8,.1\n",
        {},
        Read("factors", [[1, 1], [0.9, 0.8]], [[0.1, 0.1], [0.1, 0.1]], degrees=(1, 2)),
    ),
    (
        "long by direction",
        "direction,round,variance\n1,0,1\n1,1,2\n2,0,3\n2,1,4\n",
        {},
        Read("variances", [[1, 3], [2, 4]]),
    ),
    (
        "long by metric",
        "round,metric,value\n0,fid,1\n0,recall,.9\n1,fid,3\n1,recall,.8\n",
        {},
        Read("distances", [[1, 0.9], [3, 0.8]]),
    ),
    (
        "seeds",
        "seed,round,w2\n0,0,.10\n0,1,.3\n1,0,.12\n1,1,.4\n",
        {},
        Read("distances", [[0.11], [0.35]], None, note="Runs were averaged"),
    ),
    (
        "gaps",
        "round,degree 1,degree 2\n0,1,1\n1,,NA\n2,.8,.7\n",
        {},
        Read("factors", [[1, 1], [nan, nan], [0.8, 0.7]], rounds=(0, 1, 2), note="2 missing values left out"),
    ),
    (
        "per cent in the name",
        "round,degree 4 (%),degree 4 error (%)\n0,100,1\n1,80,2\n",
        {},
        Read("factors", [[1], [0.8]], [[0.01], [0.02]], note="divided by 100"),
    ),
    ("per cent in the cell", "round,recall\n0,98 %\n1,80 %\n", {}, Read("distances", [[0.98], [0.8]])),
    (
        "per cent unsaid",
        "round,degree 4\n0,100\n1,80\n",
        {},
        Read("factors", [[1], [0.8]], note="read as per cent"),
    ),
    (
        "schedule",
        "round,t0,variance\n0,,.2\n1,.1,.3\n2,.05,.4\n",
        {},
        Read("variances", [[0.2], [0.3], [0.4]], rounds=(0, 1, 2)),
    ),
    (
        "errors that are rounding",
        "round,variance,sem\n0,.2,2.8e-17\n1,.3,.1\n2,.4,2.8e-17\n",
        {},
        Read("variances", [[0.2], [0.3], [0.4]], [[0], [0.1], [0]], (0, 1, 2), note="error of 0 left out"),
    ),
    (
        "roles",
        "k,mine,its error,who\n0,1,.1,x\n1,.9,.1,y\n",
        {"k": "round", "mine": "degree 3", "its error": "error of mine", "who": "ignore"},
        Read("factors", [[1], [0.9]], [[0.1], [0.1]], degrees=(3,)),
    ),
    ("kind unsaid", "iteration,mean,std\n0,1,.1\n1,2,.1\n", {}, Read(None, [[1], [2]], [[0.1], [0.1]])),
]


@pytest.mark.parametrize(("text", "columns", "expected"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES])
def test_tables_are_read_as_meant(tmp_path, text, columns, expected):
    file = tmp_path / "c.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    curve = read_curve(file, columns)
    np.testing.assert_array_equal(curve.rounds, expected.rounds)
    np.testing.assert_allclose(curve.values, expected.values, rtol=1e-12)
    if expected.errors is not None:
        np.testing.assert_allclose(curve.standard_errors, expected.errors, rtol=1e-12)
    assert curve.kind == expected.kind
    if expected.degrees is not None:
        assert curve.degrees == expected.degrees
    assert expected.note in " ".join(curve.notes)


def test_steps_of_training_in_equal_portions_are_rounds(tmp_path):
    (tmp_path / "c.csv").write_text("step,w2\n0,.1\n5000,.2\n10000,.3\n")
    curve = read_curve(tmp_path / "c.csv")
    assert curve.rounds.tolist() == [0, 1, 2] and "5000 of step were taken for one round" in curve.notes[0]
    (tmp_path / "c.csv").write_text("round,w2\n0,.1\n10,.2\n20,.3\n")
    assert read_curve(tmp_path / "c.csv").rounds.tolist() == [0, 10, 20]


def test_there_are_forty_of_them():
    assert len(TABLES) >= 40


def test_what_was_used_as_what(tmp_path):
    (tmp_path / "c.csv").write_text("gen,Variance,SEM,who\n0,1,.1,x\n1,2,.1,y\n")
    curve = read_curve(tmp_path / "c.csv", {"who": "ignore"})
    assert curve.columns == {
        "gen": "round",
        "Variance": "variance",
        "SEM": "standard error of Variance",
        "who": "left out",
    }


def test_truncation_times_of_rounds(tmp_path):
    (tmp_path / "c.csv").write_text("round,t0,variance\n0,,.2\n1,.1,.3\n2,.05,.4\n")
    assert read_curve(tmp_path / "c.csv").truncation_times == (0.1, 0.05)


def test_errors_of_runs_are_pooled_over_rounds_of_one_scatter(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4))
    rows = [f"{run},{i},{float(values[run, i])!r}" for run in range(3) for i in range(4)]
    (tmp_path / "c.csv").write_text("seed,round,w2\n" + "\n".join(rows))
    found = read_curve(tmp_path / "c.csv")
    scatter = values.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found.standard_errors[:, 0], np.sqrt(np.mean(scatter**2)), rtol=1e-12)
    np.testing.assert_allclose(found.values[:, 0], values.mean(axis=0), rtol=1e-12)
    assert found.error_freedom.is_pooled.all() and (found.error_freedom.values == 8).all()


def test_a_curve_of_one_run_beside_one_of_several_changes_nothing_for_those(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4))
    rows = [
        f"{run},{i},{float(values[run, i])!r},{'0.5' if run == 0 else ''}"
        for run in range(3)
        for i in range(4)
    ]
    (tmp_path / "c.csv").write_text("seed,round,degree 1,degree 2\n" + "\n".join(rows))
    found = read_curve(tmp_path / "c.csv")
    scatter = values.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found.standard_errors[:, 0], np.sqrt(np.mean(scatter**2)), rtol=1e-12)
    assert (found.error_freedom.values[:, 0] == 8).all() and found.error_freedom.is_pooled.all()
    assert np.isnan(found.values[:, 1]).all()  # left out: nothing says how large their errors are


def test_errors_of_runs_whose_scatter_differs_lie_between_their_own_and_the_common_one():
    """Scatters of an F law: d_0 comes back, and errors are closer to the true ones than those of a round alone."""
    rng = np.random.default_rng(4)
    true = 8.0 / rng.chisquare(8.0, size=400)
    groups = list(np.sqrt(true)[:, None] * rng.normal(size=(400, 5)))
    found = errors_of_runs(groups)
    own = np.array([group.std(ddof=1) for group in groups]) / np.sqrt(5)
    assert not found.is_pooled
    assert found.freedom[0] == pytest.approx(4 + 8, abs=3)
    away = [np.std(np.log(errors**2 * 5 / true)) for errors in (found.errors, own)]
    assert away[0] < 0.8 * away[1]


def test_errors_of_runs_that_grow_with_the_round_follow_it():
    rng = np.random.default_rng(5)
    size = 0.01 * (1.0 + np.arange(12))
    ratios = np.mean(
        [errors_of_runs(list(size[:, None] * rng.normal(size=(12, 8)))).errors for _ in range(50)], axis=0
    ) / (size / np.sqrt(8))
    assert np.all(np.abs(ratios - 1.0) < 0.15)


def test_runs_that_agree_in_the_first_round_make_it_exact():
    found = errors_of_runs([np.array([0.3, 0.3, 0.1 + 0.2]), *np.array([[1.0, 2.0, 3.0], [2.0, 2.5, 3.0]])])
    assert found.errors[0] == 0.0 and np.isinf(found.freedom[0]) and found.errors[1] > 0.1
    found = errors_of_runs([np.ones(3), np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.5, 3.0]), np.array([])])
    assert found.errors[0] == 0.0 and np.isinf(found.freedom[0]) and np.isnan(found.errors[3])
    np.testing.assert_allclose(found.errors[1:3], np.sqrt(0.625 / 3))


REFUSED = [
    ("round\n1\n2\n", "must have a column of values, got round"),
    ("round,variance,variance\n0,1,1\n", "must have one column of each name, got 'variance' more than once"),
    (
        "round,variance,comment\n0,1,ok\n",
        "must have columns that are understood, round .generation, .* got 'comment'",
    ),
    ("round,variance,fid\n0,1,2\n", "must have columns of one kind, got variance .variance., fid .distance."),
    ("round,metric,value\n0,fid,1\n0,variance,2\n", "must have curves of one kind, got fid, variance"),
    (
        "degree 1, degree 2, degree 1 error\n1,2,3\n",
        "must have a column of errors for each of degree 1, degree 2 or for none, got degree 1 error",
    ),
    ("round,degree 1\n0,1,2\n", "row 1 with 3 cells where there are 2 columns"),
    ("round,degree 1\n0,x\n", "'x' in column 'degree 1', row 1, which is not a number"),
    ("round,degree 1\n-1,1\n", "must have whole numbers >= 0 as round, got '-1' in row 1"),
    ("round,degree 1\n0.5,1\n", "must have whole numbers >= 0 as round, got '0.5' in row 1"),
    ("round,w2\n0,.1\n0,.3\n", "must have one value of w2 a round, got round 0 twice"),
    ("round,w2,w2 error\n0,.1,-.3\n", "must have errors >= 0, got '-.3'"),
    (
        "round,t0,variance\n0,,.2\n2,.05,.4\n",
        "must have a truncation time of every round up to 2, got none of round 1",
    ),
    ("round,generation,w2\n0,0,1\n", "must have one column of rounds, got round, generation"),
    ("round,degree 1\n", "a header without numbers"),
    ("", "a file without numbers"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_bad_tables(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=message) as problem:
        read_curve(tmp_path / "c.csv")
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"variance": "thing"}, "the role of a column must be one of"),
        ({"other": "round"}, "columns must name columns of the table, 'round', 'variance', got 'other'"),
        ({"round": "error of x"}, "columns must name the column of an error"),
    ],
)
def test_bad_roles(tmp_path, columns, message):
    (tmp_path / "c.csv").write_text("round,variance\n0,1\n")
    with pytest.raises(InputError, match=message):
        read_curve(tmp_path / "c.csv", columns)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="must name an existing file or folder, got '.*c.xlsx'"):
        read_curve(tmp_path / "c.xlsx")
    (tmp_path / "c.xlsx").touch()
    with pytest.raises(InputError, match="must be a .csv, .txt, .dat, .tsv, .md, .tex, .json or .jsonl file"):
        read_curve(tmp_path / "c.xlsx")


@pytest.mark.parametrize("start", [5.0, 1.0])
def test_a_column_of_no_kind_has_a_rate_and_a_plateau_and_no_truncation_time(tmp_path, start):
    curve = start + 2.0 - 2.0 * 0.6 ** np.arange(9)
    rows = [f"{i},{value:.4f},.002" for i, value in enumerate(curve)]
    (tmp_path / "c.csv").write_text("round,mean,sem\n" + "\n".join(rows))
    result = hc.diagnose(read_curve(tmp_path / "c.csv"))
    assert result.verdict == "rate_and_plateau" and list(result.fits_by_mechanism) == ["affine"]
    assert result.truncation_time is None and result.plateau[0] == pytest.approx(start + 2.0, abs=0.01)
    assert "say what it is, such as --columns 'mean=degree 2'" in result.text
    with pytest.raises(
        InputError, match="'affine' for columns of unknown kind, which fix no more, got 'blur'"
    ):
        hc.diagnose(read_curve(tmp_path / "c.csv"), mechanism="blur")
    assert hc.diagnose(read_curve(tmp_path / "c.csv"), kind="distances").text.find("such as --columns") < 0
    if start == 1.0:
        named = hc.diagnose(read_curve(tmp_path / "c.csv", {"mean": "degree 2"}))
        assert "truncation" in named.fits_by_mechanism
