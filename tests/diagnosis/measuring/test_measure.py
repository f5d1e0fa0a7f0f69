"""Curves of generations: values against plain formulas, errors against histories, units, rounds, clipping."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring import blocks
from hermite_collapse.hermite.degree import degree_kernel
from tests.diagnosis.channel_histories import channel_history, fit_truncation

WIDTHS = np.geomspace(2.0, 0.3, 6)


def data_of(count, rng):
    """Samples that are neither centred nor normal, their widths along no axis."""
    turned = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    sizes = np.where(rng.random((count, 1)) < 0.5, 1.2, 0.75)
    return (rng.standard_normal((count, 6)) * WIDTHS * sizes + np.eye(6)[2]) @ turned


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(1)
    real = data_of(600, rng)
    return real, channel_history(real, fresh_fraction=0.2, time=0.05, rounds=4, samples=500, rng=rng)


def test_values_are_those_of_plain_formulas(history):
    real, generations = history
    measured = hc.measure(real, generations, directions=5, degrees=3)
    assert measured.names[:5] == tuple(f"direction {k}" for k in range(1, 6))
    mean = real.mean(axis=0)
    along = np.eye(6) - np.outer(mean, mean) / (mean @ mean)
    values, vectors = np.linalg.eigh(along @ np.cov(real.T, ddof=0) @ along)
    for k in range(5):
        u = vectors[:, 5 - k]
        assert abs(u @ mean) < 1e-12 * np.linalg.norm(mean)
        assert measured.data[k] == pytest.approx(values[5 - k], rel=1e-10)
        np.testing.assert_allclose(
            measured.values[:, k], [np.var(x @ u, ddof=1) for x in generations], rtol=1e-10
        )
    for c in range(5, len(measured.names)):
        n = round(float(measured.numbers[c]))
        own = degree_kernel(real[:, None], real[None], n)[..., n].mean()
        theirs = [degree_kernel(x[:, None], real[None], n)[..., n].mean() for x in generations]
        np.testing.assert_allclose(measured.values[:, c], np.array(theirs) / own, rtol=1e-9)
    np.testing.assert_allclose(measured.data[5:], 1.0, rtol=1e-12)
    assert measured.data_are_exact


def test_errors_are_those_of_repeated_sampling():
    """Standard errors and correlations of one round against 300 samples of it."""
    rng = np.random.default_rng(2)
    real = data_of(400, rng)
    repeated = [data_of(300, rng) for _ in range(300)]
    measured = hc.measure(real, repeated, directions=5, degrees=2)
    observed, predicted = np.cov(measured.values.T), measured.noise.mean(axis=0)
    sizes = np.sqrt(np.diagonal(observed) / np.diagonal(predicted))
    assert np.all(np.abs(sizes - 1.0) < 4 * np.sqrt(0.5 / 300))
    correlation = [m / np.sqrt(np.outer(np.diagonal(m), np.diagonal(m))) for m in (observed, predicted)]
    assert np.all(np.abs(correlation[0] - correlation[1]) < 4.5 / np.sqrt(300))
    assert np.abs(correlation[0] - np.eye(len(observed))).max() > 0.5  # what a diagonal matrix would miss


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_covariances_are_invertible_where_curves_are_combinations_of_others(dimension):
    rng = np.random.default_rng(dimension)
    real = rng.standard_normal((200, dimension)) * 1.5
    measured = hc.measure(real, [real[:150] * 0.9, real[50:] * 0.8])
    joint = measured.covariance(0.5)
    assert np.linalg.cond(joint / np.sqrt(np.outer(np.diagonal(joint), np.diagonal(joint)))) < 1e4


@pytest.mark.parametrize("role", ["seen", "held out", "unseen"])
def test_parameters_have_the_errors_they_claim(role):
    """z of alpha and t over 60 histories; without what rounds pass on it is far from 1."""
    scores, chi_squares, without = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        real = data_of(2000, rng)
        setting = {"fresh_fraction": 0.2, "time": 0.05, "rounds": 9, "samples": 2000, "rng": rng}
        if role == "unseen":
            first = data_of(2000, rng)
            generations = channel_history(first, **setting, fresh=lambda count, rng=rng: data_of(count, rng))
        else:
            generations = channel_history(real, **setting)
        other = data_of(2000, rng) if role == "held out" else None
        measured = hc.measure(
            real, generations, directions=5, degrees=0, held_out=other, unseen=role == "unseen"
        )
        fit = fit_truncation(measured)
        scores.append(fit.z)
        chi_squares.append(fit.chi_square / fit.freedom)
        without.append(fit_truncation(measured, inherited=False).z)
    size = np.sqrt(np.mean(np.square(scores), axis=0))
    spread = 2.5 / np.sqrt(2 * 60)
    assert np.all(np.abs(size - 1.0) < spread)
    assert np.all(np.abs(np.mean(scores, axis=0)) < 2.5 / np.sqrt(60))
    assert np.mean(chi_squares) == pytest.approx(1.0, abs=0.1)
    assert np.all(np.sqrt(np.mean(np.square(without), axis=0)) > 1.0 + spread)


def test_inner_products_with_samples_that_no_model_saw_are_shares_too(history):
    """<c_n(p_i), c_n(held out)> = f_n(i) <c_n(p*), c_n(held out)>, whatever the held-out samples are."""
    rng = np.random.default_rng(3)
    real = data_of(3000, rng)
    exact = [
        np.concatenate([np.sqrt(0.9) * x + np.sqrt(0.1) * rng.standard_normal(x.shape) for x in [real] * 4])
    ]
    measured = hc.measure(real, exact, directions=0, degrees=3, held_out=data_of(500, rng)).part("factor")
    z = (measured.values[0] - np.sqrt(0.9) ** measured.numbers) / measured.standard_errors[0]
    assert len(z) >= 2 and np.all(np.abs(z) < 4)


def test_degrees_without_signal_are_left_out_and_said():
    rng = np.random.default_rng(4)
    real = rng.standard_normal((400, 3)) * [2.0, 1.0, 1.0]
    measured = hc.measure(real - real.mean(axis=0), [real, -real])
    assert "degree 1" not in measured.names and "degree 2" in measured.names
    assert any("left out: 1" in note for note in measured.notes)
    with pytest.raises(InputError, match="real must show a curve above the noise, got none"):
        hc.measure(rng.standard_normal((100, 3)), [real], directions=0)


def test_a_line_that_is_not_centred_has_no_variance_curve():
    real = 2.0 + np.random.default_rng(5).standard_normal(300)
    measured = hc.measure(real, [real[1:]])
    assert set(measured.kinds) == {"factor"} and any("On a line" in note for note in measured.notes)
    assert "direction 1" in hc.measure(real - 2.0, [real[1:] - 2.0]).names
    with pytest.raises(InputError, match=r"^degrees must be > 0 for samples of one number, .* got 0\.$"):
        hc.measure(real, [real[1:]], degrees=0)


def test_bytes_and_words_become_the_units_of_the_diffusion():
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, size=(200, 6, 6), dtype=np.uint8)
    by_itself = hc.measure(pixels, [pixels[1:]])
    plain = pixels.reshape(200, 36) / 127.5 - 1.0
    np.testing.assert_allclose(by_itself.data[:4], hc.measure(plain, [plain[1:]]).data[:4], rtol=1e-12)
    words = pixels.astype(np.uint16) * 257
    np.testing.assert_allclose(hc.measure(words, [words[1:]]).values, by_itself.values, rtol=1e-10)
    assert "frequency 0.17" in by_itself.names and "p as (p - 127.5) / 127.5" in by_itself.units
    given = hc.measure(pixels, [pixels[1:]], value_range=(76.5, 178.5))
    same = hc.measure(2.5 * plain, [2.5 * plain[1:]])
    np.testing.assert_allclose(given.data[:4], same.data[:4], rtol=1e-12)
    shifted = hc.measure(pixels, [pixels[1:]], scale=51.0, shift=127.5)
    np.testing.assert_array_equal(shifted.values, given.values)
    numbers = hc.measure(pixels, [pixels[1:].astype(float)], value_range=(76.5, 178.5))
    np.testing.assert_array_equal(numbers.values, given.values)  # what is stored in two ways needs units


def test_sets_that_are_stored_in_two_ways_need_units_for_both():
    pixels = np.random.default_rng(13).integers(0, 256, size=(60, 6, 6), dtype=np.uint8)
    share = pixels[1:] / 255.0
    for one, other in ((pixels, share), (pixels, 2.0 * share - 1.0), (share, pixels)):
        with pytest.raises(InputError, match="stored in? one way|stored like the data") as caught:
            hc.measure(one, [other])
        assert "scale, shift or value_range" in str(caught.value)
    with pytest.raises(InputError, match="span 255, with 8 bits, got as numbers that span 1"):
        hc.measure(pixels, [share], value_range=(0, 255))


def test_a_generation_that_went_dark_is_read_like_the_data():
    pixels = np.random.default_rng(10).integers(0, 256, size=(200, 6, 6), dtype=np.uint8)
    measured = hc.measure(pixels, [pixels // 4], directions=3, degrees=0)
    np.testing.assert_allclose(measured.values[0, :3] / measured.data[:3], 1 / 16, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": []}, "generations must hold at least one generation, got none"),
        ({"generations": ["a", "a"]}, "generations must name each file or folder once, got 'a' twice"),
        ({"generations": 3}, "generations must be a sequence, got 3"),
        (
            {"generations": [np.zeros((40, 6, 5), np.uint8)]},
            r"of the shape of the data, \(6, 6\), got \(6, 5\)",
        ),
        (
            {"generations": [np.zeros((40, 6, 6), np.uint16)]},
            "stored like the data, with 8 bits, got with 16",
        ),
        (
            {"generations": [np.zeros((19, 6, 6), np.uint8)]},
            "generation 1 must hold at least 20 samples, got 19",
        ),
        ({"generations": [np.array(["a"] * 30)]}, "generation 1 must hold real numbers"),
        (
            {"real": np.eye(36).reshape(36, 6, 6), "generations": [np.full((30, 6, 6), 9.0)]},
            "generation 1 must be",
        ),
        ({"real": np.full((30, 6, 6), np.nan)}, "real must be finite"),
        ({"scale": 1.0, "value_range": (0, 1)}, "value_range must come without scale and shift"),
        ({"value_range": (1.0, 0.0)}, r"value_range must be \(low, high\) with low < high, got \(1.0, 0.0\)"),
        ({"value_range": (1.0,)}, r"value_range must be \(low, high\)"),
        ({"scale": 0.0}, "scale must be > 0"),
        ({"shift": np.inf}, "shift must be finite"),
        (
            {"scale": 127.5, "generations": [np.zeros((30, 6, 6))]},
            "in the units of the data, whose numbers span 255, with 8 bits, got as numbers that span 0",
        ),
        (
            {"unseen": True, "held_out": np.zeros((30, 6, 6))},
            "held_out must be left out where real is unseen",
        ),
        ({"directions": -1}, "directions must be an integer >= 0"),
        ({"degrees": 1.5}, "degrees must be an integer"),
        ({"training_samples": 1}, "training_samples must be an integer >= 2"),
        ({"first_round": -1}, "first_round must be an integer >= 0"),
        ({"heldout": 3}, "did you mean held_out"),
    ],
)
def test_what_does_not_fit_is_one_sentence(change, message):
    pixels = np.random.default_rng(7).integers(0, 256, size=(60, 6, 6), dtype=np.uint8)
    with pytest.raises(InputError, match=message) as caught:
        hc.measure(**({"real": pixels, "generations": [pixels[1:]]} | change))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_rounds_are_the_numbers_in_the_names(tmp_path, history):
    real, generations = history
    for i in (1, 2, 10):
        np.save(tmp_path / f"gen_{i}_seed7.npy", generations[min(i, 3)])
    files = sorted(str(file) for file in tmp_path.glob("*.npy"))
    assert "gen_10" in files[0]  # not the natural order
    measured = hc.measure(real, files, directions=2, degrees=0)
    assert measured.rounds.tolist() == [1, 2, 10] and measured.labels[2] == "gen_10_seed7.npy"
    assert "gen_1_seed7.npy is round 1, gen_10_seed7.npy is round 10." in measured.notes
    later = hc.measure(real, files, directions=2, degrees=0, first_round=3)
    assert later.rounds.tolist() == [3, 4, 12]
    named = hc.measure(real, {"first": real[1:], "second": real[2:]}, directions=2, degrees=0)
    assert named.rounds.tolist() == [1, 2] and named.labels == ("first", "second")


def test_numbers_in_names_order_what_is_given_in_another_order(tmp_path, history):
    real, generations = history
    rounds = (12, 1, 8, 2)
    named = {f"gen_{i}": generations[k] for k, i in enumerate(rounds)}
    measured = hc.measure(real, named, directions=2, degrees=0)
    assert measured.labels == ("gen_1", "gen_2", "gen_8", "gen_12")
    assert measured.rounds.tolist() == sorted(rounds)
    rising = {f"gen_{i}": named[f"gen_{i}"] for i in sorted(rounds)}
    assert hc.measure(real, rising, directions=2, degrees=0) == measured
    for i in (3, 1):
        (tmp_path / f"round_{i}").mkdir()
        np.save(tmp_path / f"round_{i}" / "samples.npy", generations[i])
    files = list(tmp_path.glob("*/samples.npy"))
    assert hc.measure(real, files, directions=2, degrees=0).rounds.tolist() == [1, 3]


def test_the_data_are_no_generation(tmp_path, history):
    real, generations = history
    shuffled = np.random.default_rng(3).permutation(real)
    with pytest.raises(InputError, match="gen_0 must be other samples than real, got the same"):
        hc.measure(real, {"gen_0": shuffled, "gen_1": generations[1]}, degrees=0)
    with pytest.raises(
        InputError, match="generation 2 must be other samples than generation 1, got the same"
    ):
        hc.measure(real, [generations[1], generations[1]], degrees=0)
    with pytest.raises(InputError, match="held_out must be other samples than real"):
        hc.measure(real, [generations[1]], held_out=shuffled, degrees=0)
    for name, samples in (("real", real), ("gen_1", generations[1]), ("early", generations[1])):
        np.save(tmp_path / f"{name}.npy", samples)
    with pytest.raises(
        InputError, match="generations must leave out the data, got '.*real.npy', which is real"
    ):
        hc.measure(tmp_path / "real.npy", tmp_path.glob("*.npy"))
    with pytest.raises(InputError, match="number of a round in each name, got 'early.npy' without"):
        hc.measure(real, [tmp_path / "early.npy", tmp_path / "gen_1.npy"])
    with pytest.raises(InputError, match=r"samples \(.*gen_2\) must name an existing file or folder, got"):
        hc.measure(real, [tmp_path / "gen_1.npy", tmp_path / "gen_2"])


def test_a_generation_0_is_the_data_only_if_it_looks_like_them(history):
    real, generations = history
    data = hc.measure(real, {"gen_0": real[:300], "gen_1": generations[1]}, degrees=0)
    assert data.rounds.tolist() == [0, 1] and "first_round=1 if it is a model" in data.notes[1]
    model = hc.measure(real, {"gen_0": 0.8 * real, "gen_1": 0.7 * real}, degrees=0)
    assert model.rounds.tolist() == [1, 2] and "since it differs from the data" in model.notes[1]


def spiked(count, rng):
    """Samples in [-1, 1] of which half of the values lie at the lower end, as the background of images does."""
    ink = rng.random((count, 20)) < 0.5
    return np.where(ink, rng.uniform(-0.9, 0.5, (count, 20)) * rng.choice([0.5, 1.0], (count, 1)), -1.0)


def test_generations_that_were_cut_are_flagged_with_the_size_of_the_error():
    rng = np.random.default_rng(8)
    real = spiked(2000, rng)
    whole = channel_history(real, fresh_fraction=0.2, time=0.05, rounds=3, samples=2000, rng=rng)
    cut = [np.clip(x, -1.0, 1.0) for x in whole]
    measured, true = hc.measure(real, cut), hc.measure(real, whole)
    assert not true.clipping.is_biased and true.clipping.text == ""
    assert measured.clipping.is_biased and "cut there" in measured.clipping.text
    np.testing.assert_allclose(measured.clipping.shares[:, 0], [np.mean(x == -1.0) for x in (real, *cut)])
    assert measured.clipping.ends[0] == -1.0
    off = (measured.values - true.values) / measured.standard_errors
    large = np.abs(off) > 8.0  # the estimate has the sign and the size of what was lost, to a factor of 2
    assert large.sum() > 5
    ratio = measured.clipping.bias[large] / off[large]
    assert np.all((ratio > 0.5) & (ratio < 2.0))


def test_ends_that_the_data_share_are_no_error():
    """Background that a model reproduces exactly was not cut."""
    rng = np.random.default_rng(9)
    measured = hc.measure(spiked(1000, rng), [spiked(1000, rng) for _ in range(3)])
    assert measured.clipping.shares[:, 0].min() > 0.45 and not measured.clipping.is_biased
    assert "50" in measured.clipping.text and "cut" not in measured.clipping.text


@pytest.mark.parametrize("factor", [0.9, 0.5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_background_that_moves_or_stays_was_not_cut(factor, shift):
    """Floats that nobody clipped: a shrinking decoder moves the spike of the data inside, or leaves it at 0."""
    rng = np.random.default_rng(10)
    real = spiked(1500, rng) + shift
    generations = [factor**i * real[rng.permutation(1500)[:800]] for i in (1, 2, 3)]
    measured = hc.measure(real, generations, directions=4, degrees=0)
    assert np.all(np.abs(measured.clipping.bias) < 1.0) and "cut" not in measured.clipping.text


def test_generations_cut_inside_or_outside_of_data_without_an_end_are_flagged():
    rng = np.random.default_rng(11)
    real = rng.standard_normal((1500, 6))
    cut = [np.clip(rng.standard_normal((800, 6)), -bound, bound) for bound in (1.5, 1.5)]
    assert hc.measure(real, cut, directions=3, degrees=0).clipping.is_biased
    wide = [np.clip(2.0 * x, -1.2, 1.2) for x in (spiked(800, rng), spiked(800, rng))]
    assert hc.measure(spiked(1500, rng), wide, directions=3, degrees=0).clipping.is_biased


def test_files_larger_than_a_block_are_measured_as_whole_ones(history, monkeypatch):
    real, generations = history
    weights = np.linspace(0.5, 1.5, 16).reshape(4, 4)  # enlarged images whose pixels all differ
    images = [
        x[:, :4].reshape(-1, 1, 2, 2).repeat(2, axis=2).repeat(2, axis=3) * weights
        for x in (real, *generations)
    ]
    whole = hc.measure(images[0], images[1:], directions=4, degrees=2)
    monkeypatch.setattr(blocks, "BLOCK", 8 * 16 * 37)
    parts = hc.measure(images[0], images[1:], directions=4, degrees=2)
    assert "power" in parts.kinds and parts.names == whole.names
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-9)
    np.testing.assert_allclose(parts.noise, whole.noise, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(parts.clipping.shares, whole.clipping.shares)


def test_tensors_and_data_frames_are_arrays(history):
    torch = pytest.importorskip("torch")
    real, generations = history
    plain = hc.measure(real, generations[:2], directions=3, degrees=1)
    tensors = hc.measure(
        torch.tensor(real, requires_grad=True),
        [torch.tensor(x) for x in generations[:2]],
        directions=3,
        degrees=1,
    )
    assert tensors == plain
    pixels = torch.randint(0, 256, (50, 5, 5), dtype=torch.uint8)
    assert "8 bits" in hc.measure(pixels, [pixels[1:]]).units


def test_exact_copies_are_no_cut():
    """Copies repeat the least and largest number; a cut does so in samples that differ otherwise."""
    rng = np.random.default_rng(1)
    real = 0.5 * rng.normal(size=(600, 3))
    generations = [real[rng.integers(0, 600, 300)]]
    for _ in range(4):
        kept = generations[-1][rng.integers(0, 300, 240)]
        generations.append(np.concatenate([kept, real[rng.integers(0, 600, 60)]]))
    assert np.mean(generations[-1] == generations[-1].max()) > 1e-3
    assert not hc.measure(real, generations).clipping.is_biased
    cut = [np.clip(samples, -0.6, 0.6) for samples in generations]
    assert hc.measure(real, cut).clipping.is_biased
