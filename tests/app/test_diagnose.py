"""hermite-collapse diagnose: its document, its exit status, what it leaves and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run
from hermite_collapse.diagnosis import diagnosis as module

EXAMPLES = Path(module.__file__).parent / "examples"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments, capsys):
    status = run([str(argument) for argument in ("diagnose", *arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def document(*arguments, capsys, status=0):
    found, out, err = call(*arguments, "--json", capsys=capsys)
    assert found == status, err
    return json.loads(out)


def write(values, *, errors=True, name="c.csv", degrees=(1, 2)):
    head = [f"degree {n}{e}" for n in degrees for e in ("", " error")[: 1 + errors]]
    rows = [
        ",".join([str(i), *(f"{v!r},0.01" if errors else repr(v) for v in row)])
        for i, row in enumerate(np.asarray(values).tolist())
    ]
    Path(name).write_text("\n".join([",".join(["round", *head]), *rows]))


def truncated(fresh_fraction=0.2, truncation=0.15):
    return hc.mode_factors([1, 2], fresh_fraction=fresh_fraction, truncation_time=truncation, rounds=10)


KEYS = {"fresh_fraction", "truncation_time", "plateau", "plateau_error", "fits", "text"}


def test_truncation_is_found(capsys):
    write(truncated())
    found = document("c.csv", capsys=capsys)
    assert set(found) >= KEYS | {"verdict", "accepted", "columns"}
    assert found["verdict"] == "identified" and found["fits"] is True and "truncation" in found["accepted"]
    np.testing.assert_allclose(found["fresh_fraction"]["value"], 0.2, rtol=1e-6)
    np.testing.assert_allclose(found["truncation_time"]["value"], 0.15, rtol=1e-6)
    assert found["truncation_time"]["error"] > 0
    assert found["columns"]["degree 2 error"] == "standard error of degree 2"
    limit = hc.attenuation([1, 2], fresh_fraction=0.2, truncation_time=0.15)
    np.testing.assert_allclose(found["plateau"], limit, rtol=1e-6)
    status, out, _ = call("c.csv", "--truncation-time", "0.15", capsys=capsys)
    assert status == 0 and "fresh fraction 0.2 ±" in out and "'round' as round" in out
    assert max(map(len, out.splitlines())) <= 80


def kept(rounds=10):
    """Return shares of degrees 1 and 2 where the data and all generations are kept: a product over the rounds."""
    one_round = np.exp(-0.15 * np.array([1.0, 2.0]) / 2.0)
    factors, total = [np.ones(2)], np.ones(2)
    for i in range(1, rounds + 1):
        factors.append(one_round * total / i)
        total = total + factors[-1]
    return np.array(factors)


@pytest.mark.parametrize(
    ("values", "options", "regime"),
    [
        (truncated, ["--fresh-fraction", "0.2"], "replace"),
        (truncated, [], "replace"),
        (kept, [], None),
        (kept, ["--regime", "accumulate"], "accumulate"),
        (truncated, ["--regime", "accumulate_with_fresh"], "accumulate_with_fresh"),
    ],
)
def test_the_regime_that_was_taken(values, options, regime, capsys):
    write(values())
    assert document("c.csv", *options, capsys=capsys)["regime"] == regime


FEW = [0.011, 0.004, 0.017, 0.008, 0.006, 0.013, 0.003, 0.009, 0.021, 0.010, 0.007]
"""Errors that scatter as those of means of a few runs."""


@pytest.mark.parametrize(
    ("column", "options", "runs", "runs_from"),
    [
        ("", [], None, None),
        ("", ["--runs", "3"], 3, "given"),
        ("", ["--runs", "inf"], "inf", "given"),
        ("runs", [], 4, "table"),
        ("degree 2 runs", [], ["inf", 4], "table"),
        ("scatter", [], 3, "scatter"),
    ],
)
def test_the_runs_that_were_taken(column, options, runs, runs_from, capsys):
    values, is_named = truncated(), column not in ("", "scatter")
    rows = [
        f"{i},{a!r},{e},{b!r},{e}" + ",4" * is_named
        for i, ((a, b), e) in enumerate(
            zip(values.tolist(), FEW if column == "scatter" else [0.01] * 11, strict=True)
        )
    ]
    head = "round,degree 1,degree 1 error,degree 2,degree 2 error" + f",{column}" * is_named
    Path("c.csv").write_text("\n".join([head, *rows]))
    found = document("c.csv", *options, capsys=capsys)
    assert (found["runs"], found["runs_from"]) == (runs, runs_from)
    if runs_from == "scatter":
        assert f"means of about {runs} runs" in found["text"]


def test_degrees_that_others_feed_do_not_identify_truncation(capsys):
    write(hc.mode_factors([1, 4], fresh_fraction=0.2, truncation_time=0.15, rounds=10), degrees=(1, 4))
    found = document("c.csv", capsys=capsys)
    # Four rates and plateaus; an autoencoder has five numbers: what degrees 2 and 0 feed degree 4 is not measured.
    assert found["verdict"] == "rate_and_plateau" and {"truncation", "autoencoder"} <= set(found["accepted"])


def test_what_nothing_explains_is_rejected_with_status_1(capsys):
    values = truncated()
    values[5, 1] += 0.2
    write(values)
    found = document("c.csv", capsys=capsys, status=1)
    assert found["verdict"] == "rejected" and found["fits"] is False and found["accepted"] == []
    assert found["fresh_fraction"] is None and found["truncation_time"] is None


def test_what_was_asked_for_alone_is_rejected_with_status_1(capsys):
    write(truncated())
    found = document("c.csv", "--mechanism", "blur", capsys=capsys, status=1)
    assert found["verdict"] == "rejected" and set(found["mechanisms"]) == {"blur"}
    assert document("c.csv", "--mechanism", "affine", capsys=capsys)["verdict"] == "rate_and_plateau"


def test_without_errors_nothing_is_claimed(capsys):
    write(truncated(), errors=False)
    found = document("c.csv", capsys=capsys)
    assert found["verdict"] == "undetermined" and found["fits"] is None and found["accepted"] == []
    assert found["fresh_fraction"] is None and "Best fit, not tested" in found["text"]


def test_the_ring(capsys):
    found = document(EXAMPLES / "ring.csv", "--fresh-fraction", "0.25", capsys=capsys)
    assert found["verdict"] == "rate_and_plateau" and found["fits"] is True
    assert "truncation" not in found["accepted"] and found["truncation_time"] is None
    assert found["mechanisms"]["truncation"]["p_value"] == pytest.approx(1.1e-6, rel=0.1)
    three = document(EXAMPLES / "ring.csv", "--fresh-fraction", "0.25", "--runs", "3", capsys=capsys)
    assert three["noise"] == "between_runs"
    assert three["mechanisms"]["truncation"]["p_value"] == pytest.approx(0.0138, rel=0.02)


def test_the_critical_share_of_a_widening_round(capsys):
    pipeline = hc.Pipeline([hc.mechanisms.ScoreError(0.25, 0.01)], fresh_fraction=0.4)
    curve = pipeline.trajectory([1.5, 0.3], 10)
    rows = [f"{i},{a!r},0.01,{b!r},0.01" for i, (a, b) in enumerate(curve.tolist())]
    Path("v.csv").write_text("gen,variance 1,variance 1 sem,variance 2,variance 2 sem\n" + "\n".join(rows))
    found = document("v.csv", capsys=capsys)
    assert found["verdict"] == "identified" and found["critical_share"] == pytest.approx(0.2, rel=1e-5)


def test_a_sampler_is_tried_besides(capsys):
    sampler = hc.mechanisms.SamplerSteps.ddim(steps=20)
    curve = hc.Pipeline([sampler], fresh_fraction=0.4).trajectory([1.5, 0.3, 0.02], 10)
    head = "gen," + ",".join(f"variance {j},variance {j} sem" for j in range(3))
    rows = [f"{i}," + ",".join(f"{v!r},{0.005 * v!r}" for v in row) for i, row in enumerate(curve.tolist())]
    Path("v.csv").write_text(head + "\n" + "\n".join(rows))
    found = document("v.csv", "--sampler", "ddim", "--steps", "20", capsys=capsys)
    assert found["verdict"] == "identified" and "sampler" in found["accepted"]
    other = document("v.csv", "--sampler", "ddim", "--steps", "50", capsys=capsys)
    assert "sampler" not in other["accepted"]


def test_roles_kind_and_data_by_hand(capsys):
    Path("o.csv").write_text("k,mine\n1,2.5\n2,3.1\n3,3.3\n4,3.4\n5,3.42\n")
    roles = ["--columns", "k=round", "mine=distance"]
    assert document("o.csv", *roles, capsys=capsys)["columns"] == {"k": "round", "mine": "distance"}
    variances = ["--columns", "k=round", "mine=value", "--kind", "variances", "--data", "1.5"]
    assert document("o.csv", *variances, capsys=capsys)["verdict"] == "undetermined"


def test_a_figure_is_left(capsys, tmp_path):
    write(truncated())
    status, out, _ = call("c.csv", "--out", "o", capsys=capsys)
    assert status == 0 and "Written to o." in out
    assert (tmp_path / "o" / "figures" / "diagnosis.svg").exists()
    kept = json.loads((tmp_path / "o" / "diagnosis.json").read_text())
    assert kept["verdict"] == "identified"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["c.csv", "--kind", "moments"], "kind must be one of"),
        (["c.csv", "--mechanism", "sampler"], "sampler must be given"),
        (["c.csv", "--steps", "30"], "steps must be left out without a sampler, got 30"),
        (["c.csv", "--sampler", "DDIM"], "sampler must be ddim,"),
        (["c.csv", "--sampler", "c.csv"], "sampler must be a JSON file, got 'c.csv'"),
        (
            ["c.csv", "--sampler", "ddim", "--mechanism", "blur"],
            "sampler must be left out where mechanism is another, got mechanism 'blur'",
        ),
        (["c.csv", "--columns", "degree 1"], "columns must be given as NAME=ROLE"),
        (["c.csv", "--columns", "x=round"], "columns must name columns of the table"),
        (["c.csv", "--fresh-fraction", "1.5"], "fresh_fraction must lie in [0, 1]"),
        (["."], "must be a table or a folder that measure wrote"),
    ],
)
def test_bad_requests_are_one_sentence(arguments, message, capsys):
    write(truncated())
    status, out, err = call(*arguments, capsys=capsys)
    assert status == 2 and out == "" and message in err and err.count("\n") == 1


def test_what_is_not_known_is_null(capsys):
    Path("c.csv").write_text("round,variance\n0,1\n1,.9\n2,.7\n3,.6\n")
    found = document("c.csv", capsys=capsys)
    fits = [found, *found["mechanisms"].values()]
    assert {(one["p_value"], one["chi_square"]) for one in fits} == {(None, None)}
    errors = [v["error"] for one in found["mechanisms"].values() for v in one["parameters"].values() if v]
    assert None in errors and "nan" not in json.dumps(found).casefold()
