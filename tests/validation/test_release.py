"""The release check sees what is wrong with an archive, and what a command does."""

from __future__ import annotations

import json
import math
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from hermite_collapse import __version__
from validation import release

ROOT = Path(__file__).parent.parent.parent
INFO = f"hermite_collapse-{__version__}.dist-info"
WHEEL = [*release.IN_WHEEL, f"{INFO}/METADATA", f"{INFO}/entry_points.txt", f"{INFO}/licenses/LICENSE"]
SDIST = [f"hermite_collapse-{__version__}/{name}" for name in release.IN_SDIST]


def test_complete_archives_have_no_faults():
    assert release.faults_of_wheel(WHEEL) == []
    assert release.faults_of_sdist(SDIST) == []


@pytest.mark.parametrize("name", WHEEL[:4] + WHEEL[5:])
def test_what_a_wheel_lacks_is_named(name):
    assert release.faults_of_wheel([other for other in WHEEL if other != name])


@pytest.mark.parametrize("name", SDIST)
def test_what_a_source_archive_lacks_is_named(name):
    assert release.faults_of_sdist([other for other in SDIST if other != name]) == [
        f"{name.partition('/')[2]} is missing"
    ]


@pytest.mark.parametrize(
    "name", ["tests/test_imports.py", "paper_checks/__init__.py", "hermite_collapse/__pycache__/x.pyc"]
)
def test_what_does_not_belong_in_a_wheel_is_named(name):
    assert release.faults_of_wheel([*WHEEL, name])


def test_what_does_not_belong_in_a_source_archive_is_named():
    assert release.faults_of_sdist([*SDIST, "hermite_collapse-1/runs/first/results.nc"])


def test_files_that_are_asked_for_exist():
    """Those of the wheel come from two folders of the checkout."""
    for name in [*release.IN_SDIST, *release.IN_WHEEL]:
        assert (ROOT / name.replace("hermite_collapse/_paper_checks", "paper_checks")).is_file(), name


def test_archives_are_read(tmp_path):
    wheel, sdist = tmp_path / "x.whl", tmp_path / "x.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in WHEEL:
            archive.writestr(name, "")
    (tmp_path / "empty").touch()
    with tarfile.open(sdist, "w:gz") as archive:
        for name in SDIST[1:]:
            archive.add(tmp_path / "empty", name)
    release.look_through("wheel", wheel)
    with pytest.raises(release.ReleaseError, match=r"^README\.md is missing$"):
        release.look_through("sdist", sdist)


def test_the_readme_says_how_to_install():
    lines = release.installation_lines((ROOT / "README.md").read_text("utf-8"))
    assert lines[0].endswith("-m venv .venv")
    assert any("activate" in line for line in lines)
    assert lines[-1].startswith("pip install")
    with pytest.raises(release.ReleaseError, match="no block"):
        release.installation_lines("Nothing.")


def test_the_version_is_read_without_an_import(tmp_path):
    assert release.version_of(ROOT) == __version__
    (tmp_path / "hermite_collapse" / "core").mkdir(parents=True)
    (tmp_path / "hermite_collapse" / "core" / "version.py").write_text("")
    with pytest.raises(release.ReleaseError, match="no version"):
        release.version_of(tmp_path)


def test_commands_run_outside_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shown = release.run(
        [sys.executable, "-c", "import os; print(os.environ.get('PYTHONPATH'), os.getcwd())"], tmp_path
    )
    assert shown.split() == ["None", str(tmp_path)]


def test_a_command_that_fails_is_a_fault(tmp_path):
    trouble = release.fault(
        lambda: release.run([sys.executable, "-c", "print('why'); exit(3)"], tmp_path) and None
    )
    assert "status 3" in trouble
    assert trouble.endswith("why")


class Answers(release.Installation):
    """An installation whose commands answer what it is told."""

    def run(self, *command: str) -> str:
        return ANSWERS[command[1] if command[0] == "hermite-collapse" else "python"]


ANSWERS: dict[str, str] = {}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ANSWERS", {})
    return Answers(tmp_path / "environment", tmp_path)


@pytest.mark.parametrize("factor", [1.0, 1.000001])
def test_predictions_are_held_against_the_formula(installed, factor):
    share, time = release.FRESH_FRACTION, release.TRUNCATION_TIME
    shares = [factor * share / (share + math.expm1(n * time / 2)) for n in range(4)]
    ANSWERS["predict"] = json.dumps({"degrees": list(range(4)), "attenuation": shares})
    assert bool(release.fault(lambda: release.check_predict(installed))) is (factor != 1.0)


def test_a_package_from_elsewhere_is_refused(installed):
    ANSWERS["python"] = str(installed.environment / "lib" / "hermite_collapse")
    release.check_origin(installed)
    ANSWERS["python"] = str(ROOT / "hermite_collapse")
    with pytest.raises(release.ReleaseError, match="not from the new environment"):
        release.check_origin(installed)


def test_comparisons_must_agree_and_leave_a_page(installed):
    ANSWERS["compare"] = json.dumps({"verdict": {"passed": True}})
    check = lambda: release.check_compare(installed)  # noqa: E731
    assert "report.html" in release.fault(check)
    (installed.folder / "run").mkdir()
    for name in ("report.html", "results.nc", "config.toml"):
        (installed.folder / "run" / name).write_text("x")
    assert release.fault(check) == ""
    ANSWERS["compare"] = json.dumps({"verdict": {"passed": False}})
    assert "compare says" in release.fault(check)


def test_statements_must_all_be_there_and_come_out(installed):
    rows = [{"id": name, "as_expected": True} for name in release.STATEMENTS]
    check = lambda: release.check_verify(installed)  # noqa: E731
    ANSWERS["verify"] = json.dumps({"statements": rows})
    assert release.fault(check) == ""
    ANSWERS["verify"] = json.dumps({"statements": rows[:2]})
    assert "verify says" in release.fault(check)
    ANSWERS["verify"] = json.dumps({"statements": [*rows[:2], {**rows[2], "as_expected": False}]})
    assert "verify says" in release.fault(check)


def test_steps_that_fail_are_counted(monkeypatch, capsys):
    steps = [("build", ""), ("wheel: contents", "README.md is missing")]
    monkeypatch.setattr(release, "steps", lambda *arguments: iter(steps))
    assert release.main([]) == 1
    assert "failed wheel: contents" in capsys.readouterr().out
    monkeypatch.setattr(release, "steps", lambda *arguments: iter(steps[:1]))
    assert release.main([]) == 0
