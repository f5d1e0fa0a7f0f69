"""Tables as spreadsheets, logs and papers write them: the same curve each time, or one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve
from hermite_collapse.storage.samples import read_samples

VALUES = [1.0, 0.9, 0.83, 0.79, 0.76]
LARGE = [1200.5, 1201.5, 1202.5, 1203.5, 1204.5]


def rows(template, values=VALUES, start=0):
    """Return a row of text for each round: {i} is its number, {n} the next one, {x} the value."""
    return "".join(
        template.format(i=i, n=i + 1, x=x, comma=str(x).replace(".", ","), percent=100 * x)
        for i, x in enumerate(values, start=start)
    )


READ = {
    "pandas with its index": (",generation,variance,std\n" + rows("{i},{i},{x},.01\n"), VALUES, 0.01),
    "R": ('"generation" "variance" "se"\n' + rows('"{n}" {i} {x} 0.01\n'), VALUES, 0.01),
    "Excel": ("Generation;Variance;Std. Error\r\n" + rows("{i};{comma};0,01\r\n"), VALUES, 0.01),
    "Excel that says its delimiter": (
        "sep=;\r\nGeneration;Variance\r\n" + rows("{i};{comma}\r\n"),
        VALUES,
        None,
    ),
    "Markdown": ("| Round | FID | ± |\n|:--|--:|--:|\n" + rows("| {i} | **{x}** | .01 |\n"), VALUES, 0.01),
    "database": (
        "+---+---+\n| gen | fid |\n+---+---+\n" + rows("| {i} | {x} |\n") + "+---+---+\n",
        VALUES,
        None,
    ),
    "reStructuredText": ("=== ===\ngen fid\n=== ===\n" + rows("  {i} {x}\n") + "=== ===\n", VALUES, None),
    "LaTeX rows": ("Generation & FID \\\\ \\hline\n" + rows("{i} & {x} \\\\\n"), VALUES, None),
    "LaTeX": (
        "\\begin{tabular}{rr}\n\\toprule\nGeneration & FID \\\\\n\\midrule\n"
        + rows("{i} & ${x} \\pm 0.01$ \\\\[2pt]\n")
        + "\\bottomrule\n\\end{tabular}\n",
        VALUES,
        0.01,
    ),
    "WandB": (
        '"Step","run 1 - eval/fid","run 1 - eval/fid__MIN","run 1 - eval/fid__MAX"\n'
        + rows('"{i}","{x}","{x}","{x}"\n'),
        VALUES,
        None,
    ),
    "TensorBoard": ("Wall time,Step,Value\n" + rows("1690000.5,{i},{x}\n"), VALUES, None),
    "per cent": ("generation,recall\n" + rows("{i},{percent}% ± 1%\n"), VALUES, 0.01),
    "thousands and points": (
        "generation,fid\n" + rows('{i},"1,{i}"\n').replace('"1,', '"1,20').replace('"\n', '.5"\n'),
        LARGE,
        None,
    ),
    "thousands and commas": ("generation;fid\n" + rows("{i};1.20{i},5\n"), LARGE, None),
    "thousands and blanks": ("generation;fid\n" + rows("{i};1 20{i},5\n"), LARGE, None),
    "thousands as in Zurich": ("generation;fid\n" + rows("{i};1'20{i}.5\n"), LARGE, None),
    "units": ("generation [-],variance [-],std err [-]\n" + rows("{i},{x},.01\n"), VALUES, 0.01),
    "remarks in names": ("generation (#),FID (lower is better)\n" + rows("{i},{x}\n"), VALUES, None),
    "arrows": ("generation,FID ↓\n" + rows("{i},{x}\n"), VALUES, None),
    "numbers in names": ("generation #,FID #1 # note\n" + rows("{i},{x} #note\n"), VALUES, None),
    "comments": ("# made on 3.4.\ngeneration,fid\n" + rows("{i},{x} # note\n"), VALUES, None),
    "empty last column": ("generation,fid,\n" + rows("{i},{x},\n"), VALUES, None),
    "delimiters at the ends of rows": ("generation,fid\n" + rows("{i},{x},\n"), VALUES, None),
    "one row a metric": ("generation,0,1,2,3,4\nfid," + ",".join(map(str, VALUES)) + "\n", VALUES, None),
    "Fortran": ("generation,variance\n" + rows("{i},{x}D+00\n"), VALUES, None),
    "checkpoints": ("checkpoint,fid\n" + rows("ckpt-{i},{x}\n"), VALUES, None),
    "empty rows of a spreadsheet": (",\ngeneration,fid\n" + rows("{i},{x}\n") + ",\n,\n", VALUES, None),
    "errors in per cent by name": (
        "generation,recall (%),recall std (%)\n" + rows("{i},{percent},1\n"),
        VALUES,
        0.01,
    ),
    "errors in per cent as their values": (
        "generation,recall (%),recall std\n" + rows("{i},{percent},1\n"),
        VALUES,
        0.01,
    ),
    "errors in per cent beside per cent in cells": (
        "generation,recall,std\n" + rows("{i},{percent}%,1\n"),
        VALUES,
        0.01,
    ),
    "thousands beside decimal commas": (
        "generation;fid;std\n" + rows("{i};1.20{i};0,5\n"),
        [x - 0.5 for x in LARGE],
        0.5,
    ),
    "thousands beside decimal points": (
        "generation\tfid\tstd\n" + rows("{i}\t1,20{i}\t0.5\n"),
        [x - 0.5 for x in LARGE],
        0.5,
    ),
    "dates beside": ("date,generation,fid\n" + rows("2024-01-01,{i},{x}\n"), VALUES, None),
}


@pytest.mark.parametrize("name", READ)
def test_the_same_curve_is_read(tmp_path, name):
    text, values, error = READ[name]
    (tmp_path / "c.txt").write_text(text)
    curve = read_curve(tmp_path / "c.txt")
    assert curve.rounds.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(curve.values, np.array(values)[:, None], rtol=1e-12)
    if error is None:
        assert curve.standard_errors is None
    else:
        np.testing.assert_allclose(curve.standard_errors, error, rtol=1e-12)


def test_two_metrics_in_a_long_table(tmp_path):
    text = "generation,metric,value\n" + rows("{i},fid,{x}\n") + rows("{i},recall,.5\n")
    (tmp_path / "c.csv").write_text(text)
    curve = read_curve(tmp_path / "c.csv")
    assert curve.names == ("fid", "recall") and curve.kind == "distances"
    np.testing.assert_allclose(curve.values, np.stack([VALUES, np.full(5, 0.5)], axis=1))


def test_values_without_an_error_beside_those_with_one_are_left_out(tmp_path):
    (tmp_path / "c.csv").write_text("generation,variance,std\n0,1,\n1,.9,.1\n2,.8,.1\n")
    curve = read_curve(tmp_path / "c.csv")
    assert np.isnan(curve.values[0, 0]) and "1 value without an error left out." in curve.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('generation,fid\n0,"1,200"\n1,"1,300"\n', "'1,200', which may be 1200 or 1.200"),
        ("<table><tr><td>1</td></tr></table>", "another format, such as HTML"),
        ('{"generation": 0, "eval": {"fid": 1}}\n', "JSON that is nested: write one object of plain values"),
        ('{"generation": [0, 1], "fid": [1]}', "JSON with lists of different lengths"),
        ("[1, 2, 3]", "JSON that is no table"),
        ("[" * 100_000, "JSON that is nested too deeply"),
        ('{"generation": 0, "fid": 1}\n{"generation": 1, "fid"', "readable .csv file"),
        ("{}", "JSON without values"),
        ("generation,fid,std\n0,1\n1,.9,.1\n", "row 1 with 2 cells where there are 3 columns"),
        ("generation,fid\n0,1\n1,2,3\n", "row 2 with 3 cells where there are 2 columns"),
        ("generation;fid\n0;1.234\n1;10\n", "'1.234', which may be 1234 or 1.234"),
        ("generation\tfid\n0\t1,234\n1\t10\n", "'1,234', which may be 1234 or 1.234"),
        (
            "generation,degree 1 (%),degree 1 error\n0,100,.005\n1,90,.005\n",
            "say that its errors are per cent .* got errors up to 0.005",
        ),
        (
            "generation,degree 1,degree 1 error\n0,100,.005\n1,90,.005\n",
            "say that its errors are per cent .* got errors up to 0.005",
        ),
        ("Step,train/fid,eval/fid\n0,1,2\n", "'train/fid' and 'eval/fid', which are both 'fid'"),
        (
            "Step,a: 1 - fid,a: 2 - fid\n0,1,2\n",
            "repetitions of one, such as seed 1, seed 2, got 'a: 1', 'a: 2'",
        ),
        ("generation,fid,fid\n,mean,std\n0,1,.1\n", "two lines of names: join them to one, as in 'fid std'"),
        (
            "round,FID,Recall\n0,2 ± .1,.6\n1,2 ± .1,.5\n",
            "errors for each of FID, Recall or for none, got none of Recall",
        ),
        ("generation,variance,collapsed\n0,1,True\n", "columns that are understood, .* got 'collapsed'"),
    ],
)
def test_what_could_be_misread_is_one_sentence(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=message) as problem:
        read_curve(tmp_path / "c.csv")
    assert "\n" not in str(problem.value)


WANDB = (
    '"Step","run-1 - eval/fid","run-1 - eval/fid__MIN","run-2 - eval/fid","run-2 - eval/fid__MIN","run-3 - eval/fid"\n'
    '"0","5.0","","5.2","","7"\n"1","6.0","","6.1","",""\n"2","6.5","","6.4","","9"\n'
)


def test_columns_of_several_runs_are_runs_of_one_curve(tmp_path):
    (tmp_path / "c.csv").write_text(WANDB)
    curve = read_curve(tmp_path / "c.csv", {"run-3 - eval/fid": "ignore"})
    assert curve.names == ("eval/fid",) and curve.rounds.tolist() == [0, 1, 2]
    np.testing.assert_allclose(curve.values[:, 0], [5.1, 6.05, 6.45])
    assert curve.standard_errors is not None and curve.columns == {
        "Step": "round",
        "run-1 - eval/fid": "distance, run run-1, averaged",
        "run-1 - eval/fid__MIN": "left out",
        "run-2 - eval/fid": "distance, run run-2, averaged",
        "run-2 - eval/fid__MIN": "left out",
        "run-3 - eval/fid": "left out",
    }
    long = "Step,seed,eval/fid\n0,x,5\n1,x,6\n2,x,6.5\n0,y,5.2\n1,y,6.1\n2,y,6.4\n0,z,7\n2,z,9\n"
    (tmp_path / "long.csv").write_text(long)
    (tmp_path / "c.csv").write_text(WANDB)
    one, other = read_curve(tmp_path / "long.csv"), read_curve(tmp_path / "c.csv")
    np.testing.assert_allclose(other.values, one.values)
    np.testing.assert_allclose(other.standard_errors, one.standard_errors)


def test_a_column_that_is_left_out_does_not_count_as_a_second_one(tmp_path):
    (tmp_path / "c.csv").write_text("Step,train/fid,eval/fid\n0,1,2\n1,2,3\n")
    curve = read_curve(tmp_path / "c.csv", {"train/fid": "ignore"})
    assert curve.values.ravel().tolist() == [2.0, 3.0] and curve.columns["train/fid"] == "left out"


def test_two_columns_of_errors_without_names_are_both_said(tmp_path):
    (tmp_path / "c.md").write_text(
        "| Round | fid | ± | kid | ± |\n|--|--|--|--|--|\n| 0 | 1 | .1 | 2 | .2 |\n"
    )
    columns = read_curve(tmp_path / "c.md").columns
    assert (
        columns["± (column 3)"] == "standard error of fid"
        and columns["± (column 5)"] == "standard error of kid"
    )


def test_how_points_were_read_is_said_where_both_are_possible(tmp_path):
    (tmp_path / "c.csv").write_text("round;fid\n0;1.234\n1;1.345\n")
    curve = read_curve(tmp_path / "c.csv")
    assert curve.values.ravel().tolist() == [1.234, 1.345]
    assert "1.234 was read as 1.234, not as 1234." in curve.notes
    (tmp_path / "c.csv").write_text("round;fid;std\n0;1.234;0,5\n1;1.345;0,5\n")
    assert "1.234 was read as 1234, for ',' is the decimal mark." in read_curve(tmp_path / "c.csv").notes


def test_other_suffixes_are_named(tmp_path):
    (tmp_path / "c.xlsx").write_text("{}")
    with pytest.raises(InputError, match="must be a .csv, .txt, .dat, .tsv, .md, .tex, .json or .jsonl file"):
        read_curve(tmp_path / "c.xlsx")
    (tmp_path / "c.md").write_text("| gen | fid |\n|---|---|\n| 0 | x |\n")
    with pytest.raises(InputError, match="must be a readable .md file"):
        read_curve(tmp_path / "c.md")


def test_names_of_sample_tables_are_different(tmp_path):
    (tmp_path / "s.csv").write_text("x,y,x,z,y\n" + "0.1,0.2,0.3,0.4,0.5\n" * 3)
    with pytest.raises(InputError, match="columns of the same name: x, y"):
        read_samples(tmp_path / "s.csv")
