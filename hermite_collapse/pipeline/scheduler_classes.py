"""Scheduler classes of diffusers by their names, without what importing diffusers loads and probing never calls."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from ..core.errors import InputError
from .scheduler_conventions import SchedulerObject

INSTALL = 'pip install "hermite-collapse[diffusers]"'
# Modules of classes that import torchsde, which makes only the noise that is answered here.
WITHOUT_TORCHSDE = {
    "DPMSolverSDEScheduler": "scheduling_dpmsolver_sde",
    "CosineDPMSolverMultistepScheduler": "scheduling_cosine_dpmsolver_multistep",
}


def require(module: str) -> None:
    """Say what to install where a package is missing."""
    try:
        __import__(module)
    except ImportError:
        raise InputError(
            f"scheduler needs {module} to be probed, which is not installed: {INSTALL}."
        ) from None


def scheduler_class(name: str) -> type[SchedulerObject]:
    """Return a scheduler class of diffusers.

    Raises
    ------
    InputError
        If diffusers is not installed, or has no such class.
    """
    with quiet(), _light_imports():
        require("diffusers")
        import diffusers
        from diffusers import schedulers

        kind = None
        if name in WITHOUT_TORCHSDE:
            missing = importlib.util.find_spec("torchsde") is None
            with _placeholder("torchsde") if missing else ExitStack():
                module = importlib.import_module(f"diffusers.schedulers.{WITHOUT_TORCHSDE[name]}")
            kind = getattr(module, name, None)
        elif name in dir(schedulers):  # another class of diffusers would import what it is built on
            kind = getattr(schedulers, name, None)
    if not isinstance(kind, type):
        raise InputError(
            f"_class_name must be a scheduler of diffusers {diffusers.__version__}, got {name!r}."
        )
    return kind


@contextmanager
def quiet() -> Iterator[None]:
    """Keep diffusers from printing: unused settings and deprecations of its own are common and harmless."""
    logger = logging.getLogger("diffusers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _light_imports() -> Iterator[None]:
    """Import diffusers without the compiler of torch and the distributions of SciPy, until somebody uses them.

    Both take longer than all the rest.  diffusers takes one function of the compiler, a decorator of networks, which
    loads it when it is called; its schedulers reach the distributions through the name of SciPy, which loads them.
    """
    with ExitStack() as stack:
        if "diffusers" not in sys.modules:
            stack.enter_context(_placeholder("torch._dynamo", allow_in_graph=_allow_in_graph))
        stack.enter_context(_placeholder("scipy.stats"))
        yield


def _allow_in_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function, or a network's class, for the compiler of torch."""
    return importlib.import_module("torch._dynamo").allow_in_graph(function)  # type: ignore[no-any-return]


@contextmanager
def _placeholder(name: str, **content: object) -> Iterator[None]:
    """Let modules import another one without loading it; its other names are those of the module itself."""
    if name in sys.modules:
        yield
        return
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module

    def load(attribute: str) -> object:
        if attribute.startswith("__"):  # as tools ask of every module that they pass
            raise AttributeError(attribute)
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    vars(module).update(content, __getattr__=load)
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]
