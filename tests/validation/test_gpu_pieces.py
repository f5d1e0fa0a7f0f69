"""The pieces of `python -m validation.gpu` at tiny size on a CPU, and what each of them must not accept."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hermite_collapse as hc
from hermite_collapse.simulation import simulate
from hermite_collapse.storage.images import FASHION_MNIST
from validation.experiments import five_modes_10d
from validation.experiments.kde_recursion import Setting, euler_variance
from validation.gpu import __main__ as command
from validation.gpu import k_steps, particles, peaks, presets, rates, ten_dimensions
from validation.gpu.catalog import pieces_in_order, selected
from validation.gpu.page import page_text, write_page
from validation.gpu.piece import Job, Outcome, Size
from validation.gpu.records import Records, read_folder
from validation.gpu.settings import OFF, recursion_of
from validation.gpu.unet import MemberUNet

PIECES = {piece.name: piece for piece in pieces_in_order()}
needs_images = pytest.mark.skipif(not FASHION_MNIST.exists(), reason="no Fashion-MNIST")


def job_for(piece, folder, *, seconds=120.0, level=1e-4, **numbers):
    size = next(size for size in piece.sizes if size.stage == 0)
    return Job(
        size=Size(0, {**size.numbers, **numbers}, size.work),
        device="cpu",
        seconds=seconds,
        estimate=0.1,
        clock=time.monotonic,
        end=time.monotonic() + seconds,
        level=level,
        state=folder / "state" / piece.file_name,
    )


def test_every_piece_has_a_size_for_a_rehearsal_and_sizes_in_order():
    assert len(PIECES) == len(pieces_in_order())
    for piece in PIECES.values():
        assert [size.stage for size in piece.sizes].count(0) == 1 and piece.sizes[-1].stage == 0
        work = [size.work for size in piece.allowed(small=False)]
        assert work and work == sorted(work, reverse=True), piece.name
        stages = [size.stage for size in piece.allowed(small=False)]
        assert stages == sorted(stages, reverse=True), piece.name
        assert piece.is_elastic or piece.kind in {
            "fixed",
            "channel",
            "exact",
            "pairs",
            "k_steps",
            "particles",
        }


def test_pieces_are_selected_by_name_part_and_pattern():
    assert [piece.name for piece in selected(["noise", "speed/exact"])] == ["noise", "speed/exact"]
    assert len(selected(["presets/channel"])) == len(hc.presets.names())
    assert [piece.name for piece in selected(["particles/*_10d"])] == ["particles/five_modes_10d"]
    assert len(selected(None)) == len(PIECES)
    with pytest.raises(KeyError, match="nowhere"):
        selected(["nowhere"])


TINY = [
    "noise",
    "kernels",
    "particles/tilted_2d",
    "speed/exact",
    "speed/channel",
    "speed/kernel_score",
    "speed/degree_spectrum",
    "k_steps/edm_heun",
    "presets/kernel/grid_2d",
    "ten_dimensions/closed_form",
    "ten_dimensions/alpha_0.5",
    pytest.param("learned/mixture_1d", marks=pytest.mark.slow),
    "learned/mixture_2d",
]


@pytest.mark.parametrize("name", TINY)
def test_pieces_run_at_tiny_size(name, tmp_path):
    piece = PIECES[name]
    small = {"optimiser_steps": 20, "particles": 256} if name.startswith("learned") else {}
    outcome = piece.run(job_for(piece, tmp_path, **small))
    assert outcome.passed is not False, outcome.verdict
    assert outcome.is_complete
    assert Records(tmp_path, {"device": "a CPU"}).write(piece, outcome)["verdict"] == outcome.verdict


@needs_images
def test_images_are_learned_at_tiny_size(tmp_path):
    piece = PIECES["learned/fashion_mnist"]
    outcome = piece.run(job_for(piece, tmp_path, images=500, optimiser_steps=2, particles=16, steps=2))
    assert outcome.is_complete and set(outcome.numbers["fractions"]) == {"0.1", "0.5", "0.9"}
    assert outcome.arrays["samples.0.5"].shape == (2, 8, 784)


# What must not be accepted.


def test_other_numbers_on_the_other_device_are_seen(tmp_path, monkeypatch):
    piece = PIECES["particles/two_modes_1d"]
    honest, calls = particles._particles, []

    def other(recursion, options, generation, device, **changed):
        calls.append(device)
        moved = {"seed": 5} if len(calls) == 1 else {}
        return honest(recursion, options, generation, device, **{**changed, **moved})

    monkeypatch.setattr(particles, "_particles", other)
    outcome = piece.run(job_for(piece, tmp_path, particles=500, pool=64))
    assert outcome.passed is False


def test_a_difference_is_counted_in_units_of_rounding():
    here = np.array([[0.5], [8.0], [-1.0]])
    there = here * (1.0 + np.array([[0.0], [4.0], [2.0]]) * 2.0**-52)
    row = particles.compared(here[None], there[None])
    assert row["largest_units"] == 4.0 and row["median_units"] == 2.0
    assert row["share_equal_to_the_bit"] == pytest.approx(1.0 / 3.0)


@pytest.mark.parametrize("key", ["fresh_fraction", "truncation_time"])
def test_a_control_is_rejected_where_its_power_says_so_and_undetermined_below(key):
    value = {"fresh_fraction": 0.3, "truncation_time": 0.1}[key]
    recursion = recursion_of("three_modes_1d")
    simulated = simulate(recursion, rounds=5, particles=1_000_000, degree=8, device="cpu")
    honest = hc.compare(recursion, simulated, level=1e-3)
    far = presets.control("three_modes_1d", "channel", {key: 1.1 * value}, simulated, honest, 1e-3)
    near = presets.control("three_modes_1d", "channel", {key: (1.0 + 1e-6) * value}, simulated, honest, 1e-3)
    assert far["outcome"] == "rejected"
    assert near["outcome"] == "undetermined"
    # The power of half a per cent follows from theory alone: ten thousand times the particles, a hundred times it.
    half = presets.control("three_modes_1d", "channel", {key: OFF * value}, simulated, honest, 1e-3)
    more = dataclasses.replace(simulated, particles=100 * simulated.particles)
    again = presets.control(
        "three_modes_1d", "channel", {key: OFF * value}, more, hc.compare(recursion, more, level=1e-3), 1e-3
    )
    assert again["power_in_standard_errors"] == pytest.approx(
        10.0 * half["power_in_standard_errors"], rel=0.2
    )
    assert half["particles_that_would_decide"] == pytest.approx(again["particles_that_would_decide"], rel=0.5)


def test_a_simulation_of_another_recursion_disagrees(tmp_path, monkeypatch):
    piece = PIECES["presets/channel/three_modes_1d"]

    def other(recursion, **options):
        return simulate(hc.Recursion(recursion.target, fresh_fraction=0.33, truncation_time=0.1), **options)

    monkeypatch.setattr(presets, "simulate", other)
    assert piece.run(job_for(piece, tmp_path, particles=200_000)).passed is False


def test_another_sampler_disagrees_with_the_round_map(tmp_path, monkeypatch):
    piece = PIECES["k_steps/ddim"]
    assert piece.run(job_for(piece, tmp_path)).passed
    honest = k_steps.predicted
    other = k_steps.samplers()["edm_heun"]
    monkeypatch.setattr(k_steps, "predicted", lambda sampler, law: honest(other, law))
    assert piece.run(job_for(piece, tmp_path)).passed is False


def test_the_defect_of_eulers_rule_is_that_of_one_generation_and_then_accumulates():
    setting = Setting(0.5, 1000, generations=3, steps=100)
    defects = ten_dimensions.euler_defects(setting)
    a2 = np.exp(-0.02)
    first = euler_variance(setting, start_variance=1.0) - (a2 * 0.72 + 1.0 - a2)
    assert defects[0] == pytest.approx(first)
    assert np.all(np.diff(defects) > 0.0)
    fine = ten_dimensions.euler_defects(dataclasses.replace(setting, steps=10_000, start="marginal"))
    assert np.abs(fine).max() < 0.02 * np.abs(defects).max()


def test_a_chain_stops_in_time_and_goes_on(tmp_path, monkeypatch):
    piece = PIECES["ten_dimensions/alpha_0.5"]
    numbers = {"particles": 300, "generations": 3, "steps": 20}
    honest = five_modes_10d.generate

    def slowly(*arguments):
        time.sleep(3.0)
        return honest(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(five_modes_10d, "generate", slowly)
        stopped = piece.run(
            job_for(piece, tmp_path, seconds=4.0, **numbers)
        )  # two seconds are left for the end
    assert not stopped.is_complete and "generation 1 of 3" in stopped.verdict
    ended = piece.run(job_for(piece, tmp_path, **numbers))
    assert ended.is_complete
    straight = piece.run(job_for(piece, tmp_path / "other", **numbers))
    np.testing.assert_array_equal(ended.numbers["measured"], straight.numbers["measured"])


def test_members_of_the_unet_are_independent_and_agree_with_being_alone():
    network = MemberUNet(shape=(1, 8, 8), widths=(8, 16))
    generator = torch.Generator().manual_seed(0)
    built = network.build(
        3, 64, lambda count: torch.randn(3, count, generator=generator), torch.device("cpu")
    )
    with torch.no_grad():
        for parameter in built.parameters():  # the last layer starts at 0, which would say nothing
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        x, level = torch.randn(3, 5, 64, generator=generator), torch.randn(3, 5, generator=generator)
        out = built(x, level)
        for member in range(3):
            torch.testing.assert_close(
                built.one(member, x[member], level[member]), out[member], rtol=1e-4, atol=1e-5
            )
        torch.testing.assert_close(
            built.several(slice(1, 3), x[1:], level[1:]), out[1:], rtol=1e-4, atol=1e-5
        )
        moved = x.clone()
        moved[1] += 1.0
        changed = (built(moved, level) - out).abs().amax(dim=(1, 2))
    assert changed[1] > 1e-3 and changed[0] < 1e-6 and changed[2] < 1e-6
    assert all(parameter.shape[0] == 3 for parameter in built.parameters())


def test_rates_are_measured_for_the_kinds_that_are_wanted():
    found = rates.measure("cpu", True, {"channel", "pairs"})
    assert set(found) == {"fixed", "channel", "pairs"} and all(rate > 0.0 for rate in found.values())


def test_limits_of_the_device_are_measured():
    found = peaks.measured_peaks("cpu")
    assert {"product_float64", "product_float32", "copy_bytes", "vector_float64"} <= set(found)
    assert all(rate > 1e8 for rate in found.values())


# The command and the page.


def test_the_command_runs_resumes_and_refuses(tmp_path, capsys):
    arguments = [
        "--minutes",
        "1",
        "--device",
        "cpu",
        "--size",
        "small",
        "--out",
        str(tmp_path),
        "--only",
        "noise",
    ]
    assert command.main(arguments) == 0
    record = read_folder(tmp_path)["noise"]
    assert record["passed"] and {"numpy", "torch", "numba"} <= set(record["versions"])
    capsys.readouterr()
    assert command.main(arguments) == 0
    assert "0 pieces" in capsys.readouterr().out
    assert command.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(PIECES)
    assert command.main(["--only", "nowhere"]) == 2
    assert "--only must name a piece" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        command.main(["--minutes", "-1"])
    assert stopped.value.code == 2


def test_the_page_says_what_the_records_say_and_what_is_missing(tmp_path):
    records = Records(tmp_path, {"device": "Card X", "driver": "1.2", "versions": {"torch": "9"}})
    facts = {"size": "wanted", "seconds": 3.0}
    chain = PIECES["ten_dimensions/alpha_0.5"]
    numbers = {"predicted": [0.7, 0.9], "measured": [0.71, 0.91], "standard_error": [0.01, 0.01]}
    records.write(chain, Outcome("generation 2 of 20", True, numbers, is_complete=False), **facts)
    records.write_failure(PIECES["noise"], "Traceback\nValueError: no numbers", **facts)
    page = write_page(tmp_path, tmp_path / "gpu.md").read_text()
    assert "Card X (driver 1.2; torch 9): 2 pieces in 6 s." in page
    assert "1 agree with theory, 0 disagree, 1 failed; 0 are times" in page
    assert "| 50 % fresh data | agrees | 3 | round 2 of 20 |" in page
    assert "![ten dimensions](ten_dimensions.svg)" in page and (tmp_path / "ten_dimensions.svg").exists()
    missing = page[page.index("## Not reached") :]
    assert "`noise`" in missing and "`ten_dimensions/alpha_0.5`" in missing and "`speed/exact`" in missing
    assert page_text({}, {}).startswith("# Theory against a GPU\n\nThere are no records.")


def test_numbers_of_the_page_have_no_exponents(tmp_path):
    records = read_folder(Path(command.RECORDS))
    if not records:
        pytest.skip("no records of a GPU yet")
    own = {
        "presets/exact/grid_2d": {**records["presets/exact/grid_2d"], "particles_of_all_runs": 40_000_000},
        "presets/channel/grid_2d": records["presets/channel/grid_2d"],
        "particles/five_modes_10d": records["particles/five_modes_10d"],
        "speed/exact": records["speed/exact"] | {"verdict": "3.24e+09 particle steps, off by 1.5e-12"},
    }
    for page in (page_text(own, {}), page_text(records, {})):
        assert re.findall(r"\d[eE][+-]?\d+\b", page) == []
    page = page_text(own, {})
    assert "3.24 × 10⁹ particle steps, off by 1.5 × 10⁻¹²" in page
    channel, exact = (
        page.index("By the exact channel:"),
        page.index("By reverse diffusion with exact scores:"),
    )
    assert channel < page.index("| grid_2d | ", channel) < exact < page.index("| grid_2d | 4 × 10⁷ |")
    assert "score of a pool" not in page[: page.index("## Not reached")]


def test_records_of_the_repository_are_on_the_page():
    folder = Path(command.RECORDS)
    if not any(folder.glob("*.json")):
        pytest.skip("no records of a GPU yet")
    page = (command.REPOSITORY / "docs" / "gpu.md").read_text()
    for name, record in read_folder(folder).items():
        assert record["device"] in page, name
