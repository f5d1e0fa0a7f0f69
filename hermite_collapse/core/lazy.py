"""Names that load on first use (PEP 562), for packages whose modules are heavy or seldom wanted together.

A package lists its public names once, as imports for the type checker:

    if TYPE_CHECKING:
        from .modes import attenuation as attenuation
        from .laws import presets as presets

    if not TYPE_CHECKING:
        __getattr__, __dir__, __all__ = lazy_names(__spec__)

A name after `as` is the public one.  Editors and type checkers read these imports; at run time they are read from the
source, and a name is imported when it is first asked for.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec


def lazy_names(
    spec: ModuleSpec, *, also: tuple[str, ...] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package.

    Parameters
    ----------
    spec : ModuleSpec
        The package's `__spec__`.
    also : tuple of str
        Names that are there from the start.
    """
    package = spec.name
    source = spec.loader.get_source(package) if isinstance(spec.loader, InspectLoader) else None
    public = dict(_imports_for_type_checking(source or "", package))
    names = [*also, *sorted(public)]

    def load(name: str) -> object:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        origin, inner = public[name]
        value: object = None if origin == package else vars(importlib.import_module(origin)).get(inner)
        if value is None:
            value = importlib.import_module(f"{origin}.{inner}")
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: names, names


def _imports_for_type_checking(source: str, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each public name with the absolute name of the module that it is imported from, and its name there."""
    for block in ast.parse(source).body:
        if not (
            isinstance(block, ast.If)
            and isinstance(block.test, ast.Name)
            and block.test.id == "TYPE_CHECKING"
        ):
            continue
        for statement in block.body:
            if isinstance(statement, ast.ImportFrom) and statement.level:
                module = importlib.util.resolve_name(
                    "." * statement.level + (statement.module or ""), package
                )
                for alias in statement.names:
                    if alias.asname is not None:
                        yield alias.asname, (module, alias.name)
