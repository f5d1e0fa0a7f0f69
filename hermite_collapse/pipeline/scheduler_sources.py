"""Where schedulers are described: a mapping, a JSON file, a scheduler's folder, or the folder of a whole pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..core.errors import InputError

LARGEST_FILE = 1 << 24  # bytes; configurations take a few thousand
SCHEDULER_FILE = "scheduler_config.json"
PIPELINE_FILE = "model_index.json"
Config = str | PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True)
class SchedulerSource:
    """A scheduler's configuration and where it came from.

    Attributes
    ----------
    settings : dict
        The configuration, as diffusers writes it.
    pipeline : str
        Class of the pipeline that it belongs to, or "".
    guidance_distilled : bool
        Whether the pipeline's network takes the guidance scale as an input.
    """

    settings: dict[str, Any]
    pipeline: str = ""
    guidance_distilled: bool = False

    @property
    def class_name(self) -> str:
        """The scheduler's class, or "" where the configuration does not say."""
        return str(self.settings.get("_class_name", ""))


def read_source(config: Config, name: str = "config") -> SchedulerSource:
    """Return the configuration of a scheduler from a mapping, a JSON file or a folder.

    Parameters
    ----------
    config : mapping or path
    name : str
        Argument that gave it, for messages.

    Raises
    ------
    InputError
        If there is no file to be read, it is not a JSON object, or a folder holds no scheduler.
    """
    if isinstance(config, Mapping):
        return SchedulerSource(dict(config))
    path = Path(config)
    if path.name == PIPELINE_FILE:
        path = path.parent
    if not path.is_dir():
        return SchedulerSource(_read_json(path, name))
    if (path / PIPELINE_FILE).is_file():
        return _of_pipeline(path, name)
    if (path / SCHEDULER_FILE).is_file():
        return SchedulerSource(_read_json(path / SCHEDULER_FILE, name))
    raise InputError(
        f"{name} must be a folder with {SCHEDULER_FILE} or {PIPELINE_FILE}, got {str(config)!r}."
    )


def _of_pipeline(folder: Path, name: str) -> SchedulerSource:
    index = _read_json(folder / PIPELINE_FILE, name)
    if "scheduler" not in index:
        others = sorted(key for key in index if key.endswith("scheduler"))
        hint = f"; give one of its folders {', '.join(others)}" if others else ""
        raise InputError(f"{name} must be a pipeline with a scheduler, got {str(folder)!r}{hint}.")
    settings = _read_json(folder / "scheduler" / SCHEDULER_FILE, name)
    entry = index["scheduler"]
    if "_class_name" not in settings and isinstance(entry, list) and len(entry) == 2:
        settings["_class_name"] = entry[1]
    network = folder / "transformer" / "config.json"
    distilled = network.is_file() and _read_json(network, name).get("guidance_embeds") is True
    return SchedulerSource(settings, str(index.get("_class_name", "")), distilled)


def _read_json(path: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a regular file of a configuration's size."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{name} must be a regular file or a folder, got {str(path)!r}.")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                f"{name} must be a configuration of at most {LARGEST_FILE >> 20} MiB, got {str(path)!r} of "
                f"{path.stat().st_size >> 20} MiB."
            )
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:
        if isinstance(problem, InputError):
            raise
        if isinstance(problem, OSError):
            raise InputError(
                f"{name} must be a readable file, got {str(path)!r}: {problem.strerror}."
            ) from None
        raise InputError(f"{name} must be a JSON file, got {str(path)!r}: {problem}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{name} must be a JSON object, got {type(content).__name__} in {str(path)!r}.")
    return content
