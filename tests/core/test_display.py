"""The registry of views and plots: every entry exists, every displayed class has one."""

from __future__ import annotations

import importlib

import pytest

import hermite_collapse as hc
from hermite_collapse.core.display import PLOTS, VIEWS, Displayed, shown_by
from hermite_collapse.core.errors import InputError


@pytest.mark.parametrize("entry", [*VIEWS.values(), *PLOTS.values()])
def test_every_entry_names_a_function(entry: str) -> None:
    module, name = entry.split(":")
    assert callable(getattr(importlib.import_module(f"hermite_collapse.{module}"), name))


def test_every_displayed_class_has_a_view() -> None:
    for module in (
        "laws.aged",
        "recursion.prediction",
        "comparison.comparison",
        "comparison.learned",
        "storage.record",
        "advice.audit",
        "diagnosis.diagnosis",
    ):
        importlib.import_module(f"hermite_collapse.{module}")
    classes = [kind for kind in Displayed.__subclasses__() if kind.__module__.startswith("hermite_collapse")]
    assert {kind.__name__ for kind in classes} == set(VIEWS)


def test_the_most_derived_class_decides() -> None:
    registry = {"Law": "reporting.notebook:view_law", "GaussianMixture": "reporting.notebook:view_record"}
    function = shown_by(registry, hc.presets.load("two_modes_1d"))
    assert function.__name__ == "view_record"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="value must be one of Law, GaussianMixture, got int"):
        shown_by(registry, 3)
