"""Pages written from the package, the statements and the records before Sphinx reads the sources."""

from __future__ import annotations

from pathlib import Path

import api_pages
import benchmark_page
import claim_pages
import record_table
import sampler_page
from sphinx.application import Sphinx
from sphinx.config import Config


def write_pages(app: Sphinx, config: Config) -> None:
    source = Path(app.srcdir)
    modules = (api_pages, claim_pages, benchmark_page, sampler_page, record_table)
    pages = {name: text for module in modules for name, text in module.pages().items()}
    for folder in ("api", "claims"):
        for page in (source / folder).glob("*.md"):  # a name that is gone has no page
            if f"{folder}/{page.name}" not in pages:
                page.unlink()
    for name, text in pages.items():
        path = source / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:  # unchanged pages need not be read again
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", write_pages)  # before Sphinx lists the sources, which autosummary searches
    return {"parallel_read_safe": True, "parallel_write_safe": True}
