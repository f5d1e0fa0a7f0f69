"""The device a configuration asks for, looked for before any work begins."""

from __future__ import annotations

from .config import Config

_ALWAYS_THERE = ("auto", "cpu")


def require_device(config: Config) -> None:
    """Refuse a device that this machine does not have; torch is loaded only where one is named.

    Raises
    ------
    InputError
        Naming the device.
    """
    if config.simulation.device not in _ALWAYS_THERE:
        from ..simulation.devices import choose_device

        choose_device(config.simulation.device)
