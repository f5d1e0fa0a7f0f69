"""The audit of a pipeline: what it says, its table, figure and page; directions of data."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.advice.audit import DEFAULT_SPECTRUM, Audit, audit
from hermite_collapse.advice.directions import decoded_directions, principal_directions
from hermite_collapse.advice.enough import shown
from hermite_collapse.advice.fresh_fractions import FRACTIONS
from hermite_collapse.advice.held_out import held_out_variances
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring.principal import principal_axes
from hermite_collapse.pipeline.mechanism import Mechanism
from hermite_collapse.pipeline.mechanisms import (
    Autoencoder,
    Blur,
    Guidance,
    Rounding,
    SamplerSteps,
    ScoreError,
)
from hermite_collapse.pipeline.pipeline import Pipeline
from hermite_collapse.pipeline.requirements import holds
from hermite_collapse.reporting.audit import audit_page, audit_table, fractions_table
from hermite_collapse.reporting.page import external_references
from hermite_collapse.reporting.result_page import result_page

REAL = [0.242, 0.0248, 0.00322]
EDM = Pipeline([SamplerSteps.edm(steps=18)], fresh_fraction=0.1)


def edm(count: int) -> SamplerSteps:
    return SamplerSteps.edm(steps=count)


@pytest.fixture(scope="module")
def result() -> Audit:
    return hc.audit(EDM, directions=REAL, build=edm)


def test_public_names():
    assert hc.audit is audit and hc.Pipeline is Pipeline and hc.mechanisms.SamplerSteps is SamplerSteps


def test_three_sentences_with_the_recorded_numbers(result):
    text = result.text
    assert len(re.findall(r"\.(?:\s|$)", text)) == 3
    assert "change the sampler first" in text and "by 1.16 in one round and by 18.8 in the limit" in text
    assert "its last step alone by 1 in one round and by 0.998 in the limit" in text
    assert max(len(sentence.split()) for sentence in re.split(r"\.\s", text)) <= 50
    steps = next(r.value for r in result.requirements if r.quantity == "steps")
    assert f"{steps:.0f} steps in place of 18" in text
    assert "learned score" in text and "Gaussian closure" in text and "hermite-collapse diagnose" in text


def test_requirements_hold_for_directions_down_to_the_median(result):
    by_name = {requirement.quantity: requirement.value for requirement in result.requirements}
    steps = int(by_name["steps"])
    assert holds(Pipeline([edm(steps)], fresh_fraction=0.1), REAL[:2], 0.1)
    assert not holds(Pipeline([edm(steps - 1)], fresh_fraction=0.1), REAL[:2], 0.1)
    assert not holds(Pipeline([edm(steps)], fresh_fraction=0.1), REAL, 0.1)
    assert by_name["fresh fraction"] is None  # one round alone moves the median direction by 16 %


def test_the_order_of_directions_does_not_matter(result):
    turned = hc.audit(EDM, directions=REAL[::-1], build=edm)
    assert turned.text == result.text and turned.table() == result.table()
    assert turned.dominant == result.dominant
    np.testing.assert_array_equal(turned.ledger.limit[::-1], result.ledger.limit)


def test_dominant_from_coarse_to_fine():
    pipeline = Pipeline([SamplerSteps.ddim(steps=50), Rounding(0.3)], fresh_fraction=0.5)
    dominant = hc.audit(pipeline, directions=np.geomspace(1.0, 1e-4, 41)).dominant
    assert dominant.coarse == "sampler steps" and dominant.fine == "rounding"


def test_a_last_step_far_from_the_data_is_named():
    early = Pipeline([SamplerSteps.edm(steps=60, sigma_min=0.2)], fresh_fraction=0.1)
    result = hc.audit(early, directions=REAL)
    assert result.last_step_dominates and "levels that end at less noise help more than steps" in result.text
    assert not hc.audit(EDM, directions=REAL).last_step_dominates


def test_nothing_to_change_and_what_is_met_already():
    result = hc.audit(Pipeline([Blur(1e-6)], fresh_fraction=0.5), directions=[1.0])
    assert "nothing has to change" in result.text and "are reached already" in result.text
    result = hc.audit(Pipeline([ScoreError(-0.2)], fresh_fraction=0.5, images=10**6), directions=[1.0])
    assert "change the score error first" in result.text
    assert "no fresh fraction would do" in result.text
    assert "the number of images (finite images alone) will do as it is" in result.text
    assert "steps" not in result._cost()


def test_words_of_a_window_of_steps_and_of_none_that_suffices():
    """A gain of the variance that falls as log K; the sampler beside it is exact."""

    def build(count: int) -> Mechanism:
        return ScoreError(-0.05 * np.log(count / 90.0))

    pipeline = Pipeline([SamplerSteps.edm(steps=39)], fresh_fraction=0.1)
    few = hc.audit(pipeline, directions=REAL, build=build, steps=20)
    assert "take 75 to 11" in few.text and "steps in place of 20 (numbers just above do worse)" in few.text
    assert "85 steps in place" not in hc.audit(pipeline, directions=REAL, build=build, steps=85).text
    many = hc.audit(pipeline, directions=REAL, build=build, steps=200)
    assert "steps in place of 200 (numbers just above do worse)" in many.text
    none = hc.audit(pipeline, directions=REAL, build=build, steps=20, tolerance=1e-6)
    search = none.requirements[0].search
    assert search.first is None or holds(Pipeline([build(search.first)], fresh_fraction=0.1), REAL, 1e-6)
    wrong = hc.audit(pipeline, directions=REAL, build=lambda count: ScoreError(-0.5), steps=20)
    assert (
        "numbers of steps up to 1000 tried" in wrong.text
        and "the best of them is " in wrong.text
        and ", 91 % off)" in wrong.text
    )


@pytest.mark.parametrize("count", [2, 3, 6, 10, 64])
def test_the_median_direction_that_is_shown_is_one_of_those_asked_of(count):
    """V = w + h^2: limit / v = 1 + h^2 / (alpha v), worst at small v."""
    data, alpha = np.geomspace(1.0, 1e-3, count), 0.5
    pipeline = Pipeline([Blur(0.01)], fresh_fraction=alpha)
    median = np.sort(data)[round(0.5 * (count - 1))]
    size = 1e-4 / (alpha * median)
    for tolerance, reached in ((0.99 * size, False), (1.01 * size, True)):
        result = hc.audit(pipeline, directions=data, tolerance=tolerance)
        assert result.is_reached is reached and ("are reached already" in result.text) is reached
        share = next(one.value for one in result.requirements if one.quantity == "fresh fraction")
        assert (share <= alpha) is reached


def test_the_number_of_steps_that_is_asked_for_is_tried():
    """Right from 10 steps on, but for 12 and 57 steps: what the limit of the sampler itself says."""

    def build(count: int) -> Mechanism:
        return ScoreError(0.5 if count < 10 or count in (12, 57) else 0.0)

    for count in (12, 57):
        result = hc.audit(EDM, directions=REAL, build=build, steps=count)
        assert f"in place of {count}" in result.text and "will do as it is" not in result.text
    assert "10 to 11 steps, or 13 and more, in place of 8" in (
        hc.audit(EDM, directions=REAL, build=build, steps=8).text
    )


def test_without_a_search_the_number_of_steps_is_said_to_be_open(result):
    words = "The number of steps was not searched: build=, a function that takes a number of steps"
    assert words in hc.audit(EDM, directions=REAL).text and words not in result.text
    fine = Pipeline([SamplerSteps.edm(steps=100)], fresh_fraction=0.5)
    assert "are reached already" in hc.audit(fine, directions=REAL[:1]).text
    assert words not in hc.audit(fine, directions=REAL[:1]).text
    assert words not in hc.audit(Pipeline([ScoreError(-0.2)], fresh_fraction=0.5), directions=[1.0]).text


def test_a_coarse_direction_that_is_off_is_shown_where_the_median_is_not():
    """Guidance of two directions: class means far apart in the coarse one only."""
    pipelines = [Pipeline([Guidance(1.5, b)], fresh_fraction=0.9) for b in (1e-9, 0.75)]
    result = hc.audit(pipelines, directions=[0.2, 0.25], tolerance=0.05)
    assert not result.is_reached
    assert (
        "the direction furthest off (0.25)"
        in hc.audit([*pipelines, pipelines[0]], directions=[0.2, 0.25, 0.1], tolerance=0.05).text
    )
    cancelling = Pipeline([ScoreError(-0.2), ScoreError(0.25)], fresh_fraction=0.5)
    text = hc.audit(cancelling, directions=[1.0]).text
    assert "nothing has to change" in text and "alone, multiplies it by " in text and "change the" not in text


def test_a_single_step_is_told_to_take_more_and_nothing_else():
    single = Pipeline([SamplerSteps.edm(steps=1)], fresh_fraction=0.1)
    text = hc.audit(single, directions=REAL, build=edm).text
    assert "steps in place of 1;" in text and "last step" not in text and "less noise" not in text


def test_bounds_are_rounded_to_the_side_on_which_they_hold():
    assert shown(2.9999, up=False) == "2.99" and shown(2.9999, up=True) == "3"
    assert shown(0.57201, up=True) == "0.573" and shown(0.572, up=True) == "0.572" == shown(0.572, up=False)
    assert shown(1.0, up=True) == "1" and shown(1.00001e-5, up=True) == "1.01e-05"


def test_the_default_spectrum_is_stated():
    result = hc.audit(EDM)
    np.testing.assert_array_equal(result.ledger.data, DEFAULT_SPECTRUM)
    assert "because none were given" in result.spectrum
    assert hc.audit(EDM, directions=REAL, spectrum="photographs").spectrum == "photographs"


def test_one_pipeline_for_each_direction_is_the_same_as_one_for_all():
    parts = [SamplerSteps.ddim(steps=20), Autoencoder(0.99, 1e-4)]
    one = hc.audit(Pipeline(parts, fresh_fraction=0.3), directions=REAL)
    each = hc.audit([Pipeline(parts, fresh_fraction=0.3)] * 3, directions=REAL)
    for name in ("limits", "limit", "log_ratios", "last_step"):
        np.testing.assert_allclose(getattr(each.ledger, name), getattr(one.ledger, name), rtol=1e-10)
    np.testing.assert_allclose(each.sensitivity, one.sensitivity, rtol=1e-8)
    assert each.requirements == one.requirements and each.text == one.text


def test_guidance_of_each_direction():
    pipelines = [Pipeline([Guidance(1.5, b)], fresh_fraction=0.9) for b in (0.75, 0.05)]
    result = hc.audit(pipelines, directions=[0.25, 0.25])
    assert result.ledger.limit[0] * 0.25 == pytest.approx(0.11673, abs=6e-6)
    assert result.ledger.limit[1] > result.ledger.limit[0]
    scale = next(r.value for r in result.requirements if r.quantity == "guidance scale")
    assert all(holds(Pipeline([Guidance(scale, b)], fresh_fraction=0.9), 0.25, 0.1) for b in (0.75, 0.05))


def test_table_view_and_page_hold_the_same_numbers(result):
    assert "18.85" in result.table()
    table = audit_table(result)
    assert [row.cells[0] for row in table.rows] == ["sampler steps", "last step alone", "all together"]
    assert table.rows[0].cells[3:5] == ("1.16", "18.8")
    html = result._repr_html_()
    assert "18.8" in html and "Gaussian closure" in html
    page = result_page(
        audit_page(result, notes=["mu is taken as 1 < 2."]), command="hermite-collapse audit edm"
    )
    assert external_references(page) == []
    assert "mu is taken as 1 &lt; 2." in page and "hermite-collapse audit edm" in page and "<svg" in page
    assert hc.notebook_view(result) == html


def test_audits_are_values(result):
    assert pickle.loads(pickle.dumps(result)) == result
    assert hc.audit(EDM, directions=REAL, build=edm) == result


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hc.audit(EDM, directions=[0.1, 0.0]), "directions must be one axis of variances > 0"),
        (lambda: hc.audit(EDM, directions=[0.1, -1.0]), "directions must hold variances >= 0, got -1.0"),
        (
            lambda: hc.audit([EDM], directions=[0.1, 0.2]),
            "pipeline must be one, or one for each of 2 directions",
        ),
        (lambda: hc.audit("edm", directions=[0.1]), "pipeline must be"),
        (lambda: hc.audit(EDM, directions=[0.1], tolerance=0.0), "tolerance must be"),
        (lambda: hc.audit(EDM, directions=[0.1], steps=0), "steps must be"),
        (lambda: hc.audit(EDM, [0.1]), "audit must be given directions by name"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_principal_variances_from_either_gram_matrix():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 8)) * np.geomspace(1.0, 1e-2, 8)
    tall = principal_directions(x)
    covariance = np.cov(x, rowvar=False)
    along = np.einsum("ad,de,ae->a", tall.vectors, covariance, tall.vectors)
    np.testing.assert_allclose(along, np.linalg.eigvalsh(covariance)[::-1], rtol=1e-10)
    np.testing.assert_allclose(tall.variances, along, rtol=0.1)
    centred = x[:6] - x[:6].mean(axis=0)
    values, vectors = principal_axes(centred, 5)
    assert len(values) == 5  # one less than samples
    np.testing.assert_allclose(values, np.linalg.svd(centred, compute_uv=False)[:5] ** 2 / 5, rtol=1e-9)
    wide = principal_directions(x[:6])
    for directions in (tall.vectors, vectors, wide.vectors):
        np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-9)
    assert wide.unseen > 0 and tall.unseen == 0
    assert tall.quantiles(3).tolist() == [0, 4, 7] and tall.quantiles(99).tolist() == list(range(8))


@pytest.mark.parametrize(("count", "classes"), [(40, 1), (12, 1), (30, 5), (8, 4)])
def test_variances_of_few_samples_are_those_of_their_directions(count, classes):
    """Along directions that do not know them samples of unit variance have variance 1, in the mean of many sets."""
    rng = np.random.default_rng(count)
    means, shares, sets, dimension = [], [], 200, 16
    labels = np.arange(count) % classes
    for _ in range(sets):
        x = rng.standard_normal((count, dimension)) + 3.0 * rng.standard_normal((classes, dimension))[labels]
        values, unseen = held_out_variances(x, labels)
        means.append(values.mean())
        shares.append(unseen - (1.0 - len(values) / dimension))
    for values, expected in ((means, 1.0), (shares, 0.0)):
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(sets) + 1e-12


def test_few_samples_of_a_steep_spectrum():
    """The estimate is that of u^T Sigma u, which is known here; that of the same samples is far off at both ends."""
    rng = np.random.default_rng(0)
    variances = np.arange(1, 65) ** -1.5
    ratios, naive = [], []
    for _ in range(80):
        x = rng.standard_normal((100, 64)) * np.sqrt(variances)
        directions = principal_directions(x)
        true = directions.vectors**2 @ variances
        ratios.append(directions.variances / true)
        naive.append(np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1] / true)
    assert np.all(np.abs(np.mean(ratios, axis=0) - 1.0) < 0.2)
    assert np.mean(naive, axis=0)[-1] < 0.3


@pytest.mark.parametrize("each", [50, 200])
def test_many_samples_of_a_flat_spectrum(each):
    """Of n samples in d dimensions the edges are (1 +- sqrt(d/n))^2 in themselves, and 1 in samples held out."""
    rng, dimension, sets = np.random.default_rng(each), 16, 12
    expected = (1.0 + np.array([1.0, -1.0]) / np.sqrt(each)) ** 2 - 1.0
    held_out, naive, limits = [], [], []
    pipeline = Pipeline([SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
    for _ in range(sets):
        x = np.sqrt(0.05) * rng.standard_normal((dimension * each, dimension))
        variances = principal_directions(x).variances / 0.05
        held_out.append(variances)
        naive.append(np.linalg.eigvalsh(np.cov(x, rowvar=False))[[-1, 0]] / 0.05 - 1.0)
        limits.append(np.asarray(pipeline.limit(0.05 * variances)) / variances)
    error = np.sqrt(2.0 / (dimension * each * sets))
    assert np.all(np.abs(np.mean(held_out, axis=0) - 1.0) < 4.5 * error)
    assert np.all(np.abs(np.mean(naive, axis=0)) > 0.5 * np.abs(expected)) and np.all(
        0.5 * np.abs(expected) > 8 * error
    )
    np.testing.assert_allclose(np.mean(limits, axis=0), pipeline.limit(0.05), rtol=0.05)


def test_variances_within_classes_and_of_their_means():
    rng = np.random.default_rng(1)
    classes, each, w, b = 400, 25, np.array([1.0, 0.04]), np.array([0.09, 1.0])
    means = rng.standard_normal((classes, 2)) * np.sqrt(b)
    labels = np.repeat(np.arange(classes), each)
    x = means[labels] + rng.standard_normal((classes * each, 2)) * np.sqrt(w)
    directions = principal_directions(x, labels)
    np.testing.assert_allclose(directions.variances, w, rtol=5 * np.sqrt(2 / (classes * each)))
    # Without the correction the first would be b + w/25 = .13.
    error = np.sqrt(2.0 / classes) * (b + w / each)
    assert np.all(np.abs(directions.between - b) < 4 * error)
    assert abs(directions.between[0] - 0.13) > 2 * error[0]
    order = rng.permutation(len(x))
    again = principal_directions(x[order], labels[order])
    np.testing.assert_allclose(again.between, directions.between, rtol=1e-9)


def test_decoded_directions_are_those_of_the_principal_axes():
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    x = rng.standard_normal((3000, 5)) * np.sqrt([4.0, 2.0, 1.0, 0.5, 0.25]) @ turn
    gains = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    directions = principal_directions(x)
    basis = directions.vectors
    decoded = x @ basis.T * gains @ basis
    result = decoded_directions(directions, x, decoded)
    np.testing.assert_allclose(result.fit.autoencoder.regression, np.diag(gains), atol=1e-9)
    few = decoded_directions(directions, x[:30], decoded[:30])
    assert few.number == 3 and few.leading.variances.tolist() == directions.variances[:3].tolist()


@pytest.mark.parametrize(
    ("samples", "labels", "words"),
    [
        (np.zeros((1, 2)), None, "samples must be at least 2 for a variance, got 1"),
        (np.ones((5, 2)), None, "samples must vary, got all of them equal"),
        (
            np.eye(3),
            np.array([0, 0, 1]),
            "at least two classes of at least two samples, got 2 classes, the smallest of 1",
        ),
        (np.eye(3), np.array([0, 0, 0]), "at least two classes of at least two samples, got 1 classes"),
    ],
)
def test_directions_need_data(samples, labels, words):
    with pytest.raises(InputError, match=words):
        principal_directions(samples, labels)


def test_limits_by_fraction_are_those_of_an_affine_map():
    """V = A w + B: limit = (alpha v A + B) / (1 - (1 - alpha) A), infinite from (1 - alpha) A = 1 on."""
    v = np.array([1.0, 0.1, 0.01])
    for gain in (0.97, 1.06):
        found = audit(Pipeline([ScoreError(gain - 1.0)], fresh_fraction=0.3), directions=v).limits_by_fraction
        alpha = np.array(FRACTIONS)
        slope = (1.0 - alpha) * gain
        expected = np.where(slope < 1.0, alpha * gain / (1.0 - slope), np.inf)
        np.testing.assert_allclose(found, np.repeat(expected[:, None], 3, axis=1), rtol=1e-9)
    assert np.isinf(found[0, 0]) and np.isfinite(found[2, 0])
    table = fractions_table(audit(EDM, directions=REAL))
    assert [row.cells[0] for row in table.rows] == ["1 %", "5 %", "10 %", "20 %", "50 %", "90 %"]
    assert float(table.rows[2].cells[2]) == pytest.approx(18.85, rel=5e-3)  # of three digits
