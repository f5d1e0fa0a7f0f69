"""Sphinx configuration: a site that needs no other host, executed examples, warnings are errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [
    str(HERE / "_extensions"),
    str(ROOT),
]  # paper_checks and validation are read from the checkout

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # two cores: threads that wait must not spin
os.environ["MPLBACKEND"] = "agg"

import gallery_settings  # noqa: E402

import hermite_collapse  # noqa: E402

project = "hermite_collapse"
author = "The hermite_collapse developers"
copyright = author
release = version = hermite_collapse.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "narrow_pictures",
    "executed",
    "docstrings",
    "generated_pages",
    "typography",
    "offline",
]
exclude_patterns = [
    "_build",
    "_templates",
    "_extensions",
    "conda",
    "gallery",
    "records_table.md",
    "sg_execution_times.rst",
    "examples/sg_execution_times.rst",
]
templates_path = ["_templates"]
nitpicky = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures one can read; the types are in the docstrings
autodoc_preserve_defaults = True
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_param = False  # words of a type, such as rounds, are no names to link
napoleon_use_rtype = False
napoleon_custom_sections = ["Accuracy", "Cost", ("Attributes", "params_style")]
add_module_names = False
python_maximum_signature_line_length = 72

html_theme = "furo"
html_title = "hermite_collapse"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"

suppress_warnings = [
    "config.cache"
]  # functions among the gallery's settings cannot be cached
sphinx_gallery_conf = gallery_settings.SETTINGS
