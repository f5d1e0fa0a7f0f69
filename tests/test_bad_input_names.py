"""Names of files, columns and classes that would act: every output stays valid, and nothing in it is obeyed."""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run
from hermite_collapse.core.printable import printable, printable_lines

NAMES = {
    "script": "<script>alert(1)</script>",
    "end of a script": "</script><img src=x onerror=alert(1)>",
    "end of a style": "</style></svg><b>",
    "end of a comment": "--><script>--!>",
    "end of character data": "]]><x/>",
    "attribute": "\" onmouseover='alert(1)",
    "entities": "a&b;&lt;&#0;&amp;",
    "colour": "\x1b[31mred\x1b[0m",
    "title of a window": "\x1b]0;owned\x07",
    "other controls": "\x9b2J\x7f\x08\x0c",
    "reordered": "abc\u202egnp.\u2066x\u2069",
    "lines": "one\ntwo\r\nthree\u2028four",
    "separators": "a,b;c\td",
    "mathematics": "$\\frac{1}{$ x_{ $$ \\input{x} 100%",
    "template": "{{ 7*7 }}{% raw %}{0}%s%n",
    "formula of a sheet": "=1+cmd|' /C calc'!A0",
    "option": "--help",
    "undecodable": "a\udcffb",
    "half a pair": "a\ud83db",
    "zero": "a\x00b",
    "long": "n" * 5000,
    "combining": "e" + "\u0301" * 300,
    "noncharacter": "\ufffe\uffff",
    "nothing": "\u200b\u00ad\ufeff",
}
TOGETHER = "<script>&amp;\"'\x1b[31m\u202e\n;,$x_{ {{7*7}}\u0301"
FILES = {
    key: shown
    for key, name in NAMES.items()
    for shown in [name.replace("/", "\u2215").replace("\x00", "")[:60]]
    if key not in ("half a pair", "zero")
}


def names(table: dict[str, str]) -> list:
    """One name with the worst of all, and each of a table with the slow tests."""
    return [
        pytest.param(TOGETHER, id="together"),
        *(pytest.param(name, id=key, marks=pytest.mark.slow) for key, name in table.items()),
    ]


class Page(HTMLParser):
    """Tags of a page by name, and attributes that run code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.active: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.active += [(tag, key) for key, value in attrs if key.startswith("on")]
        self.active += [(tag, key) for key, value in attrs if "javascript:" in (value or "")]


def assert_plain(text: str) -> None:
    """Nothing a terminal would obey: lines end by a line feed, and every other character stands for itself."""
    for line in text.split("\n"):
        assert printable(line) == line, ascii(line)


def assert_harmless(folder: Path, plain: Path | None = None) -> None:
    """Every file of a folder can be parsed, and a page has the elements of the page for a plain name."""
    for file in (path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".svg":
            root = ET.parse(file).getroot()
            tags = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert not tags & {"script", "foreignObject", "a", "image", "iframe"}, file
            assert not [key for element in root.iter() for key in element.attrib if key.startswith("on")]
        elif file.suffix == ".json":
            json.loads(file.read_text("utf-8"), parse_constant=lambda word: pytest.fail(word))
        elif file.suffix == ".html":
            text = file.read_bytes().decode("utf-8")
            page = Page(text)
            assert not page.active and not [
                c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"
            ]
            assert text.count("\u202e") == 0
            if plain is not None:
                assert page.tags == Page((plain / file.relative_to(folder)).read_text("utf-8")).tags
        elif file.suffix == ".toml":
            import tomllib

            tomllib.loads(file.read_bytes().decode("utf-8"))


def command(arguments: list[str], capsys) -> int:
    """Run, and hold what is printed: plain text, and JSON where it was asked for."""
    status = run(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err, err[-2000:]
    assert status in (0, 2), err
    assert_plain(err)
    if "--json" in arguments and status == 0:
        json.loads(out, parse_constant=lambda word: pytest.fail(word))
    assert_plain(out)
    if status == 2:
        assert out == "" and err.count("\n") == 1 and len(err) < 2000
    return status


@pytest.fixture(scope="module")
def data() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(60, 2)) * (1.0 - 0.1 * i) for i in range(3)]


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory) -> Path:
    """What the commands leave for plain names."""
    folder = tmp_path_factory.mktemp("plain")
    here = os.getcwd()
    os.chdir(folder)
    try:
        everything("plain", data)
    finally:
        os.chdir(here)
    return folder


def everything(name: str, data: list[np.ndarray]) -> dict[str, list[str]]:
    """Write the files under that name; the commands that read them, by the folder they leave."""
    for i, samples in enumerate(data):
        np.save(f"{name}-{i}.npy", samples)
    Path(f"{name}.csv").write_text("round,degree 1\n0,1\n1,0.9\n2,0.85\n3,0.82\n")
    shutil.copy(f"{name}.csv", "curve.csv")
    generations = [f"./{name}-1.npy", f"./{name}-2.npy"]
    commands = {
        f"measured {name}": ["measure", "--data", f"./{name}-0.npy", "--generations", *generations],
        f"diagnosed {name}": ["diagnose", f"./{name}.csv", "--fresh-fraction", "0.3"],
        f"spectrum {name}": ["spectrum", "--samples", f"./{name}-0.npy", "--degree", "2"],
    }
    for folder, words in commands.items():
        commands[folder] = [*words, "--out", f"./{folder}", "--figure-format", "svg"]
    return commands


@pytest.mark.parametrize("name", names(FILES))
def test_names_of_files_and_folders(name, data, plain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        commands = everything(name, data)
    except (OSError, UnicodeError):
        pytest.skip("no file can have this name here")
    reference = everything_plain(plain, capsys)
    for folder, words in commands.items():
        status = command(words, capsys)
        if status == 0:
            assert_harmless(Path(folder), plain / f"{folder.split(' ')[0]} plain")
        command([*words[: words.index("--out")], "--json"], capsys)
        command(["report", f"./{folder}"], capsys)
    assert reference


def everything_plain(plain: Path, capsys) -> bool:
    """Make the pages of the plain names, once."""
    here = os.getcwd()
    os.chdir(plain)
    try:
        if not (plain / "measured plain").exists():
            for words in everything("plain", [np.load(f"plain-{i}.npy") for i in range(3)]).values():
                assert command(words, capsys) == 0
    finally:
        os.chdir(here)
    return True


@pytest.mark.parametrize("name", names(NAMES))
def test_names_of_columns(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quoted = name.replace('"', '""')
    text = f'round,"degree 1 {quoted}","{quoted}"\n0,1,3\n1,0.9,2\n2,0.85,1\n3,0.82,1\n'
    Path("a.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    for words in (["--json"], ["--out", "d", "--figure-format", "svg"]):
        command(["diagnose", "a.csv", "--fresh-fraction", "0.3", *words], capsys)
    if Path("d").exists():
        assert_harmless(Path("d"))


@pytest.mark.parametrize("name", names(NAMES))
def test_names_of_classes_and_configurations(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scheduler = {"_class_name": name, "num_train_timesteps": 100, "beta_start": 1e-4, "beta_end": 0.02}
    Path("s.json").write_text(json.dumps(scheduler))
    for words in (["--json"], ["--out", "s"]):
        command(["schedule", "--scheduler-file", "s.json", *words], capsys)
    scheduler = {**scheduler, "_class_name": "DDIMScheduler", "beta_schedule": name, name: name}
    Path("s.json").write_text(json.dumps(scheduler))
    command(["schedule", "--scheduler-file", "s.json"], capsys)
    spelled = json.dumps(name, ensure_ascii=not any("\ud800" <= c <= "\udfff" for c in name))
    for text in (
        f"[target]\npreset = {spelled}\n",
        f"[target]\nsamples = {spelled}\n",
        f"[recursion]\n{spelled} = 1\n",
        f"[{spelled}]\nrounds = 1\n",
        f"[simulation]\ndevice = {spelled}\n",
    ):
        Path("c.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        assert command(["simulate" if "device" in text else "predict", "c.toml", "--out", "o"], capsys) == 2
    assert not Path("o").exists()
    for words in (["predict", "--preset", name], [name], ["predict", f"--{name}", "1"]):
        if "\x00" not in name and name != "--help":
            assert command(words, capsys) == 2


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_in_python(name, data):
    """Generations by name, in text, views of notebooks and figures."""
    measured = hc.measure(data[0], {f"{name} gen 1": data[1], "other gen 2": data[2]}, scale=1.0)
    for text in (str(measured), repr(measured), measured._repr_html_()):
        assert printable_lines(text) == text
    assert "<script" not in measured._repr_html_()
    figure = measured.plot().get_figure()
    from hermite_collapse.figures.saving import svg_text

    root = ET.fromstring(svg_text(figure))
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_what_would_act_is_noticed(tmp_path):
    (tmp_path / "a.html").write_text("<p onclick=x>")
    with pytest.raises(AssertionError):
        assert_harmless(tmp_path)
    (tmp_path / "a.html").write_text("<p>")
    assert_harmless(tmp_path)
    (tmp_path / "a.svg").write_text("<svg><script/></svg>")
    with pytest.raises(AssertionError):
        assert_harmless(tmp_path)
    with pytest.raises(AssertionError):
        assert_plain("\x1b[31m")
    assert re.match(r"a\\x1b", printable("a\x1b"))
