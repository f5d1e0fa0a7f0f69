"""What stands in brackets, in names of columns and in cells, is applied or refused, never left unread."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

VALUES = np.array([0.09, 0.13, 0.16])
STATED = 0.02


class Answer(NamedTuple):
    """What a careful reader takes values and errors for, relative to what is written."""

    values: float = 1.0
    errors: object = None
    note: str = ""


def level(percent):
    """Return the half width of an interval in standard errors."""
    return round(NormalDist().inv_cdf(0.5 + percent / 200.0), 6)


def read(folder, head, cell="{x}", beside="", scale=1.0, columns=None):
    """Return the curve of a table of one column of values, with errors in a column of their own where it is named."""
    rows = [f"round;{head}" + (f";{beside}" if beside else "")]
    rows += [
        f"{i};{cell.format(x=scale * x)}" + (f";{STATED}" if beside else "") for i, x in enumerate(VALUES)
    ]
    (folder / "c.csv").write_text("\n".join(rows))
    return read_curve(folder / "c.csv", columns)


ERRORS = {
    "error (2σ)": STATED / 2,
    "error (2 sigma)": STATED / 2,
    "error(2σ)": STATED / 2,
    "error [2 SE]": STATED / 2,
    "error (1.96 se)": STATED / 1.96,
    "error (1,96 × se)": STATED / 1.96,
    "error (k=2)": STATED / 2,
    "± (3σ)": STATED / 3,
    "error (1σ)": STATED,
    "error (３σ)": STATED / 3,
    "error (2σ": STATED / 2,
    "error (95 %)": STATED / level(95),
    "error (95% CI)": STATED / level(95),
    "error (95 % half-width)": STATED / level(95),
    "error (68 %)": STATED / level(68),
    "CI (99 %)": STATED / level(99),
    "90% CI": STATED / level(90),
    "std (n=100)": STATED / 10,
    "std (n = 25 seeds)": STATED / 5,
    "SD (over 25 seeds)": STATED / 5,
    "value std (n=4)": STATED / 2,
    "error (std, n=4)": STATED / 2,
    "sem (n=100)": STATED,
    "error (n=100)": STATED,
    "error (standard deviation)": STATED,
    "error (relative)": STATED * VALUES,
    "error (rel.)": STATED * VALUES,
    "error (relative, %)": 0.01 * STATED * VALUES,
    "error (% of value)": 0.01 * STATED * VALUES,
    "error (2σ, relative)": STATED * VALUES / 2,
    "error (squared)": STATED**0.5,
    "error (variance)": STATED**0.5,
    "error (σ²)": STATED**0.5,
    "error (variance) (1e-4)": (1e-4 * STATED) ** 0.5,
    "std (1e-2)": 0.01 * STATED,
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_become_standard_errors(tmp_path, name):
    curve = read(tmp_path, "value", beside=name)
    assert np.array_equal(curve.values[:, 0], VALUES)
    np.testing.assert_allclose(
        curve.standard_errors[:, 0], np.broadcast_to(ERRORS[name], VALUES.shape), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("head", "name", "errors"),
    [
        ("variance", "error (fraction)", STATED * VALUES),
        ("variance", "se(variance)", STATED),
        ("variance", "variance error (2σ)", STATED / 2),
        ("variance", "error (standard error)", STATED),
        ("FID (n=5)", "FID std (n=5)", STATED / 5**0.5),
        ("FID (50k)", "FID (50k) std", STATED),
        ("FID (a.u.)", "FID err (a.u.)", STATED),
    ],
)
def test_errors_beside_values_of_a_name(tmp_path, head, name, errors):
    curve = read(tmp_path, head, beside=name)
    np.testing.assert_allclose(curve.standard_errors[:, 0], np.broadcast_to(errors, VALUES.shape), rtol=1e-12)


@pytest.mark.parametrize(
    ("head", "name", "part"),
    [
        ("value", "error (last digits)", "last digits"),
        ("value", "error (range)", "range"),
        ("value", "error (half width)", "half width"),
        ("value", "error (min-max)", "min-max"),
        ("value", "error (iqr)", "iqr"),
        ("value", "error (MAD)", "mad"),
        ("value", "std (over seeds)", "over seeds"),
        ("value", "sem (bootstrap)", "bootstrap"),
        ("value", "error (5 %)", "5 %"),
        ("value", "error (k=0)", "k=0"),
        ("value", "std (n=1)", "a scatter of 1"),
        ("FID", "FID std (n=50000)", "a scatter of 50000"),
        ("variance", "error (variance)", "variance"),
        ("recall", "error (fraction)", "fraction"),
        ("degree 2", "error (fraction)", "fraction"),
        ("value", "error (smoothed)", "smoothed"),
    ],
)
def test_errors_of_an_unknown_form_are_refused(tmp_path, head, name, part):
    with pytest.raises(InputError, match="brackets that are understood in names, such as '.2σ.'") as problem:
        read(tmp_path, head, beside=name)
    assert f"got {part!r} in {name!r}" in str(problem.value) and "\n" not in str(problem.value)
    asked = read(tmp_path, head, beside=name, columns={name: f"error of {head}"})
    assert asked.standard_errors is not None


HALF = 127.5
HEADS = {
    "variance (8 bit)": Answer(HALF**-2, note="so that images are in [-1, 1]"),
    "variance (uint8²)": Answer(HALF**-2, note="so that images are in [-1, 1]"),
    "variance (0..255)": Answer(HALF**-2, note="so that images are in [-1, 1]"),
    "direction 2 [0, 255]": Answer(HALF**-2, note="so that images are in [-1, 1]"),
    "std 1 (8-bit)": Answer(1 / HALF, note="so that images are in [-1, 1]"),
    "variance (16 bit)": Answer(32767.5**-2, note="so that images are in [-1, 1]"),
    "variance (0–1)": Answer(4.0, note="so that images are in [-1, 1]"),
    "std 2 [0, 1]": Answer(2.0, note="so that images are in [-1, 1]"),
    "variance (in [-1, 1])": Answer(),
    "variance (1e-3)": Answer(1e-3, note="multiplied by 0.001"),
    "variance (10⁻³, n=1000)": Answer(1e-3, note="multiplied by 0.001"),
    "variance (n=1000)": Answer(),
    "variance (mean over 5 seeds)": Answer(),
    "variance (first direction)": Answer(),
    "variance (alpha=0.2)": Answer(),
    "Var(x)": Answer(),
    "Var[X_t]": Answer(),
    "degree 2 (data = 1)": Answer(),
    "degree 2 (normalised)": Answer(),
    "FID (50k, test)": Answer(),
    "FID (gen, real)": Answer(),
    "FID (lower is better)": Answer(),
    "FID (data = 1)": Answer(),
    "FID [px²]": Answer(),
    "recall (k=5)": Answer(),
    "MMD (rbf)": Answer(),
    "value (a.u.)": Answer(),
}


@pytest.mark.parametrize("head", HEADS)
def test_brackets_of_values_that_are_understood(tmp_path, head):
    curve = read(tmp_path, head)
    np.testing.assert_allclose(curve.values[:, 0], HEADS[head].values * VALUES, rtol=1e-12)
    assert HEADS[head].note in " ".join(curve.notes) and bool(curve.notes) == bool(HEADS[head].note)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        ("variance [px²]", "px^2"),
        ("variance (mm²)", "mm^2"),
        ("variance [gray levels²]", "gray levels^2"),
        ("variance (smoothed)", "smoothed"),
        ("variance (ema 0.9)", "ema 0.9"),
        ("variance (z-score)", "z-score"),
        ("variance (centred)", "centred"),
        ("variance (difference)", "difference"),
        ("variance (sum over 64 pixels)", "sum over 64 pixels"),
        ("variance (train)", "train"),
        ("variance (explained)", "explained"),
        ("variance (squared)", "squared"),
        ("second moment (8 bit)", "8 bit"),
        ("std 1 (n-1)", "n-1"),
        ("degree 2 (data = 100)", "data = 100"),
        ("degree 2 (px^2)", "px^2"),
        ("FID (smoothed)", "smoothed"),
        ("precision (1 - x)", "1 - x"),
        ("value (cumulative)", "cumulative"),
    ],
)
def test_brackets_of_values_that_are_not_understood_are_refused(tmp_path, head, part):
    with pytest.raises(InputError, match="brackets that are understood in names, such as a power") as problem:
        read(tmp_path, head)
    assert f"got {part!r} in {head!r}" in str(problem.value) and "\n" not in str(problem.value)
    role = str(problem.value).split(f"{head}=")[1].split("'")[0]
    np.testing.assert_array_equal(read(tmp_path, head, columns={head: role}).values[:, 0], VALUES)


@pytest.mark.parametrize(
    "name", ["variance (data = 1)", "variance (real=100)", "variance (of data)", "std 1 (per real)"]
)
def test_variances_in_units_of_others_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="relative to one that the table does not say"):
        read(tmp_path, name)


@pytest.mark.parametrize(
    ("head", "answer"),
    [("round (1 = data)", None), ("round (log)", None), ("generation (#)", 0), ("round (0 = data)", 0)],
)
def test_brackets_of_rounds(tmp_path, head, answer):
    (tmp_path / "c.csv").write_text(f"{head},fid\n0,1\n1,2\n")
    if answer is not None:
        assert read_curve(tmp_path / "c.csv").rounds[0] == answer
        return
    with pytest.raises(InputError, match="brackets that are understood in names, such as '.#.'"):
        read_curve(tmp_path / "c.csv")


def test_truncation_times_have_factors(tmp_path):
    (tmp_path / "c.csv").write_text("round,t0 (1e-3),variance\n0,,1\n1,50,1.1\n2,40,1.2\n")
    np.testing.assert_allclose(read_curve(tmp_path / "c.csv").truncation_times, (0.05, 0.04), rtol=1e-12)
    (tmp_path / "c.csv").write_text("round,t0 (ms),variance\n0,,1\n1,50,1.1\n2,40,1.2\n")
    with pytest.raises(InputError, match="such as a power of ten .1e-3., got 'ms' in 't0 .ms.'"):
        read_curve(tmp_path / "c.csv")


CELLS = {
    ("variance", "{x} ± 1 %", 1.0): Answer(errors=0.01 * VALUES, note="per cent of the value"),
    ("variance", "{x} (1 %)", 1.0): Answer(errors=0.01 * VALUES, note="per cent of the value"),
    ("FID", "{x} ± 1 %", 100.0): Answer(errors=VALUES, note="per cent of the value"),
    ("recall (%)", "{x} ± 1 %", 100.0): Answer(0.01, 0.01, "divided by 100"),
    ("recall", "{x} % ± 1 %", 100.0): Answer(0.01, 0.01, "divided by 100"),
    ("recall", "({x} ± 1) %", 100.0): Answer(0.01, 0.01, "divided by 100"),
    ("variance", "{x}±1.2e-2", 1.0): Answer(errors=0.012),
    ("variance", "{x} (±0.01)", 1.0): Answer(errors=0.01),
    ("variance", "{x}(2)", 1.0): Answer(errors=0.02),
    ("variance", "{x}(12)", 1.0): Answer(errors=0.12),
    ("variance", "{x}(2)e1", 1.0): Answer(10.0, 0.2),
    ("variance", "{x} +0.01 -0.01", 1.0): Answer(errors=0.01),
    ("variance", "${x}^{{+0.01}}_{{-0.01}}$", 1.0): Answer(errors=0.01),
    ("variance", "{x}×10⁻²", 1.0): Answer(0.01),
    ("variance", "({x} ± 0.01)×10⁻²", 1.0): Answer(0.01, 1e-4),
    ("variance (2σ)", "{x} ± 0.02", 1.0): Answer(errors=0.01),
    ("variance (± 2 se)", "{x} ± 0.02", 1.0): Answer(errors=0.01),
    ("variance (mean ± std, n = 25)", "{x} ± 0.02", 1.0): Answer(errors=0.004),
    ("variance (mean, 95 % CI)", "{x} ± 0.02", 1.0): Answer(errors=0.02 / level(95)),
    ("variance (8 bit)", "{x} ± 0.02", 1.0): Answer(HALF**-2, 0.02 * HALF**-2, "images are in [-1, 1]"),
}


@pytest.mark.parametrize(("head", "cell", "scale"), CELLS)
def test_errors_in_cells(tmp_path, head, cell, scale):
    answer = CELLS[head, cell, scale]
    curve = read(tmp_path, head, cell, scale=scale)
    np.testing.assert_allclose(curve.values[:, 0], answer.values * scale * VALUES, rtol=1e-12)
    assert answer.note in " ".join(curve.notes)
    if answer.errors is None:
        assert curve.standard_errors is None
    else:
        np.testing.assert_allclose(
            curve.standard_errors[:, 0], np.broadcast_to(answer.errors, VALUES.shape), rtol=1e-12
        )


@pytest.mark.parametrize(
    "cells", ["{x} [{low}, {high}]", "{x} ({low}–{high})", "{x} [{low}; {high}]", "{x} ({low} to {high})"]
)
def test_intervals_in_cells_need_a_level(tmp_path, cells):
    rows = [cells.format(x=x, low=f"{x - 0.02:.2f}", high=f"{x + 0.02:.2f}") for x in VALUES]
    text = "\n".join(f"{i}\t{row}" for i, row in enumerate(rows))
    (tmp_path / "c.csv").write_text(f"round\tvariance (90 %)\n{text}\n")
    errors = read_curve(tmp_path / "c.csv").standard_errors
    np.testing.assert_allclose(errors[:, 0], 0.02 / level(90), rtol=1e-9)
    (tmp_path / "c.csv").write_text(f"round\tvariance\n{text}\n")
    with pytest.raises(InputError, match="the level of intervals in the name, as in 'variance .95 %.'"):
        read_curve(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("head", "cell", "scale", "message"),
    [
        ("variance", "{x} ± 1 %", 100.0, "errors that can be read in one way, got '9.0 ± 1 %'"),
        ("recall", "{x} (1 %)", 100.0, "errors that can be read in one way"),
        ("variance", "{x} (2)", 1.0, "which is not a number"),
        ("variance", "{x} +0.01/-0.02", 1.0, "with errors up and down that differ"),
        ("variance (95 %)", "{x} [0.0, 0.2]", 1.0, "with an interval that is not centred"),
        ("variance (95 %)", "{x} [0.3, 0.4]", 1.0, "which is no interval about its value"),
        ("variance (± 2 se)", "{x}", 1.0, "errors in the cells of 'variance .± 2 se.', .* got none"),
        ("variance", "{x} ± 0.01 ± 0.02", 1.0, "which is not a number"),
    ],
)
def test_cells_that_may_be_meant_in_two_ways_are_refused(tmp_path, head, cell, scale, message):
    with pytest.raises(InputError, match=message) as problem:
        read(tmp_path, head, cell, scale=scale)
    assert "\n" not in str(problem.value)


def test_errors_stand_once(tmp_path):
    with pytest.raises(
        InputError, match="errors in cells or in a column, got '0.09 ± 0.1' in row 1 beside 'sem'"
    ):
        read(tmp_path, "variance", "{x} ± 0.1", "sem")
    (tmp_path / "c.txt").write_text("0 0.1±0.01\n1 0.2±0.01\n")
    with pytest.raises(InputError, match="a line of names where cells hold errors"):
        read_curve(tmp_path / "c.txt")


def test_brackets_of_curves_in_rows_are_refused(tmp_path):
    for label in ("FID (smoothed)", "variance 1 (smoothed)", "curve (cumulative)"):
        (tmp_path / "c.csv").write_text(f"round,curve,value\n0,{label},1\n1,{label},2\n")
        with pytest.raises(InputError, match="names of curves without brackets that may change the numbers"):
            read_curve(tmp_path / "c.csv")
    (tmp_path / "c.csv").write_text("round,metric,value\n0,FID (50k),1\n1,FID (50k),2\n")
    assert read_curve(tmp_path / "c.csv").kind == "distances"


ROUNDS = {
    "an index from 1": ("index,variance\n1,.1\n2,.2\n3,.3\n", [1, 2, 3]),
    "sorted by value": (",variance\n2,.3\n0,.1\n1,.2\n", [0, 1, 2]),
    "downwards": (",variance\n2,.3\n1,.2\n0,.1\n", [0, 1, 2]),
    "rows of a frame beside rounds": (",round,variance\n3,0,.1\n7,1,.2\n9,2,.3\n", [0, 1, 2]),
    "JSON by rows": ('{"1":{"variance":0.1},"2":{"variance":0.2},"3":{"variance":0.3}}', [1, 2, 3]),
    "JSON by columns": ('{"variance":{"1":0.1,"2":0.2,"3":0.3}}', [1, 2, 3]),
    "JSON, split": ('{"columns":["variance"],"index":[1,2,3],"data":[[0.1],[0.2],[0.3]]}', [1, 2, 3]),
    "NumPy's": (
        "# round variance\n" + "".join(f"{i:.18e} {x}\n" for i, x in enumerate([0.1, 0.2, 0.3])),
        [0, 1, 2],
    ),
    "powers": ("round,variance\n0E0,.1\n1.00e+0,.2\n2e0,.3\n", [0, 1, 2]),
    "decimal commas": ("round;variance\n0,0;0,1\n1,0;0,2\n2,0;0,3\n", [0, 1, 2]),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_rounds_keep_their_numbers(tmp_path, name):
    text, rounds = ROUNDS[name]
    (tmp_path / "c.txt").write_text(text)
    curve = read_curve(tmp_path / "c.txt")
    assert curve.rounds.tolist() == rounds
    np.testing.assert_allclose(curve.values[:, 0], [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "text",
    [
        ",variance\n1,.1\n2,.2\n3,.3\n",
        "Unnamed: 0,variance\n1,.1\n2,.2\n3,.3\n",
        '"variance"\n"1" .1\n"2" .2\n"3" .3\n',
    ],
)
def test_rows_that_count_from_1_may_begin_with_the_data(tmp_path, text):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(
        InputError, match="counts rows, the first being the data, or rounds, got 1, 2, ...: say"
    ):
        read_curve(tmp_path / "c.txt")
    assert read_curve(tmp_path / "c.txt", {"index": "round"}).rounds.tolist() == [1, 2, 3]
    assert read_curve(tmp_path / "c.txt", {"index": "ignore"}).rounds.tolist() == [0, 1, 2]


def test_an_error_may_stand_before_its_value(tmp_path):
    (tmp_path / "c.csv").write_text("round,error,fid\n0,.1,1\n1,.2,2\n")
    assert read_curve(tmp_path / "c.csv").standard_errors[:, 0].tolist() == [0.1, 0.2]


def test_runs_with_errors_of_their_own(tmp_path):
    (tmp_path / "c.csv").write_text("seed,round,fid,error\n0,0,1,.1\n0,1,2,.1\n1,0,1.2,.1\n1,1,2.2,.1\n")
    curve = read_curve(tmp_path / "c.csv")
    np.testing.assert_allclose(curve.standard_errors[:, 0], 0.1)
    assert curve.columns["error"] == "left out, as standard error of fid: the scatter of runs says it"


def test_a_long_table_of_factors(tmp_path):
    (tmp_path / "c.csv").write_text("round,degree,factor\n0,1,1\n0,2,1\n1,1,.9\n1,2,.8\n")
    assert read_curve(tmp_path / "c.csv").degrees == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",variance\n0,.1\n3,.2\n10,.3\n", "got 'index': say what it is with --columns 'index=ROLE'"),
        (
            "direction,variance\n1,.1\n1,.2\n2,.3\n",
            "a column of rounds beside names of curves or runs, got none",
        ),
        ("fid seed 0,fid seed 1\n5,6\n7,8\n", "a column of rounds beside names of curves or runs, got none"),
        ("seed,fid\n0,6\n0,8\n1,5\n1,3\n", "a column of rounds beside names of curves or runs, got none"),
        ("round,variance\n0.5e0,.1\n1e0,.2\n", "whole numbers >= 0 as round, got '0.5e0' in row 1"),
        ("round,t0,variance\n0,,1\n1e14,1,2\n", "a truncation time of every round up to 100000000000000"),
    ],
)
def test_rounds_that_nobody_says_are_refused(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_curve(tmp_path / "c.csv")
