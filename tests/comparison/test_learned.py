"""Learned scores beside the ideal recursion: identity, bound, what is tested, and what compare and report say."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run

LAW = hc.presets.load("three_modes_1d")


def recursion(**changes):
    return hc.Recursion(LAW, **({"fresh_fraction": 0.3, "truncation_time": 0.1} | changes))


def simulated(of, *, runs=6, rounds=4, particles=4000, seed=1):
    pytest.importorskip("torch")
    from hermite_collapse.simulation import simulate

    return simulate(
        of,
        rounds=rounds,
        particles=particles,
        degree=4,
        generator="channel",
        seed=seed,
        runs=runs,
        device="cpu",
    )


def spoiled(record, shift):
    """The record with a shift of degree 2 that every round adds, and that the channel passes on."""
    kappa, total = 0.7 * np.exp(-0.1), 0.0
    coefficients = record.coefficients.copy()
    for i in range(1, record.rounds + 1):
        total = kappa * total + shift[i - 1]
        coefficients[:, i, 2] += total
    return record.replace(coefficients=coefficients)


def test_the_identity_and_the_bound():
    of = recursion()
    for record in (simulated(of), spoiled(simulated(of), [0.1, -0.4, 0.05, 0.0])):
        found = hc.compare_learned(of, record)
        np.testing.assert_allclose(found.measured, found.ideal + found.accumulated, atol=1e-12)
        assert np.all(np.abs(found.accumulated) <= found.bound + 1e-12)
        np.testing.assert_allclose(
            found.ideal[:, 1], hc.mode_factors([2], fresh_fraction=0.3, truncation_time=0.1, rounds=4)[:, 0]
        )
        np.testing.assert_allclose(found.contraction[:, 1], 0.7 * np.exp(-0.1))


def test_measured_defects_are_those_that_were_put_in():
    of = recursion()
    clean, record = hc.compare_learned(of, simulated(of)), spoiled(simulated(of), [0.1, -0.4, 0.05, 0.0])
    found = hc.compare_learned(of, record)
    scale = LAW.hermite_coefficients(4).values[2]
    np.testing.assert_allclose(
        found.defects[:, 1] - clean.defects[:, 1], np.array([0.1, -0.4, 0.05, 0.0]) / scale, atol=1e-10
    )
    assert "The largest defect of a round is" in found.text and "of degree 2 in round 2" in found.text


def test_constant_defects_are_tested_and_others_rejected():
    of = recursion()
    constant = hc.compare_learned(of, spoiled(simulated(of), [0.1] * 4))
    assert constant.constant_defects.passed and "it holds" in constant.text
    changing = hc.compare_learned(of, spoiled(simulated(of), [0.0, 0.4, 0.0, -0.4]))
    assert not changing.constant_defects.passed and "it fails" in changing.text
    few = hc.compare_learned(of, simulated(of, runs=2))
    assert few.constant_defects is None and "fewer than 4 runs" in few.text
    keeping = recursion(fresh_fraction=0.0, regime="accumulate")
    assert "does not replace" in hc.compare_learned(keeping, simulated(keeping)).text


def test_a_single_run_has_the_errors_of_its_particles():
    of = recursion()
    record = simulated(of, runs=1, particles=50_000)
    found = hc.compare_learned(of, record)
    energy = LAW.hermite_coefficients(4).values[2]
    assert found.standard_error[2, 1] == pytest.approx(
        record.standard_errors[0, 2, 2] / abs(energy), rel=1e-9
    )
    assert np.all(np.isnan(found.defect_error))


def test_what_it_shows():
    found = hc.compare_learned(recursion(), simulated(recursion()))
    assert max(map(len, found.table().splitlines())) <= 80
    assert set(found.dataset) >= {"ideal", "measured", "defect", "contraction", "bound"}
    assert "identity" in found._repr_html_() and found.plot().get_xlabel() == "round"


def test_what_cannot_be_shown():
    exploding = hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.1, blur=0.2)
    with pytest.raises(hc.InputError, match="recursion must act on every degree by itself"):
        hc.compare_learned(exploding, simulated(recursion()))
    record = simulated(recursion()).replace(generator="neural")
    with pytest.raises(hc.InputError, match="`compare_learned` shows others"):
        hc.compare(recursion(), record)


def test_compare_and_report_of_learned_scores(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    size = ["--particles", "200", "--rounds", "1", "--degree", "2", "--runs", "1", "--device", "cpu"]
    network = [
        "--training-steps",
        "5",
        "--network-width",
        "8",
        "--network-blocks",
        "1",
        "--steps",
        "8",
        "--pool",
        "100",
    ]
    status = run(["compare", "--generator", "neural", *size, *network, "--out", "o", "--json"])
    first = json.loads(capsys.readouterr().out)
    assert status == 0 and first["theory_is_tested"] is False and "Not tested" in first["text"]
    page = (tmp_path / "o" / "report.html").read_text()
    assert "Learned scores beside the ideal recursion" in page
    assert (tmp_path / "o" / "figures" / "learned.svg").exists() and (tmp_path / "o" / "results.nc").exists()
    assert run(["report", "o"]) == 0
    out = capsys.readouterr().out
    assert "What is and what is not tested" in out and max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode", "float64"])
def test_learned_scores_inside_contexts_of_torch(mode):
    torch = pytest.importorskip("torch")
    from hermite_collapse.simulation import (
        NeuralGeneration,
        ResidualPerceptron,
        ReverseDiffusion,
        Training,
        simulate,
    )

    generation = NeuralGeneration(
        network=ResidualPerceptron(width=8, blocks=1),
        training=Training(steps=4, samples=60),
        reverse=ReverseDiffusion(steps=6),
    )

    def measured():
        record = simulate(
            recursion(), rounds=1, particles=100, degree=2, generator=generation, seed=3, device="cpu"
        )
        return hc.compare_learned(recursion(), record).measured

    plain = measured()
    if mode == "float64":
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            np.testing.assert_array_equal(measured(), plain)
        finally:
            torch.set_default_dtype(before)
    else:
        with getattr(torch, mode)():
            np.testing.assert_array_equal(measured(), plain)
