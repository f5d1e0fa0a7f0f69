"""What a user's type checker sees: signatures of the public names, misspelt arguments refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

USER = """
import hermite_collapse as hc

target = hc.presets.load("two_modes_1d")
recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1)
reveal_type(recursion.limit())
reveal_type(hc.half_degree(fresh_fraction=0.3, truncation_time=0.1))
reveal_type(hc.distances.kl(target, recursion.limit()))
reveal_type(hc.bounds.ball_radius(0.1, fresh_fraction=0.3, truncation_time=0.1))
reveal_type(hc.plan_schedule)
hc.Recursion(target, fresh_fraction=0.3, trunc=0.1)
hc.attenuation(2, fresh_fraction="0.3", truncation_time=0.1)
hc.no_such_name
hc.bounds.ball_radiuss
hc.simulation.simulated
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    (folder / "user.py").write_text(USER)
    root = Path(__file__).parent.parent
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--follow-imports=silent",  # as of an installed package: signatures, not the bodies of its functions
        "--cache-dir",
        str(root / ".mypy_cache" / "user"),
        "user.py",
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={"MYPYPATH": str(root), "PATH": ""},
        check=False,
    )
    return {
        int(line.split(":")[1]): line
        for line in reversed(done.stdout.splitlines())
        if line.startswith("user.py")
    }


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (6, "laws.aged.AgedLaw"),
        (7, 'is "float"'),
        (8, "core.estimates.Estimate"),
        (9, 'is "float"'),
        (10, "def ("),
    ],
)
def test_public_names_have_their_types(answer, line, words):
    assert "Revealed type" in answer[line] and words in answer[line] and '"Any"' not in answer[line]


def test_a_misspelt_argument_and_a_wrong_type_are_refused(answer):
    assert 'Unexpected keyword argument "trunc"' in answer[11]
    assert "arg-type" in answer[12]


@pytest.mark.parametrize("line", [13, 14, 15])
def test_a_misspelt_name_is_refused(answer, line):
    assert "Module has no attribute" in answer[line]
