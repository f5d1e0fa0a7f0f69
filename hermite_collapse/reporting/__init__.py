"""Pages people read: one self-contained HTML file for each result, and short views of objects in notebooks.

reporting.write_report(folder, comparison=..., recursion=..., simulated=..., config_text=..., command=...)
reporting.page.render("my.html.j2", folder=..., title=..., ...)     another page with the same style sheet
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from ..comparison.shares import error_shares as error_shares
    from . import notebook as notebook
    from . import page as page
    from . import report as report
    from . import tables as tables
    from . import terminal as terminal
    from . import words as words
    from .notebook import notebook_view as notebook_view
    from .report import report_text as report_text
    from .report import write_report as write_report

if not TYPE_CHECKING:  # type checkers refuse names that are not imported above
    __getattr__, __dir__, __all__ = lazy_names(__spec__)
