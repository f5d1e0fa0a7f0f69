"""Where schedulers are described: a mapping, a JSON file, a scheduler's folder, or the folder of a whole pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ..core.errors import InputError

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


def read_source(config: Config) -> SchedulerSource:
    """Return the configuration of a scheduler from a mapping, a JSON file or a folder.

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
        return SchedulerSource(_read_json(path))
    if (path / PIPELINE_FILE).is_file():
        return _of_pipeline(path)
    if (path / SCHEDULER_FILE).is_file():
        return SchedulerSource(_read_json(path / SCHEDULER_FILE))
    raise InputError(
        f"config must be a folder with {SCHEDULER_FILE} or {PIPELINE_FILE}, got {str(config)!r}."
    )


def _of_pipeline(folder: Path) -> SchedulerSource:
    index = _read_json(folder / PIPELINE_FILE)
    if "scheduler" not in index:
        others = sorted(name for name in index if name.endswith("scheduler"))
        hint = f"; give one of its folders {', '.join(others)}" if others else ""
        raise InputError(f"config must be a pipeline with a scheduler, got {str(folder)!r}{hint}.")
    settings = _read_json(folder / "scheduler" / SCHEDULER_FILE)
    entry = index["scheduler"]
    if "_class_name" not in settings and isinstance(entry, list) and len(entry) == 2:
        settings["_class_name"] = entry[1]
    network = folder / "transformer" / "config.json"
    distilled = network.is_file() and _read_json(network).get("guidance_embeds") is True
    return SchedulerSource(settings, str(index.get("_class_name", "")), distilled)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as problem:
        raise InputError(f"config must be a readable file, got {str(path)!r}: {problem.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"config must be a JSON file, got {str(path)!r}: {problem}.") from None
    if not isinstance(content, dict):
        raise InputError(f"config must be a JSON object, got {type(content).__name__} in {str(path)!r}.")
    return content
