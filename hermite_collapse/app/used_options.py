"""Options that would change nothing are refused; a shared configuration file may hold keys that a command ignores."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import InputError
from .config import Config, key_sections

UNUSED = {
    "predict": ("significance",),
    "bounds": ("significance",),
    "schedule": ("significance",),
    "spectrum": ("significance", "rounds"),
}
"""Keys of the sections of a command that it does not use."""

_OF_SCHEDULES = {
    "truncation_time": ("constant", "polynomial", "geometric"),
    "exponent": ("polynomial",),
    "ratio": ("geometric",),
    "floor": ("geometric",),
}
_COMPANIONS = {
    "schedule": dict.fromkeys(
        ("error_exponent", "plan_degree", "objective", "shape", "total_time"), "error_scale"
    )
}
"""Options of a command that say nothing without another one."""
_REPLACED = {
    "schedule": {
        "truncation_time": ("alpha_bar", "sigma", "known", "scheduler_file"),
        "rate": ("known", "scheduler_file"),
    }
}
"""Keys that options of a command replace."""


def require_used(command: str, config: Config, keys: Mapping[str, object], own: Mapping[str, object]) -> None:
    """Refuse options without effect.

    Parameters
    ----------
    command : str
    config : Config
        With the options.
    keys : mapping
        Keys of the configuration that were given as options.
    own : mapping
        Options of the command itself that differ from their defaults.
    """
    if command == "sweep" and config.sweep.task == "predict":
        for key, value in keys.items():
            if key_sections()[key] == "simulation":
                raise InputError(
                    f'{key} must come with task = "compare" in [sweep], got {value!r} for predictions.'
                )
    varied, schedule, generator = config.sweep.values, config.recursion.schedule, config.simulation.generator
    for key, value in keys.items():
        schedules = _OF_SCHEDULES.get(key)
        if schedules is not None and schedule not in schedules and "schedule" not in varied:
            words = " or ".join(f'"{name}"' for name in schedules)
            raise InputError(f'{key} must come with schedule = {words}, got {value!r} with "{schedule}".')
        if key_sections()[key] == "network" and generator != "neural" and "generator" not in varied:
            raise InputError(f'{key} must come with generator = "neural", got {value!r} with "{generator}".')
        for option in _REPLACED.get(command, {}).get(key, ()):
            if option in own:
                raise InputError(f"{key} must be left out with {option}, which gives it, got {value!r}.")
    for option, needed in _COMPANIONS.get(command, {}).items():
        if option in own and needed not in own:
            raise InputError(f"{option} must come with {needed}, got {own[option]!r} without it.")
