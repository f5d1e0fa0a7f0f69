"""Names that load on first use (PEP 562), for packages whose rooms are heavy or seldom wanted together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, public: Mapping[str, str], also: tuple[str, ...] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    Parameters
    ----------
    package : its `__name__`.
    public : public name -> module below the package that holds it; a name equal to the last part of its module is
        the module itself.
    also : names that are there from the start.
    """
    names = [*also, *sorted(public)]

    def load(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{public[name]}")
        value = module if public[name].split(".")[-1] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: names, names
