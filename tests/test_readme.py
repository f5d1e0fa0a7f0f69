"""What README, the page of the command and the files beside them say can be typed, and is so."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import hermite_collapse as hc
from hermite_collapse.app.cli.app import COMMANDS, run
from hermite_collapse.app.config import parse_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = README + (ROOT / "docs" / "command.md").read_text("utf-8")
EXAMPLES = Path("hermite_collapse", "diagnosis", "examples")
SLOW = re.compile("compare|verify")


def commands() -> list[str]:
    """Return the commands in indented blocks, once each; those with a word in capitals are patterns."""
    lines = re.findall(r"^    hermite-collapse (.*)$", PAGES, flags=re.MULTILINE)
    return list(dict.fromkeys(line for line in lines if "COMMAND" not in line))


def dialogues() -> list[tuple[str, list[str]]]:
    """Return the commands whose answer is shown, with the pieces of it that are shown."""
    blocks = re.findall(r"^```console\n\$ hermite-collapse (.*?)\n(.*?)^```", README, re.M | re.S)
    return [(line, [words(part) for part in answer.split("\n...\n")]) for line, answer in blocks]


NEEDED = {"diagnose": [line for line in commands() if line.startswith("measure ")]}


def words(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def block(language: str) -> str:
    """Return the first block of README in a language."""
    return re.search(rf"^```{language}\n(.*?)^```", README, re.M | re.S).group(1)


def prose() -> str:
    """Return README on one line."""
    return words(README)


def write_generations(folder: Path) -> None:
    """Write images of data and of three generations, a fifth of whose training sets are fresh, into folders."""
    generator = np.random.default_rng(0)
    data = samples = 0.25 * generator.normal(size=(150, 4, 4))
    for name in ("real", "gen_1", "gen_2", "gen_3"):
        (folder / name).mkdir()
        for number, image in enumerate(np.clip(127.5 * (samples + 1), 0, 255).round().astype(np.uint8)):
            Image.fromarray(image).save(folder / name / f"{number}.png")
        fresh = generator.random((150, 1, 1)) < 0.2
        drawn = np.where(fresh, generator.permutation(data), generator.permutation(samples))
        samples = np.exp(-0.01) * drawn + np.sqrt(-np.expm1(-0.02)) * generator.normal(size=data.shape)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Change to a folder with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / EXAMPLES.parent).mkdir(parents=True)
    (tmp_path / EXAMPLES).symlink_to(ROOT / EXAMPLES)
    values = hc.mode_factors([1, 4], fresh_fraction=0.3, truncation_time=0.1, rounds=10)
    rows = [f"{i},{a!r},0.01,{b!r},0.01" for i, (a, b) in enumerate(values.tolist())]
    (tmp_path / "curve.csv").write_text(
        "\n".join(["round,degree 1,degree 1 error,degree 4,degree 4 error", *rows])
    )
    np.save(tmp_path / "data.npy", 127.5 * np.random.default_rng(0).normal(size=(50, 2)))
    write_generations(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(["config"]) == 0
    (tmp_path / "my.toml").write_text(out.getvalue())


def test_the_commands_are_found():
    assert len(commands()) >= 5
    assert len(dialogues()) == 2
    for name in COMMANDS:
        assert f"`{name}`" in PAGES


@pytest.mark.parametrize("line", [c for c in commands() if not SLOW.match(c)])
def test_commands(line, workplace, capsys):
    for earlier in NEEDED.get(line.split()[0], ()):
        assert run(shlex.split(earlier)) == 0
    assert run(shlex.split(line.split(">")[0])) == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("line", [c for c in commands() if SLOW.match(c)])
def test_long_commands(line, workplace, capsys):
    assert run(shlex.split(line)) == 0, capsys.readouterr().err
    out = re.search(r"--out (\S+)", line)
    assert not out or Path(out.group(1), "report.html").stat().st_size


@pytest.mark.parametrize(("line", "shown"), dialogues(), ids=lambda value: str(value).split()[0])
def test_answers_shown_are_the_answers(line, shown, workplace, capsys):
    assert run(shlex.split(line)) == 0
    answer = words(capsys.readouterr().out)
    positions = []
    for piece in shown:
        assert piece in answer, answer
        positions.append(answer.index(piece))
    assert positions == sorted(positions)


def test_ten_lines_of_python(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    code = block("python")
    assert len(re.findall(r"^\S", code, re.M)) <= 10
    printed: list[str] = []
    names = {"print": lambda *values: printed.append(" ".join(map(str, values)))}
    exec(compile(code, "README.md", "exec"), names)
    said = re.findall(r"^print\(.*?\)  # (.*)$", code, re.M)
    assert len(said) == len(printed) == 2
    for text, value in zip(said, printed, strict=True):
        assert value.startswith(text)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import of it fails
from hermite_collapse.app.cli.app import run
for line in sys.argv[1:]:
    status = run(line.split())
    print(line, "ended with", status)
"""


def test_what_works_without_torch(workplace):
    """All commands but those that simulate, which say what is missing."""
    works = [
        "predict",
        "audit edm --steps 18",
        f"diagnose {EXAMPLES / 'ring.csv'}",
        "schedule --known ddpm",
        "bounds",
        "spectrum",
        "config",
    ]
    out = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *works, "simulate"], capture_output=True, text=True, check=True
    )
    for line in works:
        assert f"{line} ended with 0" in out.stdout, out.stderr
    assert "simulate ended with 2" in out.stdout
    assert "torch" in out.stderr.splitlines()[-1]
    assert "Without `[torch]` everything but simulations works" in prose()


def test_numbers_of_the_caption():
    defaults = {name: p.default for name, p in inspect.signature(hc.demo).parameters.items()}
    share, time = defaults["fresh_fraction"], defaults["truncation_time"]
    assert f"with {100 * share:.0f} % of fresh data and a truncation time of {time}" in prose()
    assert f"from {defaults['particles']:,} samples".replace(",", " ") in prose()
    half = hc.half_degree(fresh_fraction=share, truncation_time=time)
    assert f"from degree {half:.2f} on less than half" in prose()
    formula = share / (share + np.exp(half * time / 2) - 1)
    assert formula == pytest.approx(0.5)
    assert "α / (α + e^(n t/2) − 1)" in README


def test_numbers_of_the_real_curve():
    """The truncation time that leads to the plateau, solved by hand, and what it leaves in every round."""
    curve = hc.read_curve(ROOT / EXAMPLES / "ring.csv")
    answer = hc.diagnose(curve, fresh_fraction=0.25)
    plateau = float(re.search(r"levels off at ([\d.]+)", words(answer.text)).group(1))
    shown = float(re.search(r"by a factor of ([\d.]+)", words(answer.text)).group(1))
    squared_scale = (1 - plateau) / (1 - 0.25 * 0.0025 - 0.75 * plateau)
    assert f"settles at {plateau:.3f}, where the data have 0.0025" in prose()
    assert f"would leave {0.75 * squared_scale:.2f} of the distance to it in every round" in prose()
    assert f"the curve leaves {shown:.2f}" in prose()


def test_numbers_of_the_audit():
    """The words around the answer say what stands in it."""
    (line, shown) = next((line, " ".join(shown)) for line, shown in dialogues() if line.startswith("audit"))
    steps, share = re.search(r"--steps (\d+) --fresh-fraction ([\d.]+)", line).groups()
    assert f"with {steps} steps and {100 * float(share):.0f} % of fresh data" in prose()
    one, limit = map(
        float, re.search(r"by ([\d.]+) in one round and by ([\d.]+) in the limit", shown).groups()
    )
    assert one == pytest.approx(1 + 1 / 5, abs=0.02)
    assert "One round adds a fifth to this variance" in prose()
    assert f"in the limit it is {limit:.0f} times as large" in prose()


def test_numbers_that_stand_twice():
    assert "with a quarter of fresh data" in prose()
    assert "ring.csv --fresh-fraction 0.25" in prose()
    assert "mean and standard error of 3 runs" in prose()
    assert "of 3 seeds" in words((ROOT / EXAMPLES / "ring.csv").read_text("utf-8"))
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f"Python {tomllib.loads(text)['project']['requires-python'].strip('>=')} or later" in prose()


@pytest.mark.parametrize("configuration", re.findall(r"```toml\n(.*?)```", PAGES, flags=re.DOTALL))
def test_configurations(configuration, workplace):
    parse_config(tomllib.loads(configuration)).build_recursion()


@pytest.mark.parametrize("name", ["README.md", "paper.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#\s]+)\)", (ROOT / name).read_text("utf-8")):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make (\w+)`", README))
    assert {"docs", "test", "check"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_citation_is_current():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == hc.__version__
    assert citation["license"] == "MIT"
    bibtex = block("bibtex")
    assert f"version = {{{hc.__version__}}}" in bibtex
    for reference in citation["references"]:
        assert reference["title"] in bibtex
        assert reference["identifiers"][0]["value"] in bibtex


def test_the_paper_cites_what_it_lists():
    text = (ROOT / "paper.md").read_text("utf-8")
    cited = set(re.findall(r"@(\w+)", text.partition("---\n")[2].partition("---\n")[2]))
    listed = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper.bib").read_text("utf-8"), re.M)
    assert len(listed) == len(set(listed))
    assert cited == set(listed)
    headings = re.findall(r"^# (.*)$", text, re.M)
    assert headings[:3] == ["Summary", "Statement of need", "State of the field"]


def test_forms_for_issues_are_complete():
    forms = [
        path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
    ]
    assert len(forms) >= 3
    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        assert form["name"] and form["description"]
        identifiers = [part["id"] for part in form["body"]]
        assert len(identifiers) == len(set(identifiers))
        assert all(part["attributes"]["label"] for part in form["body"])


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = yaml.safe_load((ROOT / "docs" / "conda" / "recipe.yaml").read_text("utf-8"))
    assert recipe["context"]["version"] == hc.__version__
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in project["scripts"].items()
    ]
    other_names = {"Jinja2": "jinja2", "matplotlib": "matplotlib-base"}
    wanted = {f"python {project['requires-python']}"}
    for requirement in project["dependencies"]:
        name, limits = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.add(f"{other_names.get(name, name)} {limits}")
    assert set(recipe["requirements"]["run"]) == wanted
