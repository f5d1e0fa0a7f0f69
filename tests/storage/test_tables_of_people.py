"""Tables as people keep them: kind, rounds, values and errors as a careful reader takes them, or one sentence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

VALUES = [1.0, 0.9, 0.83, 0.79]


def rows(template, start=0):
    """Return a row of text for each round: {i} is its number, {x} the value, {c} with a decimal comma."""
    return "".join(
        template.format(i=i, x=x, c=str(x).replace(".", ","), p=f"{100 * x:.1f}")
        for i, x in enumerate(VALUES, start=start)
    )


class Answer(NamedTuple):
    """What a careful reader takes a table for."""

    kind: str | None
    error: float | None = None
    first: int = 0
    curves: int = 1
    scale: float = 1.0


READ = {
    "rows without rounds": (",variance\n" + rows("{i},{x}\n"), Answer("variances")),
    "labels of a frame from 1 on": ("index,fid\n" + rows("{i},{x}\n", 1), Answer("distances", first=1)),
    "long by direction": (
        "generation,direction,variance,sem\n" + rows("{i},1,{x},.01\n") + rows("{i},2,{x},.01\n"),
        Answer("variances", 0.01, curves=2),
    ),
    "UTF-16": (("generation\tvariance\n" + rows("{i}\t{x}\n")).encode("utf-16"), Answer("variances")),
    "German": (
        "Generation;Varianz;Standardfehler\r\n" + rows("{i};{c};0,01\r\n"),
        Answer("variances", 0.01),
    ),
    "German, rounds": ("Runde;FID;Fehler\r\n" + rows("{i};{c};0,01\r\n"), Answer("distances", 0.01)),
    "German, deviations": ("Schritt;Standardabweichung\r\n" + rows("{i};{c}\r\n"), Answer("deviations")),
    "French": (
        ("Génération;Variance;Erreur type\r\n" + rows("{i};{c};0,01\r\n")).encode("cp1252"),
        Answer("variances", 0.01),
    ),
    "French, scatter": (
        ("Itération;FID;Écart-type\r\n" + rows("{i};{c};0,01\r\n")).encode("utf-8-sig"),
        Answer("distances", 0.01),
    ),
    "per cent by name": ("generation,recall [%]\n" + rows("{i},{p}\n"), Answer("distances")),
    "per cent that nobody says": (
        "generation,recall\n" + rows("{i},{p}\n"),
        Answer("distances", scale=100.0),  # the scale of a distance says nothing
    ),
    "deviations": ("generation,std\n" + rows("{i},{x}\n"), Answer("deviations")),
    "deviations by direction": ("gen,std 1,std 2\n" + rows("{i},{x},{x}\n"), Answer("deviations", curves=2)),
    "epochs from 1": ("epoch,fid\n" + rows("{i},{x}\n", 1), Answer("distances", first=1)),
    "cycles": ("Cycle,fid\n" + rows("{i},{x}\n"), Answer("distances")),
    "runs by seed": ("generation,fid seed 0,fid seed 1\n" + rows("{i},{x},{x}\n"), Answer("distances", 0.0)),
    "runs, seed first": (
        "generation,seed0_fid,seed1_fid\n" + rows("{i},{x},{x}\n"),
        Answer("distances", 0.0),
    ),
    "runs of something": ("generation,run 1,run 2\n" + rows("{i},{x},{x}\n"), Answer(None, 0.0)),
    "runs of two": (
        "generation,fid_run1,fid_run2,recall_run1,recall_run2\n" + rows("{i},{x},{x},{x},{x}\n"),
        Answer("distances", 0.0, curves=2),
    ),
    "plus and minus": ("generation,FID\n" + rows("{i},{x} +/- 0.2\n"), Answer("distances", 0.2)),
    "capitals": ("GENERATION,VARIANCE,STDERR\n" + rows("{i},{x},.01\n"), Answer("variances", 0.01)),
    "units": ("gen,FID (a.u.),FID err (a.u.)\n" + rows("{i},{x},.01\n"), Answer("distances", 0.01)),
    "units with a power": ("gen,W2 [px²]\n" + rows("{i},{x}\n"), Answer("distances")),
    "Greek": ("generation,σ²\n" + rows("{i},{x}\n"), Answer("variances")),
    "Greek, not squared": ("generation,σ\n" + rows("{i},{x}\n"), Answer("deviations")),
    "a power of ten": ("generation,KID x10^3\n" + rows("{i},{x}\n"), Answer("distances")),
    "another": ("generation,KID (×1e3)\n" + rows("{i},{x}\n"), Answer("distances")),
    "Markdown between words": (
        "Results:\n\n| Gen | FID ↓ | Recall ↑ |\n|---|---|---|\n"
        + rows("| {i} | {x} | {x} |\n")
        + "\nWith 50k.\n",
        Answer("distances", curves=2),
    ),
    "Markdown with short rules": (
        "| Generation | Variance |\n|:-:|:-:|\n" + rows("| {i} | {x} ± 0.01 |\n"),
        Answer("variances", 0.01),
    ),
    "LaTeX with its caption": (
        "\\begin{table}\n\\centering\n\\begin{tabular}{lc}\n\\toprule\nGen. & FID \\\\\n\\midrule\n"
        + rows("{i} & ${x}_{{\\pm 0.1}}$ \\\\\n")
        + "\\bottomrule\n\\end{tabular}\n\\caption{Results, 10 \\% fresh}\n\\label{tab:a}\n\\end{table}\n",
        Answer("distances", 0.1),
    ),
    "LaTeX, rounds as equations": (
        "Generation & FID \\\\ \\hline\n" + rows("$t={i}$ & {x} \\\\\n"),
        Answer("distances"),
    ),
    "data as round 0": (
        "model,fid\n" + rows("gen_{i},{x}\n").replace("gen_0", "Real images"),
        Answer("distances"),
    ),
    "a dropped value": (
        "generation,variance\n" + rows("{i},{x}\n").replace("2,0.83", "2,n/a"),
        Answer("variances"),
    ),
    "steps of training": ("step,fid\n" + rows("{i}000,{x}\n").replace("0000", "0"), Answer("distances")),
    "JSON lines": (rows('{{"generation": {i}, "fid": {x}, "std": 0.01}}\n'), Answer("distances", 0.01)),
    "JSON records": (
        "[" + rows('{{"gen": {i}, "variance": {x}}},').rstrip(",") + "]",
        Answer("variances"),
    ),
    "a size of samples": (
        "generation,FID (50k),FID (50k) std\n" + rows("{i},{x},.1\n"),
        Answer("distances", 0.1),
    ),
    "errors with the same power": (
        "generation,KID x10^3,KID x10^3 std\n" + rows("{i},{x},.1\n"),
        Answer("distances", 0.1),
    ),
    "a turned frame": (",0,1,2,3\nFID," + ",".join(map(str, VALUES)) + "\n", Answer("distances")),
    "blanks and decimal commas": ("round variance\n" + rows("{i} {c}\n"), Answer("variances")),
    "JSON of pandas": (
        '{"generation":{"0":0,"1":1,"2":2,"3":3},"fid":{"0":1.0,"1":0.9,"2":0.83,"3":0.79}}',
        Answer("distances"),
    ),
    "JSON columns": (f'{{"round": [0, 1, 2, 3],\n"Recall": {VALUES}}}', Answer("distances")),
}


@pytest.mark.parametrize("name", READ)
def test_what_a_careful_reader_takes_it_for(tmp_path, name):
    text, answer = READ[name]
    (tmp_path / "c.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    curve = read_curve(tmp_path / "c.txt")
    assert curve.kind == answer.kind and len(curve.names) == answer.curves
    assert curve.rounds.tolist() == list(range(answer.first, answer.first + 4))
    expected = answer.scale * np.array(VALUES)[:, None]
    known = np.isfinite(curve.values)
    assert known.sum() >= 3 * answer.curves
    np.testing.assert_allclose(curve.values[known], np.broadcast_to(expected, curve.values.shape)[known])
    if answer.error is None:
        assert curve.standard_errors is None
    else:
        np.testing.assert_allclose(curve.standard_errors, answer.error, atol=1e-300)


def test_counts_of_nothing_are_refused(tmp_path):
    (tmp_path / "c.csv").write_text("count,mean,std\n" + rows("{i},{x},.1\n"))
    with pytest.raises(
        InputError, match="whether 'count' counts the runs whose mean each value is, got 0, 1, 2, 3"
    ):
        read_curve(tmp_path / "c.csv")
    with pytest.raises(InputError, match="numbers of runs within 1 and 1000 in 'count', got '0' in row 1"):
        read_curve(tmp_path / "c.csv", {"count": "runs"})


def test_tables_without_rounds_say_where_they_begin(tmp_path):
    said = "No column says the rounds: rows were taken for rounds 0 (the data), 1, 2, ..."
    (tmp_path / "c.csv").write_text(",variance\n" + rows("{i},{x}\n", 0))
    assert said in read_curve(tmp_path / "c.csv").notes
    (tmp_path / "c.csv").write_text("index,variance\n" + rows("{i},{x}\n", 1))
    (note,) = read_curve(tmp_path / "c.csv").notes
    assert note.startswith("A column without a name was taken for the rounds, 1, 2, ...")
    (tmp_path / "c.csv").write_text("round,variance\n" + rows("{i},{x}\n", 1))
    assert said not in read_curve(tmp_path / "c.csv").notes


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("t,fid", "t"),
        ("x,y", "x"),
        ("generation,fid,CI low", "CI low"),
        ("generation,variance,upper", "upper"),
        ("generation,alpha,variance", "alpha"),
        ("generation,W2^2", "W2^2"),
        ("generation,total variance", "total variance"),
        ("generation,log variance", "log variance"),
        ("generation,variance ratio", "variance ratio"),
        ("generation,run 1", "run 1"),
        ("generation,Streuung", "Streuung"),
        ("generation,1/variance", "1/variance"),
        ("generation,1-recall", "1-recall"),
        ("generation,sqrt(variance)", "sqrt(variance)"),
    ],
)
def test_what_may_be_something_else_is_refused_with_its_name(tmp_path, header, column):
    count = header.count(",")
    (tmp_path / "c.csv").write_text(header + "\n" + rows("{i}" + ",{x}" * count + "\n"))
    with pytest.raises(InputError, match="columns that are understood") as problem:
        read_curve(tmp_path / "c.csv")
    assert f"got '{column}'" in str(problem.value) and "\n" not in str(problem.value)


@pytest.mark.parametrize(
    "header",
    ["variance x10^3", "std ×10³", "degree 2 x100", "fid,fid std x10^2", "variance,variance std *1e3"],
)
def test_powers_of_ten_are_refused_where_the_unit_matters(tmp_path, header):
    count = header.count(",") + 1
    (tmp_path / "c.csv").write_text(f"generation,{header}\n" + rows("{i}" + ",{x}" * count + "\n"))
    with pytest.raises(InputError, match="numbers in their own unit, got a power of ten in '"):
        read_curve(tmp_path / "c.csv")
