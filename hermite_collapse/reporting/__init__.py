"""Pages people read: one self-contained HTML file for each result, and short views of objects in notebooks.

reporting.write_report(folder, comparison=..., recursion=..., simulated=..., config_text=..., command=...)
reporting.page.render("my.html.j2", folder=..., title=..., ...)     another page with the same style sheet
"""

from __future__ import annotations

from ..core.lazy import lazy_names

_MODULES = ("notebook", "page", "report", "tables", "terminal", "words")
_PUBLIC = {
    "write_report": "report",
    "report_text": "report",
    "error_shares": "report",
    "notebook_view": "notebook",
    **{module: module for module in _MODULES},
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
