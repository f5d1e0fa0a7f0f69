"""Pages people read: one self-contained HTML file for each result, and short views of objects in notebooks.

reporting.write_report(folder, comparison=..., recursion=..., simulated=..., config_text=..., command=...)
reporting.page.render("my.html.j2", folder=..., title=..., ...)     another page in the same dress
"""

from __future__ import annotations

from ..core.lazy import lazy_names

_PUBLIC = {
    "write_report": "report",
    "report_text": "report",
    "notebook_view": "notebook",
    "error_shares": "shares",
}
_PUBLIC |= {room: room for room in ("notebook", "page", "report", "tables", "words")}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
