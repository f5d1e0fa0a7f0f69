"""Units of numbers in files: 8 and 16 bits by themselves, shift, scale and range, mixed depths, natural order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.labelled import read_labelled
from hermite_collapse.storage.order import matching, natural_key, numbers_in
from hermite_collapse.storage.samples import read_samples
from hermite_collapse.storage.units import units_of

IMAGE = pytest.importorskip("PIL.Image")


def save(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    IMAGE.fromarray(pixels).save(folder / name)


def test_images_of_8_and_16_bits_are_the_same_numbers(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(4, 5, 6), dtype=np.uint8)
    for i, p in enumerate(pixels):
        save(tmp_path / "bytes", f"{i}.png", p)
        save(tmp_path / "words", f"{i}.png", p.astype(np.uint16) * 257)
    expected = pixels.reshape(4, 30) / 127.5 - 1.0
    np.testing.assert_allclose(read_samples(tmp_path / "bytes"), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(read_samples(tmp_path / "words"), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        read_samples(tmp_path / "bytes", value_range=(51, 204)), (pixels.reshape(4, 30) - 127.5) / 76.5
    )
    np.testing.assert_allclose(
        read_samples(tmp_path / "bytes", scale=100.0, shift=3.0), (pixels.reshape(4, 30) - 3.0) / 100.0
    )


def test_dark_images_are_images_and_small_counts_are_not(tmp_path):
    save(tmp_path / "dark", "a.png", np.full((4, 4), 20, np.uint8))
    np.testing.assert_allclose(read_samples(tmp_path / "dark"), 20 / 127.5 - 1.0)
    np.save(tmp_path / "counts.npy", np.arange(4, dtype=np.uint8))
    np.testing.assert_array_equal(read_samples(tmp_path / "counts.npy").ravel(), np.arange(4))
    np.save(tmp_path / "levels.npy", np.arange(17, dtype=np.uint8))  # scikit-learn's digits, say
    with pytest.raises(InputError, match="in the units of the diffusion"):
        read_samples(tmp_path / "levels.npy")


def test_booleans_are_refused_and_images_of_one_bit_are_not(tmp_path):
    mask = np.arange(80).reshape(20, 4) % 3 == 0
    np.save(tmp_path / "mask.npy", mask)
    advice = r"must hold numbers, got booleans: give them \.astype\(float\) if 0 and 1 are meant"
    for options in ({}, {"scale": 1.0}, {"value_range": (0, 1)}):
        with pytest.raises(InputError, match=rf"mask\.npy\) {advice}"):
            read_samples(tmp_path / "mask.npy", **options)
    with pytest.raises(InputError, match=f"real {advice}"):
        hc.measure(mask, [mask])
    with pytest.raises(InputError, match=f"generation 1 {advice}"):
        hc.measure(mask.astype(float), [mask])
    np.save(tmp_path / "mask.npy", mask.astype(float))
    np.testing.assert_array_equal(read_samples(tmp_path / "mask.npy"), mask)
    save(tmp_path / "bits", "a.png", np.array([[True, False]]))
    assert read_samples(tmp_path / "bits").tolist() == [[1.0, -1.0]]


def test_mixed_depths_are_refused(tmp_path):
    save(tmp_path / "mixed", "a.png", np.full((4, 4), 200, np.uint8))
    save(tmp_path / "mixed", "b.png", np.full((4, 4), 20_000, np.uint16))
    with pytest.raises(InputError, match=r"b\.png of 16 bits where a\.png has 8"):
        read_samples(tmp_path / "mixed")


def test_images_come_in_the_order_of_their_numbers(tmp_path):
    for i in (10, 9, 1):
        save(tmp_path / "flat", f"img{i}.png", np.full((2, 2), i, np.uint8))
    read = read_labelled(tmp_path / "flat")
    assert read.names == ("img1.png", "img9.png", "img10.png")
    np.testing.assert_allclose(read.samples[:, 0], np.array([1, 9, 10]) / 127.5 - 1.0)


def test_class_folders_are_one_set(tmp_path):
    (tmp_path / "data").mkdir()
    for i in (2, 10):
        save(tmp_path / "data" / f"class_{i}", "a.png", np.full((2, 2), i, np.uint8))
    read = read_labelled(tmp_path / "data")
    assert read.names == ("class_2/a.png", "class_10/a.png") and read.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(read_samples(tmp_path / "data"), read.samples)


def test_ends_are_those_of_the_file():
    pixels = np.array([[0, 255]], dtype=np.uint8)
    units = units_of(pixels)
    assert units.ends == (-1.0, 1.0) == tuple(units.applied(pixels, "x")[0])
    assert units_of(pixels, value_range=(76.5, 178.5)).ends == (-2.5, 2.5)
    assert units_of(np.zeros((3, 2))).ends is None
    assert units_of(np.array([[0, 3]], dtype=np.uint8)).ends is None
    assert (
        units_of(np.zeros((3, 2), np.uint8), images=True).text == "values of 8 bits p as (p - 127.5) / 127.5"
    )


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["gen_1", "gen_2", "gen_10"], [1, 2, 10]),
        (["gen_1_seed_7.npy", "gen_3_seed_7.npy"], [1, 3]),
        (["a3/x1", "a4/x1"], [3, 4]),
        (["gen_2", "gen_1"], [2, 1]),
        (["gen_1_step_1000", "gen_2_step_500"], [1, 2]),
        (["step_1000_seed_3", "step_500_seed_5"], [1000, 500]),
        (["run2024_x3", "run2024_x1"], [3, 1]),
        (["3/x3", "1/x1"], [3, 1]),
        (["t0.05_gen3.npy"], [3]),
        (["samples7.npy"], [7]),
        (["images-idx3-ubyte"], None),
        (["a", "b"], None),
        (["v1 first", "v1 second"], None),
    ],
)
def test_the_number_that_counts_the_names(names, numbers):
    assert numbers_in(names) == numbers


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["gen_1", "gen_2", "real"], "number of a round in each name, got 'real' without"),
        (["a1", "b"], "number of a round in each name, got 'b' without"),
        (["gen_1", "gen_01", "gen_2"], "of different rounds, got 'gen_1', 'gen_01' of round 1"),
        (["1_5", "2_3"], "in which one number is the round, as in gen_3, got '1_5', '2_3': rename them"),
        (["a1", "a2_final3", "a3", "a4"], "one number is the round, .* got 'a1', 'a2_final3', 'a3', ...:"),
        (["2024_3"], "one number is the round, .* got '2024_3'"),
        (["1_1", "1_2", "2_2"], "one number is the round"),
    ],
)
def test_names_whose_numbers_do_not_decide_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        numbers_in(names)


def test_patterns_are_matched_in_natural_order(tmp_path):
    for name in ("gen_2", "gen_10", "gen_1", "real"):
        (tmp_path / name).mkdir()
    matched = matching([tmp_path / "gen_*", tmp_path / "gen_1"], "generations")
    assert [path.name for path in matched] == ["gen_1", "gen_2", "gen_10"]
    assert sorted(["b", "a10", "a9"], key=natural_key) == ["a9", "a10", "b"]
    with pytest.raises(
        InputError, match=r"generations must name existing files or folders, got '.*model_\*'"
    ):
        matching([tmp_path / "model_*"], "generations")
    with pytest.raises(
        InputError, match="generations must name each file or folder once, got .*gen_1' twice"
    ):
        matching(
            [tmp_path / "gen_1", tmp_path / "gen_10" / ".." / "gen_1", tmp_path / "gen_1"], "generations"
        )
