"""Figures of image recursions: what is where, readable, and refusals in one sentence."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from hermite_collapse.figures import images, save
from tests.figures.figure_checks import assert_readable

ROUNDS = 4
DEGREES = np.array([1, 2, 3])
PREDICTED = np.exp(-0.05 * np.outer(np.arange(ROUNDS + 1), DEGREES))


def samples_of(colour=False):
    """Picture j of round i is grey of value (10 i + j)/100 all over."""
    values = (10.0 * np.arange(ROUNDS)[:, None] + np.arange(6)) / 100.0
    shape = (1, 1, 8, 8, 3) if colour else (1, 1, 8, 8)
    return values.reshape(ROUNDS, 6, *[1] * (len(shape) - 2)) * np.ones(shape)


@pytest.mark.parametrize("colour", [False, True])
def test_each_sample_is_in_the_row_of_its_round(colour):
    figure = images.sample_figure({"a": samples_of(colour), "b": samples_of(colour)}, rounds=range(ROUNDS))
    assert_readable(figure)
    mosaic = np.asarray(figure.axes[0].images[0].get_array())
    for i in range(ROUNDS):
        for j in range(6):
            patch = mosaic[9 * i : 9 * i + 8, 9 * j : 9 * j + 8]
            np.testing.assert_allclose(patch, (10 * i + j) / 100.0)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["0", "1", "2", "3"]


def test_an_odd_number_of_panels_leaves_one_empty():
    figure = images.sample_figure({k: samples_of() for k in "abc"}, rounds=range(ROUNDS))
    assert [ax.get_visible() for ax in figure.axes] == [True, True, True, False]


def test_factors_are_drawn_where_they_were_measured():
    measured = PREDICTED - 0.01
    axes = images.draw_degree_factors(
        degrees=DEGREES, predicted=PREDICTED, measured=measured, standard_error=np.full_like(measured, 0.004)
    )
    assert_readable(axes.figure)
    lines = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == ROUNDS + 1]
    np.testing.assert_allclose(np.stack(lines[0::2], axis=1), PREDICTED)
    np.testing.assert_allclose(np.stack(lines[1::2], axis=1), measured)
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx((measured[:, 0] - 0.008).min())


def test_spectra_and_losses_are_readable():
    f = (np.arange(7) + 0.5) / 7.0
    axes = images.draw_radial_power(
        frequency=f,
        data=np.exp(-5 * f),
        rounds={1: np.exp(-5 * f) + 0.1, 4: np.exp(-5 * f) + 0.4},
        cutoff=0.5,
    )
    assert_readable(axes.figure)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["data", "round 1", "round 4"]
    rounds = np.arange(ROUNDS + 1.0)
    losses = {"noisy": -0.2 * rounds, "half": 0.01 * rounds, "full": 0.1 * rounds}
    axes = images.draw_high_frequency_loss(
        losses=losses, standard_errors=dict.fromkeys(losses, 0.02 * rounds), predicted=-0.21 * rounds
    )
    assert_readable(axes.figure)
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == ROUNDS + 1]
    np.testing.assert_allclose(drawn[1:], list(losses.values()))


def test_files_are_the_same_bytes_and_settings_are_given_back(tmp_path):
    before = dict(mpl.rcParams)
    paths = [
        save(images.sample_figure({"a": samples_of()}, rounds=range(ROUNDS)), tmp_path / name)
        for name in ("one", "two")
    ]
    assert paths[0][0].read_bytes() == paths[1][0].read_bytes()
    assert paths[0][1].read_bytes() == paths[1][1].read_bytes()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: images.sample_figure({}, rounds=[]), "samples must hold at least one run"),
        (lambda: images.sample_figure({"a": samples_of()}, rounds=[0, 1]), r"samples must have shape \(2, k"),
        (
            lambda: images.draw_degree_factors(
                degrees=[1, 2], predicted=PREDICTED, measured=PREDICTED, standard_error=PREDICTED
            ),
            r"shape \(rounds \+ 1, 2\)",
        ),
        (lambda: images.draw_high_frequency_loss(losses={"a": [0.0]}, standard_errors={}), "keys of losses"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
