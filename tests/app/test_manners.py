"""Everyday use of the command: what it prints first, what it keeps, how it goes on, and what it counts as success."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.app.config import load_config
from hermite_collapse.reporting.page import external_references
from tests.app.sketches import sketches

SMALL = ["--particles", "5e4", "--rounds", "6", "--degree", "4", "--runs", "2"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments: object, capsys) -> tuple[int, str, str]:
    status = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture(scope="module")
def one_comparison(tmp_path_factory) -> tuple[Path, str]:
    """The folder of one comparison, and what it printed."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed, sketches():
        patch.chdir(folder)
        assert run(["compare", "--out", "c", "--fresh-fraction", "0.2", *SMALL]) == 0
    return folder / "c", printed.getvalue()


@pytest.fixture
def compared(one_comparison) -> str:
    """What a comparison printed, whose folder is here under the name c."""
    folder, printed = one_comparison
    shutil.copytree(folder, "c")
    return printed


def test_the_verdict_is_first_and_last_with_the_implied_parameters(compared):
    places = [m.start() for m in re.finditer(r"\nVerdict\nAgreement\. ", compared)]
    assert len(places) == 2 and places[0] < compared.index("Prediction") < places[1]
    assert " ".join(compared.split()).count("the measurements imply") == 2
    assert max(map(len, compared.splitlines())) <= 80


def test_few_rows_are_printed_and_all_of_them_on_request(compared, sketched, capsys):
    shown = re.search(r"(\d+) of (\d+) rows, of some rounds; --all-rows prints every one", compared)
    assert shown is not None and 0 < int(shown[1]) < int(shown[2])
    _, everything, _ = call("compare", "--out", "c", "--resume", "--all-rows", capsys=capsys)
    rows = [line for line in everything.splitlines() if re.match(r" +\d+ +\d+ +\d\.\d{5} ", line)]
    assert len(rows) == int(shown[2])


def test_an_exact_factor_and_its_z_stand_beside_the_simulated_one(compared):
    table = compared[compared.index("Mean factor of a round") :].splitlines()
    assert table[1].split() == ["rounds", "modes", "exact", "simulated", "standard", "error", "z"]
    exact, simulated, error, z = map(float, table[2].split()[-4:])
    assert z == pytest.approx((simulated - exact) / error, abs=0.05)


def test_resume_reads_the_configuration_of_the_folder(compared, sketched, capsys):
    status, out, err = call("compare", "--out", "c", "--resume", capsys=capsys)
    assert status == 0 and "fresh fraction 0.2" in out and "simulated" not in err
    status, out, _ = call("compare", "--out", "c", "--resume", "--rounds", 7, capsys=capsys)
    assert status == 2  # another run than that of the folder


def test_figures_come_in_the_formats_asked_for(compared, capsys):
    setting = ["--figure-format", "pdf", "--width", "single"]
    with sketches(("svg",)):  # of the page
        assert call("report", "c", *setting, capsys=capsys)[0] == 0
    written = Path("c/figures/attenuation.pdf").read_bytes()
    assert written.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", written)
    assert box is not None and float(box[1]) == pytest.approx(72 * 3.4, abs=0.5)


def test_nothing_tested_is_no_success(capsys):
    tiny = ["--particles", 10, "--runs", 1, "--rounds", 1, "--out", "t"]
    with sketches(("svg",)):  # the figures of so few particles can be drawn: in one format
        status, out, _ = call("compare", *tiny, capsys=capsys)
    assert status == 4 and "Not tested." in out
    with sketches():
        _, out, _ = call("compare", "--out", "t", "--resume", "--json", capsys=capsys)
    verdict = json.loads(out)["verdict"]
    assert verdict["tested"] is False and verdict["passed"] is False


def test_counts_may_be_written_with_an_exponent(capsys):
    Path("my.toml").write_text("[simulation]\nparticles = 1e3\n")
    assert load_config("my.toml").simulation.particles == 1000
    status, out, _ = call("simulate", "my.toml", "--rounds", 1, "--degree", 3, "--out", "s", capsys=capsys)
    assert status == 0 and "1 rounds of 1000 particles" in out and "standard error" in out


def test_simulate_without_a_folder_says_that_it_found_its_run(capsys):
    setting = ["simulate", "--particles", 1000, "--rounds", 1, "--degree", 3]
    assert "read, not simulated again" not in call(*setting, capsys=capsys)[2]
    assert (
        "holds this very run, finished: it is read, not simulated again" in call(*setting, capsys=capsys)[2]
    )


SWEEP = """
[recursion]
rounds = 2
[analysis]
degree = 3
[sweep]
workers = 1
[sweep.values]
fresh_fraction = [0.1, 0.3]
truncation_time = [0.02, 0.1]
"""


@pytest.mark.parametrize(
    ("command", "picture"),
    [
        (("predict", "--degree", "3", "--rounds", "2"), "attenuation"),
        (("spectrum", "--degree", "3"), "spectrum"),
        (("schedule", "--error-scale", "0.01", "--rounds", "3"), "plan"),
        (("schedule", "--known", "ddpm"), "attenuation"),
        (("audit", "edm"), "audit"),
        (("diagnose", "c.csv"), "diagnosis"),
        (("sweep", "s.toml"), "half_degree"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_a_folder_has_a_page_and_a_picture_and_can_be_written_again(command, picture, capsys, monkeypatch):
    Path("s.toml").write_text(SWEEP)
    rows = "\n".join(f"{i},{0.7 + 0.3 * 0.6**i},0.01" for i in range(7))
    Path("c.csv").write_text(f"round,degree 1,degree 1 error\n{rows}\n")
    status, out, _ = call(*command, "--out", "o", capsys=capsys)
    assert (
        status == 0
        and Path(f"o/figures/{picture}.svg").is_file()
        and Path(f"o/figures/{picture}.png").is_file()
    )
    page = Path("o/report.html").read_text()
    assert "<svg" in page and f"hermite-collapse {command[0]}" in page and external_references(page) == []
    Path("o/report.html").unlink()
    folder = Path("o").resolve()
    monkeypatch.chdir("/")
    status, again, _ = call("report", folder, capsys=capsys)
    assert status == 0 and (folder / "report.html").read_text().replace(str(folder), "o") == page
    assert again.replace(str(folder), "o").split() == out.split()


def test_a_folder_that_no_command_made_is_refused(capsys):
    Path("empty").mkdir()
    status, _, err = call("report", "empty", capsys=capsys)
    assert status == 2 and "folder must hold a run" in err
    Path("empty/command.json").write_text("[]")
    status, _, err = call("report", "empty", capsys=capsys)
    assert status == 2 and "folder must hold a command.json with arguments and a directory" in err


def test_options_needed_first_are_listed_first(capsys):
    _, out, _ = call("predict", "--help", capsys=capsys)
    first = out[out.index("What is needed first:") : out.index("Target:")]
    names = re.findall(r"^  --([a-z-]+)", first, flags=re.MULTILINE)
    assert sorted(names) == ["fresh-fraction", "out", "rounds", "samples", "truncation-time"]


@pytest.mark.parametrize(
    ("command", "order"),
    [
        ("compare", ("--fresh-fraction", "--preset", "--resume", "--json")),
        ("audit", ("--steps", "--samples", "--out", "--json")),
    ],
)
def test_how_a_command_writes_is_listed_after_what_it_computes(command, order, capsys):
    _, out, _ = call(command, "--help", capsys=capsys)
    places = [out.index(f"\n  {option}") for option in order]
    assert places == sorted(places)
    assert ("What is needed first:" in out) == (command == "compare")
