"""Sphinx configuration: one page for each module of the package, docstrings shown as they are written."""

from __future__ import annotations

from pathlib import Path

import hermite_collapse

project = "hermite_collapse"
author = "The hermite_collapse developers"
copyright = author
release = version = hermite_collapse.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {
    "description": "What recursive training does to a diffusion model",
    "page_width": "70rem",
}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
myst_heading_anchors = 3
nitpicky = False

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hermite_collapse"


def verbatim(app, what, name, obj, options, lines):
    """A docstring's layout carries its formulas; shown as text it cannot be misread as markup."""
    if lines:
        lines[:] = [".. code-block:: none", "", *("   " + line for line in lines), ""]


def modules() -> list[str]:
    """Every public module, by dotted name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts[1:]) and "cli" not in parts:
            names.append(".".join(parts))
    return names


def write_pages(app) -> None:
    """Write one page for each module, and the list of them."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for page in folder.glob("*.rst"):  # a module that is gone has no page
        page.unlink()
    names = modules()
    for name in names:
        # A package shows its own words; what it hands on is documented where it is defined.
        is_package = (ROOT / Path(*name.split("."))).is_dir()
        options = "" if is_package else "   :members:\n   :undoc-members:\n   :show-inheritance:\n"
        text = f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n{options}"
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")
    entries = "\n".join(f"   {name}" for name in names)
    (folder / "index.rst").write_text(
        f"The modules\n===========\n\n.. toctree::\n   :maxdepth: 1\n\n{entries}\n", encoding="utf-8"
    )


def setup(app) -> None:
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", verbatim)
