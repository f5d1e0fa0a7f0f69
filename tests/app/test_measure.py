"""The command measure: folders of images to curves, a sheet and a document; what diagnose makes of them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.diagnosis.measuring.measured import Measured
from hermite_collapse.storage.images import FASHION_MNIST, load_images
from tests.diagnosis.channel_histories import channel_history
from tests.processor_time import seconds_of_children

IMAGE = pytest.importorskip("PIL.Image")


def call(*arguments, capsys):
    status = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def save(folder, samples, half, side=8):
    """Images as 8-bit files whose range is [-half, half]; what lies beyond is cut."""
    folder.mkdir(parents=True)
    pixels = np.clip(np.rint((samples.reshape(-1, side, side) / half + 1.0) * 127.5), 0, 255).astype(np.uint8)
    for i, image in enumerate(pixels):
        IMAGE.fromarray(image).save(folder / f"{i}.png", compress_level=1)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits through nine rounds of a known channel, in a range wide enough for the noise and cut at [-1, 1]."""
    data = pytest.importorskip("sklearn.datasets").load_digits().data / 8.0 - 1.0
    rng = np.random.default_rng(0)
    generations = channel_history(data, fresh_fraction=0.2, time=0.05, rounds=9, samples=1000, rng=rng)
    root = tmp_path_factory.mktemp("digits")
    for name, half, count in (("wide", 3.0, 1000), ("cut", 1.0, 300)):
        save(root / name / "real", data[: 2 * count], half)
        for i, samples in enumerate(generations, start=1):
            save(root / name / f"gen_{i + 1}", samples[:count], half)  # gen_10 among them
    return root


def test_known_channels_are_read_from_folders(digits, monkeypatch, capsys):
    monkeypatch.chdir(digits / "wide")
    measured = [
        "measure",
        "--data",
        "real",
        "--generations",
        "gen_*",
        "--value-range",
        85,
        170,
        "--first-round",
        1,
    ]
    status, out, _ = call(*measured, "--json", "--out", "M", capsys=capsys)
    document = json.loads(out)
    assert (
        status == 0 and document["generations"][-1] == "gen_10" and document["rounds"] == list(range(1, 10))
    )
    assert not document["clipping"]["is_biased"] and document["samples"] == [1000] * 9
    stored = Measured.load("M")
    assert stored.sheet.shape == (10, 8, 8, 8) and [c["name"] for c in document["curves"]] == list(
        stored.names
    )
    left = sorted(path.name for path in (digits / "wide/M/figures").iterdir())
    assert left == ["curves.png", "curves.svg", "samples.png", "samples.svg"]

    status, out, _ = call("diagnose", "M", "--json", capsys=capsys)
    diagnosis = json.loads(out)
    assert status == 0 and "truncation" in diagnosis["accepted"]
    for name, truth in (("fresh_fraction", 0.2), ("truncation_time", 0.05)):
        found = diagnosis[name]
        assert abs(found["value"] - truth) < 3 * found["error"] < 0.3 * truth


@pytest.mark.slow
@pytest.mark.parametrize(("half", "value_range"), [(3.0, ["--value-range", "85", "170"]), (1.0, [])])
def test_ten_folders_of_fashion_images_take_less_than_a_minute(half, value_range, tmp_path):
    """2 000 images of 28 x 28 a generation, from the command line alone: both in a minute of processor time."""
    pytest.importorskip("PIL.Image")
    if not FASHION_MNIST.exists():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    data = load_images("fashion_mnist").train[:2000]
    rng = np.random.default_rng(0)
    generations = channel_history(data, fresh_fraction=0.2, time=0.05, rounds=9, samples=2000, rng=rng)
    for name, samples in [("real", data), *((f"gen_{i}", x) for i, x in enumerate(generations, start=1))]:
        save(tmp_path / name, samples, half, side=28)
    command = [sys.executable, "-m", "hermite_collapse"]
    measure = [
        *command,
        "measure",
        "--data",
        "real",
        "--generations",
        "gen_*",
        *value_range,
        "--out",
        "M",
        "--json",
    ]
    begin = seconds_of_children()
    document = json.loads(subprocess.run(measure, cwd=tmp_path, check=True, capture_output=True).stdout)
    assert document["clipping"]["is_biased"] == (half == 1.0)
    if half == 1.0:
        assert document["clipping"]["shares"][0][0] > 0.4 > 0.3 > document["clipping"]["shares"][9][0]
        assert seconds_of_children() - begin < 60.0
        return
    answer = subprocess.run(
        [*command, "diagnose", "M", "--json"], cwd=tmp_path, check=True, capture_output=True
    )
    assert seconds_of_children() - begin < 60.0
    diagnosis = json.loads(answer.stdout)
    for name, truth in (("fresh_fraction", 0.2), ("truncation_time", 0.05)):
        assert abs(diagnosis[name]["value"] - truth) < 3 * diagnosis[name]["error"] < 0.5 * truth


def test_folders_that_were_cut_are_flagged(digits, monkeypatch, capsys):
    monkeypatch.chdir(digits / "cut")
    arguments = ["measure", "--data", "real", "--generations", "gen_*", "--first-round", 1, "--out", "M"]
    status, out, _ = call(*arguments, capsys=capsys)
    text = " ".join(out.split())
    assert status == 0 and "gen_2 is round 1, gen_10 is round 9." in text
    assert "Generations were cut there" in text and "a fit to them would be wrong" in text
    status, out, err = call("diagnose", "M", "--json", capsys=capsys)
    if status == 0:
        document = json.loads(out)
        assert document["verdict"] == "undetermined" and document["fresh_fraction"] is None
    else:
        assert status == 2 and "clipping" in err


def test_the_folder_is_for_the_same_files_only(digits, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "real.npy", np.random.default_rng(0).normal(size=(60, 3)))
    np.save(tmp_path / "g1.npy", np.random.default_rng(1).normal(size=(60, 3)))
    monkeypatch.chdir(tmp_path)
    arguments = ["measure", "--data", "real.npy", "--generations", "g*.npy", "--degrees", 0, "--out", "M"]
    assert call(*arguments, capsys=capsys)[0] == 0 and call(*arguments, capsys=capsys)[0] == 0
    np.save(tmp_path / "g1.npy", np.random.default_rng(2).normal(size=(60, 3)))
    status, _, err = call(*arguments, capsys=capsys)
    assert status == 2 and "out must be empty or hold what this call asks for" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "measure must be given --data and --generations, got no data"),
        (["--data", "x.npy"], "got no generations"),
        (
            ["--data", "x.npy", "--generations", "z*"],
            "generations must name existing files or folders, got 'z*'",
        ),
        (
            ["--data", "none", "--generations", "x.npy"],
            "data must name an existing file or folder, got 'none'",
        ),
        (["--data", "x.npy", "--generations", "?.npy"], "leave out the data, got 'x.npy', which is real"),
        (
            ["--data", "x.npy", "--generations", "y.npy", "--held-out", "none.npy"],
            "held_out must name an existing file or folder, got 'none.npy'",
        ),
        (
            ["--data", "x.npy", "--generations", "y.npy", "--value-range", "1"],
            "value_range must be (low, high)",
        ),
        (["--data", "x.npy", "--generations", "x.npy", "--directions", "2.5"], "unable to convert"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("xy"):
        np.save(f"{name}.npy", np.random.default_rng(seed).normal(size=(60, 3)))
    status, out, err = call("measure", *arguments, capsys=capsys)
    assert (status, out) == (2, "") and message in err and len(err.strip().splitlines()) == 1
