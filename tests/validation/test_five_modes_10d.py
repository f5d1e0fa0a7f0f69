"""The ten-dimensional experiment at a size for tests: prediction, error bars, resumption, defects."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hermite_collapse as hc
from hermite_collapse.simulation.attention import PoolDenoiser
from validation.experiments import five_modes_10d as experiment
from validation.experiments.kde_recursion import (
    RefinedNoise,
    Setting,
    euler_variance,
    generate,
    kernel_denoiser,
    make_pool,
    predict,
)

MECHANISMS = {"both": (0.6, 0.02), "blur": (0.6, 0.0), "truncation": (0.0, 0.02)}


def chain(**changes):
    return Setting(
        **({"fresh_fraction": 0.5, "particles": 20000, "generations": 20, "model": "channel"} | changes)
    )


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_closed_form_at_every_generation(mechanism, alpha):
    """Twenty generations, eleven statistics: inside the predicted bars, outside those of other parameters."""
    blur, truncation = MECHANISMS[mechanism]
    setting = chain(fresh_fraction=alpha, blur=blur, truncation=truncation, seed=11)
    result = experiment.run_chain(setting)
    z = np.array(result["z"])
    assert z.shape == (20, 11)
    assert np.abs(z).max() < 4.3  # 220 values, two-sided
    assert 0.5 < z.std() < 1.5
    if mechanism != "truncation" and alpha < 0.9:
        # At 0.1 the within-mode variance has not reached its limit by generation 20: 5 % would stay inside.
        wrong = predict(dataclasses.replace(setting, fresh_fraction=(1.05 if alpha > 0.1 else 1.2) * alpha))
        off = (np.array(result["measured"]) - wrong.value) / wrong.standard_error
        assert np.abs(off[:, -1]).max() > 4.3
    half = predict(dataclasses.replace(setting, blur=1.05 * blur, truncation=1.05 * truncation))
    off = (np.array(result["measured"]) - half.value) / half.standard_error
    if mechanism != "truncation":
        assert np.abs(off[:, -1]).max() > 4.3


def test_predicted_error_bars_over_many_chains():
    """Mean and variance over 200 chains of 200 particles: the bars include what the pool passes on."""
    setting = chain(particles=200, generations=6, fresh_fraction=0.1)
    results = np.array(
        [experiment.run_chain(dataclasses.replace(setting, seed=s))["measured"] for s in range(200)]
    )
    prediction = predict(setting)
    ratio = results.var(axis=0, ddof=1) / prediction.standard_error**2
    # Chi-square over 199 degrees of freedom: standard deviation 0.1.
    assert np.abs(ratio - 1.0).max() < 5 * 0.1
    z = (results.mean(axis=0) - prediction.value) / (prediction.standard_error / math.sqrt(200))
    assert np.abs(z).max() < 4.3
    # Output noise alone, without inheritance, is refused from the second generation on.
    alone = prediction.standard_error[0] ** 2
    assert (results[:, -1, -1].var(ddof=1) / alone[-1]) > 1.5


def test_population_values_by_the_scalar_recursion():
    setting = chain(fresh_fraction=0.1)
    values = predict(setting).value
    a2, w, mode = math.exp(-0.02), 0.36, 64 / 5
    within, plane = 0.36, mode
    for row in values:
        within = a2 * (0.1 * w + 0.9 * within + 0.36) + 1 - a2
        plane = a2 * (0.1 * mode + 0.9 * plane)
        assert row[-1] == pytest.approx(within, rel=1e-12)
        assert row[9] == pytest.approx(within, rel=1e-12)
        assert row[0] == pytest.approx(plane + within, rel=1e-12)


def test_kernel_score_by_three_routes():
    """Fused attention in single and double precision against tiled matrix products, and against the definition."""
    pool = make_pool(None, Setting(0.5, 700), 0, torch.device("cpu"))
    x = 0.9 * pool[:40] + 0.3
    reference = kernel_denoiser(pool, Setting(0.5, 700, model="matmul"))
    for t in (0.02, 0.4, 3.0):
        a, v = math.exp(-t / 2), -math.expm1(-t)
        spread = a * a * 0.36 + v
        logits = -((x[:, None] - a * pool) ** 2).sum(dim=2) / (2 * spread)
        gain = a * 0.36 / spread
        direct = (torch.softmax(logits, 1)[..., None] * (pool + gain * (x[:, None] - a * pool))).sum(dim=1)
        torch.testing.assert_close(reference.denoise(x, t), direct, rtol=1e-11, atol=1e-11)
        double = PoolDenoiser(pool[None], 0.6, precision="float64").denoise(x, t)
        torch.testing.assert_close(double, direct, rtol=1e-11, atol=1e-11)
        single = PoolDenoiser(pool[None], 0.6).denoise(x, t)
        assert 0.0 < float((single - direct).abs().max()) < 1e-4


def test_literal_chain_agrees_with_the_closed_form():
    """Reverse diffusion with the kernel score, from the pool's marginal by the second-order sampler: a channel."""
    setting = Setting(0.5, 400, generations=4, steps=40, sampler="multistep", start="marginal", seed=5)
    z = np.array(experiment.run_chain(setting)["z"])
    assert np.abs(z).max() < 4.3
    # As printed but with ten Euler steps, the discretisation shows even here.
    coarse = Setting(0.5, 400, generations=2, steps=10, seed=5)
    assert np.abs(np.array(experiment.run_chain(coarse)["z"])).max() > 4.3


def test_chain_continues_to_identical_bytes(tmp_path, monkeypatch):
    setting = Setting(0.5, 60, generations=3, steps=6, seed=9)
    whole = experiment.run_chain(setting, folder=tmp_path / "whole")
    first = experiment.run_chain(setting, folder=tmp_path / "parts", seconds=-1.0)
    assert first["generations_done"] == 0
    assert first["largest_z"] is None
    with monkeypatch.context() as patch:
        for stop in (1, 2):  # interrupted in the second generation, then in the third
            patch.setattr(experiment, "generate", _interrupted(stop))
            with pytest.raises(KeyboardInterrupt):
                experiment.run_chain(setting, folder=tmp_path / "parts")
    resumed = experiment.run_chain(setting, folder=tmp_path / "parts")
    assert resumed["generations_done"] == 3
    assert resumed["measured"] == whole["measured"]
    again = experiment.run_chain(setting, folder=tmp_path / "parts", seconds=-1.0)
    assert again["measured"] == whole["measured"]
    with pytest.raises(
        hc.InputError,
        match="folder must be empty or hold what this call asks for, .* generator.seed = 9 instead of 1",
    ):
        experiment.run_chain(dataclasses.replace(setting, seed=1), folder=tmp_path / "whole")


def _interrupted(stop):
    """The outputs of a generation, with an interrupt in the given one; earlier generations must not come again."""

    def generate_until(pool, setting, generation):
        assert generation in (stop - 1, stop)
        if generation == stop:
            raise KeyboardInterrupt
        return generate(pool, setting, generation)

    return generate_until


def test_defects_have_their_predicted_size():
    """Steps and finite T, each with the other removed; the within-mode ones are predicted exactly."""
    rows = {(row["defect"], row["statistic"]): row for row in experiment.measure_defects(40, particles=4000)}
    for defect in ("steps", "finite T", "both", "residual"):
        row = rows[defect, "within_mode_variance"]
        assert abs(row["change"] - row["predicted"]) < 4.5 * row["standard_error"]
    steps = rows["steps", "within_mode_variance"]
    assert (
        steps["predicted"] > 20 * steps["standard_error"]
    )  # large enough that a wrong prediction would show
    finite = rows["finite T", "second_moment_1"]
    # N(0, I) at T = 4 forgets the modes' distance: about -1 % of the second moment in the mode plane.
    assert abs(finite["change"] + 0.15) < 4 * finite["standard_error"]


def test_euler_prediction_converges_to_the_channel():
    exact = math.exp(-0.02) * 0.72 + 1 - math.exp(-0.02)
    gaps = [euler_variance(Setting(0.5, 10, steps=s)) - exact for s in (500, 1000, 2000)]
    assert gaps[0] > 0
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(2.0, rel=0.03)


def test_refined_noise_is_the_same_brownian_motion():
    class Counting:
        def __init__(self):
            self.parts = [torch.full((1, 1), float(k)) for k in range(6)]

        def normal(self, columns):
            return self.parts.pop(0)

    coarse = RefinedNoise(Counting(), 3)
    assert float(coarse.normal(1)) == pytest.approx((0 + 1 + 2) / math.sqrt(3))
    assert float(coarse.normal(1)) == pytest.approx((3 + 4 + 5) / math.sqrt(3))


def test_infinity_is_said_plainly():
    assert {row["mechanism"]: row["first_infinite"] for row in experiment.finiteness()} == {
        "both": 1,
        "blur": 2,
        "truncation": 42,
    }


def test_limits_and_shares():
    """Blur injects 95 % of a round's variance; w = (alpha a^2 0.36 + a^2 h^2 + 1 - a^2) / (1 - (1-alpha) a^2)."""
    for row in experiment.mechanism_shares():
        alpha, a2 = row["fresh_fraction"], math.exp(-0.02)
        for name, (blur, truncation) in MECHANISMS.items():
            a = math.exp(-truncation)
            limit = (alpha * a * 0.36 + a * blur**2 + 1 - a) / (1 - (1 - alpha) * a)
            assert row[name] == pytest.approx(limit, rel=1e-9)
        assert row["blur_share_of_added_variance"] == pytest.approx(a2 * 0.36 / (a2 * 0.36 + 1 - a2))
        assert 0.94 < row["blur_share_of_added_variance"] < 0.96


def test_statistics_of_a_record_are_means_of_squares():
    recursion = hc.Recursion(hc.presets.load("five_modes_10d"), fresh_fraction=0.5, truncation_time=0.1)
    record = hc.simulation.simulate(
        recursion, rounds=1, particles=40, degree=1, keep="all", device="cpu", seed=2
    )
    squares = (record.samples[0] ** 2).mean(axis=1)
    values = experiment.mean_squares(record)
    np.testing.assert_allclose(values[:, :-1], squares, rtol=1e-13)
    np.testing.assert_allclose(values[:, -1], squares[:, 2:].mean(axis=1), rtol=1e-13)


def test_chain_from_the_command_line(tmp_path, capsys):
    arguments = [
        "chain",
        "--fresh-fraction",
        "0.5",
        "--particles",
        "60",
        "--generations",
        "2",
        "--steps",
        "5",
        "--seed",
        "4",
    ]
    assert (
        experiment.main(
            [*arguments, "--out", str(tmp_path / "chain.json"), "--folder", str(tmp_path / "run")]
        )
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "chain.json").read_text())
    assert printed["generations_done"] == 2
    again = experiment.run_chain(Setting(0.5, 60, generations=2, steps=5, seed=4))
    assert printed["measured"] == again["measured"]


@pytest.fixture(scope="module")
def record():
    return json.loads(experiment.RECORD.read_text())


def test_committed_record_is_about_this_code(record):
    """Predictions recomputed; closed-form chains inside their bars; literal ones off by their measured defects."""
    for stored in record["chains"]:
        setting = Setting(**stored["setting"])
        prediction = predict(setting)
        np.testing.assert_allclose(stored["predicted"], prediction.value, rtol=1e-9)
        np.testing.assert_allclose(stored["standard_error"], prediction.standard_error, rtol=1e-9)
        z = (np.array(stored["measured"]) - prediction.value) / prediction.standard_error
        np.testing.assert_allclose(stored["z"], z, rtol=1e-6, atol=1e-9)
        if setting.model == "channel":
            assert np.abs(z).max() < 4.5
    assert {row["mechanism"]: row["first_infinite"] for row in record["chi_square_against_data"]} == {
        "both": 1,
        "blur": 2,
        "truncation": 42,
    }
    for rows in record["defects_of_one_generation"].values():
        for row in rows:
            if row["predicted"] is not None:
                assert abs(row["change"] - row["predicted"]) < 4.5 * row["standard_error"]


def test_committed_energies_attain_proposition_3_1(record):
    """The kernel density score is exact for another law: KL equals its bound, and nothing is invisible."""
    for row in record["energies"]["generations"]:
        half, half_error = (part / 2 for part in row["learned_energy"])
        gap = half + row["kl_of_the_starts"][0] - row["kl_of_the_defect"][0]
        assert abs(gap) < 4.5 * math.hypot(half_error, row["kl_of_the_defect"][1])
    assert not [row for row in record["energies"]["bounds"] if row["verdict"] == "refused"]


def test_figure_of_the_record(record, tmp_path):
    experiment.draw(record, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    assert text.startswith("<?xml")
    assert text.count('id="axes_') == 3
    for alpha in experiment.FRESH_FRACTIONS:
        assert f"<!-- fresh fraction {alpha:g} -->" in text
    assert text.count("<!-- within-mode variance -->") == 3


def test_settings_are_checked():
    with pytest.raises(ValueError, match="model"):
        Setting(0.5, 10, model="fused")
    with pytest.raises(ValueError, match="singular"):
        Setting(0.5, 10, blur=0.0, truncation=0.0)
