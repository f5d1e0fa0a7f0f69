"""Pages people read: one self-contained HTML file for each result, and short views of objects in notebooks.

reporting.write_report(folder, comparison=..., recursion=..., simulated=..., config_text=..., command=...)
reporting.page.render("my.html.j2", folder=..., title=..., ...)     another page in the same dress
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {"write_report": "report", "report_text": "report", "notebook_view": "notebook"}
_ROOMS = ("notebook", "page", "report", "tables", "words")

__all__ = sorted({*_PUBLIC, *_ROOMS})


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
