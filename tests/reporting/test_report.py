"""The report: one file, every section, numbers of the comparison, and sliders that compute the closed forms."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.estimates import Estimate
from hermite_collapse.recursion.modes import attenuation, contraction_rate, half_degree
from hermite_collapse.recursion.prediction import predict
from hermite_collapse.reporting import (
    notebook_view,
    page,
    report_text,
    tables,
    words,
    write_report,
)
from hermite_collapse.reporting.report import explorer_data

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
)


class Reader(HTMLParser):
    """Collects tags that are left open, identifiers, links within the page, and values of readings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []
        self.values: dict[str, str] = {}
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag not in {"meta", "input", "br", "img", "link", "hr"}:
            self.open.append(tag)
        if "id" in given:
            self.names.append(given["id"])
            if "data-value" in given:
                self.values[given["id"]] = given["data-value"]
            if "data-centre" in given:
                self.values[given["id"]] = given["data-centre"]
        elif "data-value" in given:
            self.cells.append(given["data-value"])
        if given.get("href", "").startswith("#"):
            self.links.append(given["href"][1:])

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        if "id" in dict(attrs):
            self.names.append(dict(attrs)["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open[-4:])
        self.open.pop()


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def simulated_result(target: object, **options: object) -> dict:
    pytest.importorskip("torch")
    recursion = hc.Recursion(target, **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options})
    simulated = hc.simulation.simulate(
        recursion, rounds=8, particles=4096, generator="channel", degree=8, seed=2
    )
    return {
        "comparison": hc.compare(recursion, simulated),
        "recursion": recursion,
        "simulated": simulated,
    }


@pytest.fixture(scope="module")
def result() -> dict:
    return simulated_result(hc.presets.load("three_modes_1d"))


@pytest.fixture(scope="module")
def text(result: dict) -> str:
    return report_text(
        **result,
        config_text='[target]\npreset = "three_modes_1d"  # <kept> & escaped',
        command="hermite-collapse compare config.toml --seed 2",
        budget={"truncation": 0.04, "sampling": Estimate(0.002, 0.0003, "standard_error")},
    )


def test_the_page_is_well_formed_and_refers_to_nothing_outside(text: str) -> None:
    reader = read(text)
    assert reader.open == []
    assert len(reader.names) == len(set(reader.names))
    assert set(reader.links) <= set(reader.names)
    assert page.external_references(text) == []


def test_every_section_is_there(text: str, result: dict) -> None:
    for name in ("asked", "figures", "comparison", "distances", "budget", "caveats", "explore", "repeat"):
        assert f'id="{name}"' in text
    for screen in ("wide", "narrow"):
        assert text.count(f'<div class="plate {screen}-screen"><svg viewBox') == 3
    assert "&lt;kept&gt; &amp; escaped" in text and "--seed 2" in text
    assert result["comparison"].verdict.text.replace("= -", "= −") in text.replace("&#39;", "'")
    assert "0.002 ± 0.0003" in text
    assert "numpy" in text[text.index('id="repeat"') :]


def test_the_table_holds_the_comparison_and_marks_what_is_untested(text: str, result: dict) -> None:
    comparison = result["comparison"]
    tested = comparison.degrees.is_testable(comparison.runs)
    rows = re.findall(r"<tr[^>]*>(?:<td[^>]*>[^<]*</td>)+</tr>", text)
    for i in (1, 2, 4, 8):
        for n in (2, 4, 8):
            predicted, measured = comparison.degrees.expected[i, n], comparison.measured_factors[i, n]
            (row,) = [r for r in rows if f"<td>{predicted:.5f}</td><td>{measured:.5f}</td>" in r]
            assert ("not tested" in row) == (not tested[i, n])
    assert not tested[:, 8].all()
    assert "not tested: for this number of particles" in text


def test_the_effect_of_the_step_size_stands_beside_the_statistical_error(result: dict) -> None:
    """One mode a degree here: the effect on a factor is that on the coefficient over the data's coefficient."""
    comparison = result["comparison"]
    effect = np.linspace(-1e-3, 1e-3, comparison.measured.size).reshape(comparison.measured.shape)
    shown = tables.comparison_table(
        replace(comparison, discretisation=effect, discretisation_error=np.abs(effect) / 7.0)
    )
    assert shown.head[-2] == "step-size effect"
    data = comparison.modes.expected[0]
    row = next(row for row in shown.rows if row.cells[1] == "4")
    change = effect[1, 4] / data[4]
    assert row.cells[-2] == f"{change:+.5f} ± {abs(change) / 7.0:.5f}".replace("-", "−")
    assert "step-size effect" not in tables.comparison_table(comparison).head


def test_a_step_size_that_outweighs_the_statistical_error_is_a_caveat(result: dict) -> None:
    comparison, recursion = result["comparison"], result["recursion"]
    for size, said in ((3.0, True), (0.5, False)):
        effect = size * comparison.standard_error
        shown = replace(comparison, discretisation=effect, discretisation_error=effect)
        notes = words.caveats(recursion, comparison=shown)
        assert any("up to 3 standard errors" in note for note in notes) == said
    assert not any("step size" in note for note in words.caveats(recursion, comparison=comparison))


def test_rows_that_would_be_rejected_are_marked(result: dict) -> None:
    comparison = result["comparison"]
    assert not any("reject" in row.kind for row in tables.comparison_table(comparison).rows)
    off = comparison.measured_factors.copy()
    off[1, 4] += 8.0 * comparison.factor_standard_error[1, 4]
    rows = tables.comparison_table(replace(comparison, measured_factors=off)).rows
    assert [row.cells[1] for row in rows if "reject" in row.kind] == ["4"]


def test_a_disagreement_is_said_to_be_one() -> None:
    wrong = simulated_result(hc.presets.load("three_modes_1d"))
    other = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.9, truncation_time=0.1)
    comparison = hc.compare(other, wrong["simulated"])
    assert not comparison.verdict.passed
    text = report_text(comparison=comparison, recursion=other, simulated=wrong["simulated"], figures={})
    assert '<div class="verdict bad">' in text and "Disagreement." in text


def test_theory_alone_makes_a_report_too(tmp_path: Path) -> None:
    recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.1)
    path = write_report(
        tmp_path / "new",
        comparison=None,
        recursion=recursion,
        simulated=None,
        prediction=predict(recursion, rounds=2, degree=3),
    )
    assert path == tmp_path / "new" / "report.html"
    text = path.read_text("utf-8")
    assert page.external_references(text) == [] and read(text).open == []
    assert 'id="heat-map-' in text and "verdict" not in text[text.index("<main") :]


@pytest.mark.parametrize(
    "options",
    [
        {"blur": 0.2},
        {"process": hc.VarianceExploding()},
        {"fresh_fraction": 0.0, "regime": "accumulate"},
    ],
)
def test_sliders_are_left_out_where_the_closed_forms_do_not_hold(options: dict) -> None:
    recursion = hc.Recursion(
        hc.presets.load("two_modes_1d"), **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options}
    )
    assert explorer_data(recursion, highest_degree=8) is None
    text = report_text(
        comparison=None,
        recursion=recursion,
        simulated=None,
        figures={},
        prediction=predict(recursion, rounds=2, degree=3),
    )
    assert 'id="explore"' not in text and "<script" not in text
    assert set(read(text).links) <= set(read(text).names)


@pytest.mark.skipif(BROWSER is None, reason="no browser to run the page in")
@pytest.mark.parametrize(
    ("alpha", "time"),
    [(None, None), (0.05, 0.02), (0.9, 1.5), (0.001, 0.004), (0.0, 0.3), (1.0, 0.2), (0.4, 0.0)],
)
def test_sliders_compute_the_closed_forms(tmp_path: Path, alpha: float | None, time: float | None) -> None:
    recursion = hc.Recursion(
        hc.presets.load("three_modes_1d"),
        fresh_fraction=0.3,
        truncation_time=0.1,
        process=hc.OrnsteinUhlenbeck(0.7),
    )
    path = write_report(
        tmp_path,
        comparison=None,
        recursion=recursion,
        simulated=None,
        figures={},
        prediction=predict(recursion, rounds=1, degree=2),
    )
    fragment = "" if alpha is None else f"#fresh_fraction={alpha}&truncation_time={time}"
    done = subprocess.run(
        [
            str(BROWSER),
            *QUIET,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            path.as_uri() + fragment,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    reader = read(done.stdout)
    alpha, time = (0.3, 0.1) if alpha is None else (alpha, time)
    settings = {"fresh_fraction": alpha, "truncation_time": time, "rate": 0.7}

    def value(name: str) -> float:
        return float(reader.values[name].replace("Infinity", "inf"))

    assert value("fresh-fraction-value") == alpha and value("truncation-time-value") == time
    assert value("reading-half") == pytest.approx(half_degree(**settings), rel=1e-12)
    for name, metric in (("reading-variation", "total_variation"), ("reading-wasserstein", "wasserstein2")):
        assert value(name) == pytest.approx(contraction_rate(metric=metric, **settings), rel=1e-12)
    degrees = [1, 2, 3, 4, 6, 8, 12, 16]
    table = np.array([float(cell) for cell in reader.cells])
    np.testing.assert_allclose(table, attenuation(degrees, **settings), rtol=1e-12)
    if alpha > 0.0 and time > 0.0:
        assert np.max(np.abs(table - attenuation(degrees, **{**settings, "rate": 0.735}))) > 1e-4
    # The density in the middle of the plot, by ages in the page and by Gauss ages here.
    low, high = explorer_data(recursion, highest_degree=8)["law"]["range"]
    again = hc.Recursion(
        recursion.target, fresh_fraction=alpha, truncation_time=time, process=hc.OrnsteinUhlenbeck(0.7)
    )
    if alpha > 0.0 or time > 0.0:
        exact = float(again.limit().density(0.5 * (low + high)))
        assert value("plot-density") == pytest.approx(exact, rel=2e-3 if alpha < 0.01 else 1e-6)


@pytest.mark.skipif(BROWSER is None, reason="no browser to run the page in")
@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(tmp_path: Path, text: str, width: int) -> None:
    """Wide tables and figures scroll within their own frame; the page itself never does."""
    probe = (
        "<script>addEventListener('load', () => setTimeout(() => { document.title = "
        "document.documentElement.scrollWidth + ' ' + document.documentElement.clientWidth; }, 200));</script>"
    )
    (tmp_path / "page.html").write_text(text.replace("</body>", probe + "</body>"), "utf-8")
    frame = (
        f"<body><iframe id=f src='page.html' style='width:{width}px;height:900px;border:0'></iframe><script>"
        "setTimeout(() => { document.body.dataset.value = document.getElementById('f').contentDocument.title; }, 1500)"
        "</script></body>"
    )
    (tmp_path / "frame.html").write_text(frame, "utf-8")
    done = subprocess.run(
        [
            str(BROWSER),
            *QUIET,
            "--allow-file-access-from-files",
            "--window-size=1500,1000",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    sizes = re.search(r'data-value="(\d+) (\d+)"', done.stdout)
    assert sizes is not None, done.stdout[-500:]
    assert int(sizes[2]) > 0.9 * width and int(sizes[1]) <= int(sizes[2])


def test_notebook_views_say_what_an_object_holds(result: dict) -> None:
    assert "half of the amplitude" in notebook_view(result["recursion"])
    assert "4\u202f096" in notebook_view(result["simulated"])
    assert "and 20 more rows" in notebook_view(result["comparison"])
    assert notebook_view(result["comparison"]).count("<tr") == 13
    assert "<th>limit</th>" in notebook_view(predict(result["recursion"], rounds=2, degree=2))
    for value in result.values():
        assert read(notebook_view(value)).open == []
    with pytest.raises(InputError, match="int"):
        notebook_view(3)


def test_objects_offer_their_view_to_a_notebook(result: dict) -> None:
    for value in (*result.values(), result["recursion"].target, result["recursion"].limit()):
        assert value._repr_html_() == notebook_view(value)
        assert read(value._repr_html_()).open == []
    assert "axis 1" in result["recursion"].target._repr_html_()
