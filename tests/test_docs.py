"""The documentation: every public name, statement and script has its place; outputs come from running it."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

import hermite_collapse as hc

DOCS = Path(__file__).parent.parent / "docs"
GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))
THEORY = sorted((DOCS / "theory").glob("*.md"))


def extension(name: str):
    """One of the modules in docs/_extensions; skipped where Sphinx, which some need, is not installed."""
    if "sphinx" in (DOCS / "_extensions" / f"{name}.py").read_text("utf-8"):
        pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def text_of(pages: dict[str, str], name: str) -> list[str]:
    """The names in the table of a page of the reference."""
    return re.findall(r"^   (\w+)$", pages[f"api/{name}.md"], flags=re.MULTILINE)


def test_the_reference_has_every_public_name_once():
    api = extension("api_pages")
    pages = api.pages()
    listed = [name for topic in api.TOPICS for name in text_of(pages, topic)]
    assert len(listed) == len(set(listed))
    assert set(listed) | set(api.MODULES) | {"__version__"} == set(hc.__all__)
    for module in ("bounds", "distances", "figures"):
        names = {name for name in getattr(hc, module).__all__ if callable(getattr(getattr(hc, module), name))}
        assert set(text_of(pages, module)) == names
    assert {"Constant", "Polynomial", "Geometric", "Explicit"} <= set(text_of(pages, "schedules"))
    assert {"SamplerSteps", "Autoencoder", "Guidance"} <= set(text_of(pages, "mechanisms"))
    assert "checks" not in text_of(pages, "presets")


def test_a_name_without_a_topic_is_an_error(monkeypatch):
    api = extension("api_pages")
    monkeypatch.setattr(api.hc, "__all__", [*hc.__all__, "lonely"])
    with pytest.raises(ValueError, match="missing: lonely"):
        api.pages()


def test_every_statement_has_a_page_with_derivation_and_evidence():
    from paper_checks.registry import statements

    pages = extension("claim_pages").pages()
    index = pages["claims/index.md"]
    for item in statements():
        page = pages[f"claims/{item.id}.md"]
        assert f"]({item.id}.md)" in index
        assert item.formula in page and f"**{item.expected}**" in page
        assert page.count("*(checked by sympy)*") == sum(step.check is not None for step in item.derivation)
        assert "multiplied by 1.01, 0.99, 1.5 and 0.6" in page and page.count("\n- `") == len(item.weaker)
        assert page.count("\n| symbolic |") == sum(piece.kind == "symbolic" for piece in item.evidence)
        assert (item.displayed is None) or item.displayed.formula in page


def test_all_formulas_can_be_typeset():
    mathml = extension("mathml")
    pages = extension("claim_pages").pages()
    pages |= {path.name: path.read_text("utf-8") for path in THEORY}
    blocks = [block for page in pages.values() for block in re.findall(r"\$\$\n(.*?)\n\$\$", page, re.S)]
    assert len(blocks) > 200
    for block in blocks:
        assert mathml.converted(block, True).startswith("<math")
    assert mathml.converted(r"\frac12", False) == mathml.converted(r"\frac{1}{2}", False)
    with pytest.raises(Exception, match="unheardof"):
        mathml.converted(r"\unheardof", False)


def test_docstrings_become_markup():
    translated = extension("docstrings").translated
    lines = textwrap.dedent(
        """\
        Return the share of a mode, c* of |k|, by `attenuation`.

            g_n = alpha * x

        Text again with a_ and *args.

        Parameters
        ----------
        degree : int
            n >= 0.

        Examples
        --------
        >>> 2 * 3 ** 4
        162
        """
    ).splitlines()
    result = translated(lines)
    assert result[0] == (
        r"Return the share of a mode, c* of \|k\|, by :py:obj:`attenuation <hermite_collapse.attenuation>`."
    )
    assert result[2:5] == [".. code-block:: text", "", "    g_n = alpha * x"]
    assert r"a\_ and \*args" in result[6]
    assert "        n >= 0." not in result and "    n >= 0." in result
    assert ">>> 2 * 3 ** 4" in result


def test_sentences_of_an_output_are_joined_and_tables_left():
    passages = extension("executed").passages
    text = "one two " * 10  # 80 columns are full after ten
    sentence = f"{text.rstrip()}\nthree and then more.\n"
    rows = "degree  share\n     1   0.9\n"
    assert passages(sentence) == [(sentence.rstrip(), True)]
    assert passages(sentence + "\n" + rows + "A short line.\nAnother one.", 80) == [
        (f"{text.rstrip()} three and then more.\n", True),
        ("degree  share\n     1   0.9", False),
        ("A short line.\nAnother one.", True),
    ]
    assert passages("") == [] and passages("  a\n\n  b") == [("  a\n\n  b", False)]


def test_tables_of_records_are_in_words():
    table = extension("record_table").pages()["records_table.md"]
    assert table.startswith("| experiment | as predicted | verdict |\n")
    assert "| presets / wide 1d / exact / euler maruyama | yes | " in table
    page = extension("benchmark_page").pages()["benchmarks.md"]
    assert page.index("A target that is missed makes no result wrong") < page.index("**missed**")
    for name in ("_mib", " mib ", " giga", "gflops", "| what "):
        assert name not in page


def test_outputs_are_shortened_and_commands_run():
    executed = extension("executed")
    assert executed.shortened("a\nb\nc\nd\n", 2) == "a\nb\n... 2 more lines"
    assert executed.shortened("a\nb\nc\n", 2) == "a\nb\nc"
    table = "Sentence one.\nSentence two.\n\nTitle\nhead  v\n" + "".join(f"   {i}  1\n" for i in range(9))
    for cut in (3, 4, 5, 6):  # the title alone, the head, one row, two: too little of a table
        assert executed.shortened(table, cut) == "Sentence one.\nSentence two.\n... 12 more lines"
    assert executed.shortened(table, 7).endswith("   0  1\n   1  1\n... 7 more lines")
    assert executed.shortened("head  v\n" + "   1  1\n" * 5, 1) == "head  v\n... 5 more lines"
    status, output, _ = executed.output_of("hermite-collapse schedule --sigma 0.002 --json")
    assert status == 0 and output.startswith("{")


def test_requests_to_other_hosts_are_seen():
    requests = extension("offline").requests
    assert requests('<script async src="https://cdn.example/x.js">') == ["https://cdn.example/x.js"]
    assert requests('<link rel="stylesheet" href="//fonts.example/a.css">') == ["//fonts.example/a.css"]
    assert requests('<a href="https://example.org">x</a> <link rel="canonical" href="https://a.b">') == []
    assert requests("body { background: url(https://a.b/c.png) }", is_style=True) == ["https://a.b/c.png"]
    assert requests('<img src="_images/a.png">') == []


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_scripts_of_the_gallery_teach(path):
    text = path.read_text("utf-8")
    order = extension("gallery_settings").ORDER
    assert path.stem.removeprefix("plot_") in order
    title, rule, *_ = ast.get_docstring(ast.parse(text)).splitlines()
    assert set(rule) == {"="} and len(rule) >= len(title)
    assert "# %%" in text, "a second cell, so that pictures stand below the code that drew them"
    assert len(text.splitlines()) < 80
    imported = re.findall(r"^(?:from|import) (hermite_collapse[\w.]*)", text, flags=re.MULTILINE)
    assert set(imported) == {"hermite_collapse"}, "scripts use public names alone"


def test_numbers_in_the_words_of_the_gallery_are_computed():
    text = " ".join((DOCS / "gallery" / "plot_attenuation.py").read_text("utf-8").replace("# ", "").split())
    low, high = (hc.half_degree(fresh_fraction=share, truncation_time=0.1) for share in (0.03, 0.3))
    assert f"from {low:.2g} to {high:.2g}, a little less than ten times" in text and 8.0 < high / low < 10.0


def test_code_on_the_pages_is_no_wider_than_a_page():
    blocks = {
        path.name: "".join(
            re.findall(r"```(?:\{python\}|python|sh)\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
        )
        for path in DOCS.glob("*.md")
    }
    assert sum(map(bool, blocks.values())) >= 4
    for path in (DOCS / "gallery").glob("*.py"):
        _, _, code = path.read_text("utf-8").partition('"""')
        lines = code.partition('"""')[2].splitlines()
        blocks[path.name] = "\n".join(line for line in lines if not line.startswith("#"))
    wide = {name: [line for line in text.splitlines() if len(line) > 86] for name, text in blocks.items()}
    assert not {name: lines for name, lines in wide.items() if lines}


@pytest.mark.parametrize(
    ("formula", "mathml"),
    [
        (
            r"\hat p_N",
            "<msub><mover accent='true'><mi>p</mi><mo stretchy='false'>ˆ</mo></mover><mi>N</mi></msub>",
        ),
        (
            r"\hat p_i^2",
            "<msubsup><mover accent='true'><mi>p</mi><mo stretchy='false'>ˆ</mo></mover><mi>i</mi><mn>2</mn></msubsup>",
        ),
        (
            r"\|e\|",
            "{0}<mi>e</mi>{0}".format("<mo lspace='0' rspace='0' stretchy='false'>‖</mo>"),
        ),
        (r"\log p", "<mi>log</mi><mspace width='0.167em'/><mi>p</mi>"),
        (r"1/2", "<mn>1</mn><mo stretchy='false' lspace='0' rspace='0'>/</mo><mn>2</mn>"),
    ],
)
def test_indices_of_accents_bars_and_slashes_are_set_as_tex_sets_them(formula, mathml):
    made = ET.canonicalize(extension("mathml").converted(formula, False), strip_text=True)
    wanted = f"<math xmlns='http://www.w3.org/1998/Math/MathML'>{mathml}</math>"
    assert made == ET.canonicalize(wanted, strip_text=True)


def test_what_follows_a_formula_stays_on_its_line_and_short_code_in_one_piece():
    typography = extension("typography")
    from docutils import nodes
    from docutils.frontend import get_default_settings
    from docutils.parsers.rst import Parser
    from docutils.utils import new_document

    document = new_document("page", get_default_settings(Parser))
    document += nodes.paragraph(
        "", "", nodes.math("x", "x"), nodes.Text("?) It is"), nodes.literal("", "--fresh-fraction 1")
    )
    document += nodes.paragraph("", "", nodes.literal("", "a" * 60), nodes.math("y", "y"), nodes.Text(" or"))
    typography._keep_together(None, document, "page")
    together = list(document.findall(nodes.inline))
    assert [part.astext() for part in together] == ["x?)"] and together[0]["classes"] == ["together"]
    assert document.astext().replace("\n\n", " ") == "x?) It is--fresh-fraction 1 " + "a" * 60 + "y or"
    assert [literal["classes"] for literal in document.findall(nodes.literal)] == [["short"], []]


def test_every_recorded_picture_on_a_page_has_a_narrow_form(tmp_path):
    nodes = pytest.importorskip("docutils.nodes")
    shown = [
        (path.parent / uri).resolve()
        for path in DOCS.glob("*.md")
        for uri in re.findall(r"!\[[^]]*\]\(([^)]+\.svg)\)", path.read_text("utf-8"))
    ]
    assert shown and all(path.with_stem(f"{path.stem}_narrow").is_file() for path in shown)
    images = [nodes.image(uri=name) for name in ("a.svg", "b.svg")]
    for name in ("a.svg", "a_narrow.svg", "b.svg"):
        (tmp_path / name).write_text("<svg/>")
    page = nodes.paragraph("", "", *images)
    environment = SimpleNamespace(docname="page", doc2path=lambda name: str(tmp_path / f"{name}.md"))
    extension("narrow_pictures")._add_narrow(SimpleNamespace(env=environment), page)
    assert [(image["uri"], image["classes"]) for image in page.findall(nodes.image)] == [
        ("a.svg", ["wide-screen"]),
        ("a_narrow.svg", ["narrow-screen"]),
        ("b.svg", []),
    ]


def test_the_gallery_is_large_enough():
    assert len(GALLERY) >= 16
    assert {path.stem.removeprefix("plot_") for path in GALLERY} == set(extension("gallery_settings").ORDER)


def test_every_question_is_answered_by_running_something():
    page = (DOCS / "questions.md").read_text("utf-8")
    questions = page.split("\n## ")[1:]
    assert len(questions) == 10
    for question in questions:
        assert "```{command}" in question or "```{python}" in question, question.splitlines()[0]
        assert "**How to read it.**" in question, question.splitlines()[0]


@pytest.mark.parametrize("path", THEORY, ids=lambda path: path.stem)
def test_every_formula_of_the_theory_leads_to_its_statement(path):
    """Sections with a displayed formula name a function or a statement, and the names exist."""
    text = path.read_text("utf-8")
    for section in text.split("\n## ")[1:]:
        if "$$" in section and not section.startswith("One verdict"):
            assert "Statement" in section or "Function" in section, section.splitlines()[0]
    for name in re.findall(r"\{py:obj\}`[^<]*<hermite_collapse\.([\w.]+)>`", text):
        value = hc
        for part in name.split("."):
            value = getattr(value, part)
    pages = extension("claim_pages").pages()
    for name in re.findall(r"/claims/([\w.]+)`", text):
        assert name == "index" or f"claims/{name}.md" in pages
    for name in re.findall(r"/examples/(\w+)`", text):
        assert name == "index" or (DOCS / "gallery" / f"{name}.py").exists()


def public_signatures():
    """Yield the public functions, classes and their methods with the names of their arguments."""
    for module in (hc, *(getattr(hc, name) for name in extension("api_pages").MODULES)):
        for name in getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"]):
            value = getattr(module, name)
            members = [f for key, f in vars(value).items() if key[0] != "_"] if inspect.isclass(value) else []
            for function in filter(callable, (value, *members)):
                with contextlib.suppress(ValueError, TypeError):  # some classes of Python have no signature
                    yield f"{module.__name__}.{name}", inspect.signature(function).parameters


def test_the_truncation_time_has_one_name_and_the_docs_say_so():
    names = {
        (owner, argument)
        for owner, arguments in public_signatures()
        for argument in arguments
        if argument.startswith("trunc") or argument in {"t0", "t_0", "tau"}
    }
    owners = {owner.split(".")[-1] for owner, argument in names if argument == "truncation_time"}
    assert {"Recursion", "attenuation", "mode_factors", "diagnose", "wasserstein_bound"} <= owners
    others = {(owner.split(".")[-1], argument) for owner, argument in names if argument != "truncation_time"}
    assert others == {("SimulatedRecursion", "truncation_times")}  # one recorded time for each round
    start = " ".join((DOCS / "start.md").read_text("utf-8").split())
    assert "`fresh_fraction` and `truncation_time` in Python and in configurations" in start
    assert "`truncation_time` also takes a schedule" in start
    for value in (0.1, [0.1, 0.2], hc.schedules.Geometric(0.1, 0.9)):
        assert hc.mode_factors(2, fresh_fraction=0.3, truncation_time=value, rounds=2).shape


def test_the_page_of_samplers_is_the_record():
    page = extension("sampler_page").pages()["samplers.md"]
    record = json.loads(
        (DOCS.parent / "validation" / "records" / "cpu" / "schedulers.json").read_text("utf-8")
    )
    table = [line.split(" | ") for line in page.splitlines() if re.search(r"^\| .*, \d+ \|", line)]
    assert len(table) == len(record["samplers"]) >= 20
    for cells, row in zip(table, record["samplers"], strict=True):
        shown = [float(cell.strip(" |")) for cell in cells[1:]]
        limits = [row["limits"][share]["exact"][2] for share in ("0.9", "0.5", "0.1")]
        assert shown == pytest.approx([row["one_round"]["exact"][2], *limits], rel=6e-3)
        assert row["name"] in cells[0]
    families = ("Stable Diffusion 1.5", "SDXL", "Stable Diffusion 3", "FLUX", "EDM", "DDPM", "LCM")
    assert all(family in page for family in families)
    for source in ("index", "questions"):
        assert "samplers" in (DOCS / f"{source}.md").read_text("utf-8")
