"""What a command is asked for, as JSON values: the same document, the same results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from ..core.errors import InputError
from ..storage.claims import CONFIG, digest, first_difference, write_config_text
from ..storage.order import matching
from .config import Config, load_config

# A comparison is made again whenever it is asked for: its level is no part of a run.
_FREE_OF_A_RUN = ("significance",)
_SCHEDULERS = ("scheduler", "scheduler_file", "sampler")


def asked_of_run(config: Config) -> dict[str, object]:
    """Return what decides the simulation and the results of a run, the level of its test aside."""
    asked = asked_of_command("run", config, {})
    analysis = config.as_document()["analysis"]
    assert isinstance(analysis, dict) and isinstance(asked["config"], dict)
    asked["config"]["analysis"] = {k: v for k, v in analysis.items() if k not in _FREE_OF_A_RUN}
    return asked


def asked_of_sweep(config: Config) -> dict[str, object]:
    """Return what decides the points of a sweep; where they are computed does not."""
    asked = asked_of_command("sweep", config, {})
    sweep = config.sweep.model_dump(mode="json", exclude_none=True, exclude={"workers", "scheduler"})
    files = config.sweep.values.get("samples", [])
    return asked | {"sweep": sweep, "samples": [digest(str(file)) for file in files]}


def asked_of_command(command: str, config: Config, options: Mapping[str, object]) -> dict[str, object]:
    """Return a command, its configuration and its own options; files by their content, wherever they lie."""
    document = config.as_document()
    document.pop("sweep", None)
    data: dict[str, object] = {}
    for name in ("target", "initial"):
        section = document.get(name)
        if isinstance(section, dict) and "samples" in section:
            data[f"content of {name}.samples"] = digest(section.pop("samples"))
    simulation = document["simulation"]
    assert isinstance(simulation, dict)
    if "scheduler_file" in simulation:
        file = Path(simulation.pop("scheduler_file"))
        data["content of simulation.scheduler_file"] = _content("scheduler_file", file)
    own: dict[str, object] = {}
    for name, value in options.items():
        if isinstance(value, Path):
            content = _content(name, value)
            if content is None:  # a word, such as a sampler's name
                own[name] = str(value)
            else:
                data[f"content of {name}"] = content
        elif isinstance(value, list) and value and all(isinstance(entry, Path) for entry in value):
            data[f"content of {name}"] = [digest(path) for path in matching(value, name)]
        elif value is not None:
            own[name] = list(value) if isinstance(value, list | tuple) else value
    return {"command": command, "config": document, "options": own, "data": data}


def require_own_config(
    folder: str | os.PathLike[str], config: Config, asked_of: Callable[[Config], Mapping[str, object]]
) -> None:
    """Refuse to go on in a folder whose configuration somebody edited or took away: it would be written over."""
    asked = asked_of(config)
    stored = asked_of(load_config(Path(folder) / CONFIG))
    difference = first_difference(_with_lost_data(stored, asked), asked)
    if difference is not None:
        raise InputError(
            f"out must hold the {CONFIG} of its run, got {str(folder)!r} with {difference}: restore it, or give "
            "another folder."
        )


def write_config(folder: Path, config: Config) -> None:
    """Leave the configuration as run in a folder; a file there that says the same keeps its comments."""
    file = folder / CONFIG
    if not file.is_file() or load_config(file) != config:
        write_config_text(folder, config.to_toml(folder))


def _with_lost_data(stored: Mapping[str, object], asked: Mapping[str, object]) -> dict[str, object]:
    """Return what a folder's configuration asks for; files that lie elsewhere now are taken as those asked for."""
    data, present = stored["data"], asked["data"]
    assert isinstance(data, dict) and isinstance(present, dict)
    contents = {name: present.get(name) if content is None else content for name, content in data.items()}
    return {**stored, "data": contents}


def _content(name: str, path: Path) -> object:
    """Return what a file or folder says, None for what is neither; of a pipeline's folder its scheduler alone."""
    if name in _SCHEDULERS and path.exists():
        from ..pipeline.scheduler_sources import read_source

        return asdict(read_source(path))
    return digest(path)
