"""The page of any result: one file, its verdict in the colour of its tone, its tables and its command escaped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.estimates import Estimate
from hermite_collapse.figures import style
from hermite_collapse.reporting.diagnosis import diagnosis_page
from hermite_collapse.reporting.measured import measured_page
from hermite_collapse.reporting.page import external_references
from hermite_collapse.reporting.result_page import Page, Section, result_page, write_result_page
from hermite_collapse.reporting.tables import written

EXAMPLES = Path(hc.__file__).parent / "diagnosis/examples"


def test_a_page_holds_what_it_was_given_and_refers_to_nothing_else(tmp_path):
    axes = hc.plot_attenuation(fresh_fraction=0.3, truncation_time=0.1)
    figure = style.describe(style.figure_of(axes), "kept", "What is kept.")
    table = written(["metric", "value"], [["kl", 0.25], ["a < b", Estimate(0.5, 0.01, "standard_error")]])
    page = Page(
        "A title",
        "It agrees.",
        figures={"kept": figure},
        sections=(Section("A part", ("Words.",), table),),
        facts=(("data", "two modes"),),
        notes=("A note.",),
        tone="good",
    )
    text = write_result_page(tmp_path, page, command="run <it>", config_text="x = 1").read_text("utf-8")
    assert external_references(text) == []
    for words in ('class="verdict good"', "It agrees.", "What is kept.", "a &lt; b", "0.5 ± 0.01", "A note."):
        assert words in text
    assert "run &lt;it&gt;" in text and "x = 1" in text
    for screen in ("wide", "narrow"):
        assert text.count(f'<div class="plate {screen}-screen"><svg') == 1
    assert text.count("<svg") == 2


def test_a_page_without_a_verdict_has_a_lead():
    text = result_page(Page("A title", "What was found."))
    assert '<p class="lead">What was found.</p>' in text and 'class="verdict' not in text.split("</style>")[1]


@pytest.mark.parametrize(("shift", "tone"), [(0.0, "good"), (0.35, "bad")])
def test_the_page_of_a_diagnosis_has_the_colour_of_its_answer(shift, tone):
    curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    curve[4] += shift
    told = {"regime": "replace", "noise": "independent"}
    diagnosis = hc.diagnose(curve, standard_errors=np.full(curve.shape, 0.01), **told)
    page = diagnosis_page(diagnosis, source="a table")
    assert page.tone == tone and ("from", "a table") in page.facts
    text = result_page(page)
    assert "In the long run" in text and f'class="verdict {tone}"' in text


def test_the_page_of_measured_generations_names_each_of_them():
    real = np.random.default_rng(0).normal(size=(300, 2)) * [2.0, 1.0]
    text = result_page(measured_page(hc.measure(real, [0.9 * real, 0.8 * real])))
    assert (
        "Generations" in text and "What the generations measure" in text and external_references(text) == []
    )


def test_curves_that_leave_the_mechanism_open_are_neither_good_nor_bad():
    curve = hc.diagnose(hc.read_curve(EXAMPLES / "ring.csv"), fresh_fraction=0.25)
    assert curve.verdict == "rate_and_plateau" and "not identified" in curve.text
    page = diagnosis_page(curve)
    assert page.tone == "open" and 'class="verdict open"' in result_page(page)
    ps = [row.cells[2] for row in page.tables[0].rows]
    assert "0" not in ps  # a p-value too small for a number is a bound
