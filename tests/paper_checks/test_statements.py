"""Every statement in its quick form: verdict as expected, all mutations rejected, the package's numbers agree."""

from __future__ import annotations

import json
import re

import pytest

from paper_checks import __main__ as command
from paper_checks import registry, runner
from paper_checks.registry import statements

# More than about two seconds each; `python -m paper_checks --quick` runs them with the others.
LONG = {
    "limit.relative_fisher",
    "additions.dyadic_ages",
    "propagation.observability",
    "propagation.lower_bound",
    "propagation.kl_bound",
    "additions.square_integrability",
    "additions.age_quadrature",
    "additions.metric_rates",
    "additions.second_moments",
    "additions.always_finite",
    "propagation.vanishing_divergence",
    "additions.phantom_variance",
    "additions.final_constants",
    "additions.final_step",
    "additions.small_truncation",
    "additions.small_errors",
    "additions.guidance_map",
    "propagation.upper_bound",
    "limit.ball",
    "limit.annealed",
}


def cases():
    for statement in statements():
        yield pytest.param(
            statement, id=statement.id, marks=[pytest.mark.slow] if statement.id in LONG else []
        )


@pytest.mark.parametrize("statement", list(cases()))
def test_comes_out_as_expected(statement):
    row = runner.run(statement, quick=True)
    assert not row.complaints, row.error or row.complaints
    assert row.verdict.word == statement.expected
    assert row.rejections
    assert all(item.rejected for item in row.rejections)
    assert row.package is None or row.package.status in ("agrees", "not compared")
    if statement.displayed is not None:
        assert any(item.outcome.status == "refutes" for item in row.displayed)


def test_the_long_list_names_statements():
    assert {item.id for item in statements()} >= LONG


class TestCommand:
    def test_list(self, capsys):
        assert command.main(["--list"]) == 0
        printed = capsys.readouterr().out
        assert all(item.id in printed for item in statements())

    def test_json_is_one_document_and_nothing_else(self, capsys):
        assert command.main(["--only", "limit.second_moment", "--quick", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        (row,) = document["statements"]
        assert row["verdict"] == "sharp"
        assert document["mutations"]["tried"] == document["mutations"]["rejected"] == len(row["mutations"])
        assert {item["kind"] for item in row["evidence"]} == {"symbolic", "high_precision", "simulated"}

    def test_page_is_self_contained(self, tmp_path, capsys):
        names = ["--only", "additions.continuum_bound", "--only", "propagation.refresh"]
        assert command.main([*names, "--quick", "--jobs", "1", "--out", str(tmp_path)]) == 0
        page = (tmp_path / "report.html").read_text("utf-8")
        assert not re.search(r'(?:src|href)="(?!#)', page)
        assert not re.search(r"url\((?!#)|@import|<script", page)
        identifiers = re.findall(r'\bid="([^"]+)"', page)
        assert len(identifiers) == len(set(identifiers))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(identifiers)
        assert "@@GLYPHS@@" not in page
        assert "python -m paper_checks --only propagation.refresh" in page
        assert json.loads((tmp_path / "report.json").read_text("utf-8"))["as_expected"]

    def test_exit_status(self, monkeypatch, capsys):
        assert command.main(["--only", "nothing.at.all"]) == 2
        chosen = registry.select(["propagation.refresh"])[0]
        fields = {name: getattr(chosen, name) for name in chosen.__dataclass_fields__}
        monkeypatch.setattr(
            registry, "select", lambda names: (registry.Statement(**{**fields, "expected": "sharp"}),)
        )
        assert command.main(["--only", "propagation.refresh", "--quick"]) == 1
        assert "came out 'holds'" in capsys.readouterr().err
