"""The layers of the package: imports point downward only, heavy modules load late, torch stays in the simulation."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

from tests.processor_time import is_kept, seconds_of_python

PACKAGE = Path(__file__).parent.parent / "hermite_collapse"

FLOORS = [
    {"core"},
    {"hermite", "storage"},
    {"laws"},
    {"distances"},
    {"recursion"},
    {"pipeline"},
    {"bounds", "diagnosis"},
    {"comparison", "advice", "simulation"},
    {"figures"},
    {"reporting"},
    {"app", "__main__"},
]
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
PROBES_TORCH_OBJECTS = {  # drive schedulers, which are torch objects
    "hermite_collapse.pipeline.scheduler_probe",
    "hermite_collapse.pipeline.probe_numbers",
}
HEAVY = (
    "scipy",
    "numba",
    "xarray",
    "matplotlib",
    "torch",
    "ot",
    "pandas",
    "sklearn",
    "pydantic",
    "cyclopts",
    "sympy",
)


def modules() -> dict[str, Path]:
    return {
        ".".join(("hermite_collapse", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@functools.cache
def imports(name: str, path: Path, *, types: bool = False) -> list[tuple[str, bool]]:
    """Modules imported by a file, as (absolute name, at module level); those for the type checker only if asked."""
    found = []
    is_package = path.name == "__init__.py"

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types:
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = name.split(".")[: None if is_package else -1]
            base = base[: len(base) - node.level + 1] if node.level else []
            root = ".".join([*base, node.module] if node.module else base)
            for alias in node.names:
                inner = f"{root}.{alias.name}"
                found.append((inner if inner in KNOWN else root, top))
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, top and not inside)

    visit(ast.parse(path.read_text("utf-8")), True)
    return found


KNOWN = modules()


def subpackage(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_subpackage_has_a_layer():
    """A new one gets its layer here and in CONTRIBUTING."""
    assert {subpackage(name) for name in KNOWN if name != "hermite_collapse"} <= set(FLOOR)


def upward(name: str, path: Path) -> list[str]:
    """Imports of a module that lives above it."""
    targets = {target for target, _ in imports(name, path) if target.startswith("hermite_collapse.")}
    return sorted(t for t in targets if FLOOR[subpackage(t)] > FLOOR[subpackage(name)])


def test_imports_point_downward():
    above = {name: upward(name, path) for name, path in KNOWN.items() if name != "hermite_collapse"}
    assert not {name: targets for name, targets in above.items() if targets}


def circle_in(edges: dict[str, set[str]]) -> tuple[str, ...]:
    """A path that ends where it began, if there is one."""
    done: set[str] = set()

    def walk(node: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if node in path:
            return (*path[path.index(node) :], node)
        if node not in done:
            for target in sorted(edges.get(node, ())):
                circle = walk(target, (*path, node))
                if circle:
                    return circle
            done.add(node)
        return ()

    for node in edges:
        circle = walk(node, ())
        if circle:
            return circle
    return ()


def test_no_circle_of_modules():
    """Late imports and those for the type checker count; a package's list of lazy names does not."""
    edges = {
        name: {target for target, _ in imports(name, path, types=True) if target in KNOWN and target != name}
        for name, path in KNOWN.items()
        if path.name != "__init__.py"
    }
    assert not circle_in(edges), " -> ".join(circle_in(edges))


def test_no_circle_of_subpackages():
    """Subpackages of one layer may use each other, but not in a circle."""
    edges: dict[str, set[str]] = {name: set() for name in FLOOR}
    for name, path in KNOWN.items():
        for target, _ in imports(name, path):
            own, other = subpackage(name), subpackage(target)
            if target.startswith("hermite_collapse.") and own in edges and own != other:
                edges[own].add(other)
    assert not circle_in(edges), " -> ".join(circle_in(edges))


def test_rooms_of_the_diagnosis_use_those_below():
    """Arguments and answers above, measured samples and their curves below."""
    floors = ("measuring", "observed", "fits", "samplers", "noise", "")

    def floor(module: str) -> int:
        parts = module.split(".")[2:]
        is_room = bool(parts) and parts[0] in floors
        return floors.index(parts[0] if is_room else "")

    inside = {name: path for name, path in KNOWN.items() if name.startswith("hermite_collapse.diagnosis.")}
    above = {
        (name, target)
        for name, path in inside.items()
        for target, _ in imports(name, path, types=True)
        if target in inside and floor(target) > floor(name)
    }
    assert len({floor(name) for name in inside}) == len(floors) and not above


def test_a_circle_would_be_seen():
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ("b", "c", "b")
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ()


def test_torch_only_in_the_simulation():
    importers = {
        name
        for name, path in KNOWN.items()
        if any(target.split(".")[0] == "torch" for target, _ in imports(name, path, types=True))
    }
    outside = {name for name in importers if subpackage(name) != "simulation"}
    assert importers - outside and outside <= PROBES_TORCH_OBJECTS


def test_scipy_stats_nowhere():
    for name, path in KNOWN.items():
        targets = [target for target, _ in imports(name, path) if target.startswith("scipy.stats")]
        source = path.read_text("utf-8")
        assert not targets and "from scipy import stats" not in source and "scipy.stats." not in source, name


def test_the_reader_of_imports_sees_them(tmp_path):
    """Control: an upward import, a late one and a relative one are found."""
    file = tmp_path / "x.py"
    file.write_text("from . import app\ndef f():\n    import torch\n    from ..hermite.basis import y\n")
    found = imports("hermite_collapse.laws.x", file)
    assert ("torch", False) in found and ("hermite_collapse.hermite.basis", False) in found
    assert imports("hermite_collapse.x", file)[0] == ("hermite_collapse.app", True)
    assert upward("hermite_collapse.laws.y", file) == []
    file.write_text("from ..app import run\n")
    assert upward("hermite_collapse.laws.z", file) == ["hermite_collapse.app.run"]


def loaded_by(code: str) -> list[str]:
    """Modules in memory after some code in a fresh interpreter."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_numpy_at_most_and_is_quick():
    assert not set(loaded_by("import hermite_collapse")) & set(HEAVY)
    assert is_kept(
        lambda: (
            seconds_of_python("-c", "import hermite_collapse") < 2.0 * seconds_of_python("-c", "import numpy")
        )
    )


def test_public_names_load_and_are_listed():
    code = (
        "import hermite_collapse as hc\n"
        "missing = [n for n in hc.__all__ if n not in ('simulation',) and not hasattr(hc, n)]\n"
        "assert not missing, missing\nassert set(hc.__all__) <= set(dir(hc))"
    )
    names = loaded_by(code)
    assert "torch" not in names


def test_no_module_hides_a_public_function():
    """With lazy names, a module called like a function would take its place once imported."""
    import types

    import hermite_collapse as hc

    children = {module.split(".")[1] for module in KNOWN if module.count(".") == 1}
    for name in set(hc.__all__) & children:
        assert isinstance(getattr(hc, name), types.ModuleType), name


def test_lazy_names_of_a_package_are_its_imports_for_type_checkers():
    from hermite_collapse.core.lazy import _imports_for_type_checking

    source = """
from typing import TYPE_CHECKING
from .a import early as early
if TYPE_CHECKING:
    from .b.c import late as late
    from .b.c import long_name as short
    from . import module as module
    from .d import private
    from ..up import above as above
"""
    assert dict(_imports_for_type_checking(source, "root.package")) == {
        "late": ("root.package.b.c", "late"),
        "short": ("root.package.b.c", "long_name"),
        "module": ("root.package", "module"),
        "above": ("root.up", "above"),
    }


def test_theory_works_without_torch():
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch': raise ModuleNotFoundError(name, name='torch')\n"
        "sys.meta_path.insert(0, Block())\n"
        "import hermite_collapse as hc\n"
        "r = hc.Recursion(hc.presets.load('three_modes_1d'), fresh_fraction=0.3, truncation_time=0.1)\n"
        "r.limit().density([0.0])\n"
        "try:\n    hc.simulation.simulate\n"
        "except Exception as error:\n    assert 'hermite-collapse[torch]' in str(error).replace('_', '-'), error\n"
        "else:\n    raise AssertionError('the simulation loaded without torch')"
    )
    loaded_by(code)


def test_a_slow_import_would_be_noticed():
    """Control of the clock and of the list of modules above."""
    assert "scipy" in loaded_by("import scipy")
    assert not is_kept(
        lambda: seconds_of_python("-c", "for _ in range(10**7): pass") < seconds_of_python("-c", "pass")
    )
