"""Recorded pictures on narrow screens: beside `name.svg` may lie `name_narrow.svg`, and the screen decides which shows."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx


def _add_narrow(app: Sphinx, document: nodes.document) -> None:
    """Put the narrow picture after each wide one that has it."""
    here = Path(app.env.doc2path(app.env.docname)).parent
    for image in list(document.findall(nodes.image)):
        path = here / image["uri"]
        if path.suffix != ".svg" or not path.with_stem(f"{path.stem}_narrow").is_file():
            continue
        narrow = image.deepcopy()
        narrow["uri"] = image["uri"].removesuffix(".svg") + "_narrow.svg"
        image["classes"].append("wide-screen")
        narrow["classes"].append("narrow-screen")
        image.parent.insert(image.parent.index(image) + 1, narrow)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", _add_narrow, priority=400)  # before Sphinx collects the files of images
    return {"parallel_read_safe": True, "parallel_write_safe": True}
