"""The configuration: a file of sections that the command's options override.

Every key has one name, one default, one unit and one sentence, all of them in `schema`; the command builds its
options from them, the template prints them, and the rules are those of the library.  An unknown key is an error that
names the nearest known one.

    config = load_config("my.toml")                      # InputError: one sentence
    config = config.updated({"fresh_fraction": 0.5})     # options override the file
    recursion = config.build_recursion()
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import Field, ValidationError

from ..core.errors import InputError
from ..core.near import nearest
from ..storage.regular import read_text
from .schema import (
    AnalysisSection,
    NetworkSection,
    RecursionSection,
    Section,
    SimulationSection,
    SweepSection,
    TargetSection,
)

if TYPE_CHECKING:
    from ..recursion.recursion import Recursion

_SAMPLES = (".npy", ".npz", ".csv")  # a first argument of this kind was meant as --samples


# Keys that name files, relative to the folder of the configuration.
FILES = (("target", "samples"), ("initial", "samples"), ("simulation", "scheduler_file"))


class Config(Section):
    """The whole configuration."""

    target: TargetSection = Field(default_factory=lambda: TargetSection(preset="three_modes_1d"))
    initial: TargetSection | None = None
    recursion: RecursionSection = RecursionSection()
    analysis: AnalysisSection = AnalysisSection()
    simulation: SimulationSection = SimulationSection()
    network: NetworkSection = NetworkSection()
    sweep: SweepSection = SweepSection()

    def updated(self, options: Mapping[str, object]) -> Config:
        """Return this configuration with some keys, named without their section, set to other values."""
        document = self.model_dump(exclude_none=True, mode="python")
        sections = key_sections()
        target = {key: value for key, value in options.items() if sections.get(key) == "target"}
        if set(target) & {"preset", "samples"}:
            document["target"] = {}  # another law, not an addition to the one in the file
        for key, value in options.items():
            if key not in sections:
                raise InputError(unknown_key(key))
            document.setdefault(sections[key], {})[key] = value
        return parse_config(document)

    def build_recursion(self, *, is_recorded: bool = False) -> Recursion:
        """Return the recursion described by [target], [initial] and [recursion], or that of a record."""
        from ..recursion.recursion import Recursion

        return Recursion(
            self.target.build_law(is_recorded=is_recorded),
            fresh_fraction=self.recursion.fresh_fraction,
            truncation_time=self.recursion.build_schedule(),
            regime=self.recursion.regime,
            blur=self.recursion.blur,
            process=self.recursion.build_process(),
            initial=None if self.initial is None else self.initial.build_law(is_recorded=is_recorded),
        )

    def as_document(self) -> dict[str, object]:
        """Return the configuration as JSON values, keys without a value left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self, folder: str | os.PathLike[str] = ".") -> str:
        """Return the text of a file in `folder`: every default is written out, relative files start from there."""
        import tomli_w

        document = self.as_document()
        for name, key in FILES:
            section = document.get(name)
            if isinstance(section, dict) and key in section and not os.path.isabs(section[key]):
                section[key] = Path(os.path.relpath(section[key], folder)).as_posix()
        return tomli_w.dumps(document)


def parse_config(document: Mapping[str, object], *, source: str | None = None) -> Config:
    """Return the configuration in the nested dictionary of a TOML file.

    Parameters
    ----------
    document : mapping
        Sections by name, each a dictionary of keys.
    source : str, optional
        The file's name, put before the message of an error.

    Raises
    ------
    InputError
        If a key is unknown or a value breaks a rule; one sentence for the first of them.
    """
    prefix = f"{source}: " if source else ""
    try:
        config = Config.model_validate(document)
        for section in (config.target, config.initial):
            if section is not None:
                _ = section.kind
        config.recursion.build_schedule()
    except ValidationError as error:
        raise InputError(prefix + _sentence(error)) from None
    except InputError as error:
        raise InputError(prefix + str(error)) from None
    return config


def load_config(path: str | os.PathLike[str]) -> Config:
    """Return the configuration in a TOML file; relative files in it are relative to its folder.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or not TOML, or `parse_config` refuses it.
    """
    import tomllib

    file = Path(path)
    if file.suffix in _SAMPLES:
        raise InputError(f"the configuration must be a TOML file, got {str(path)!r}: was --samples meant?")
    try:
        text = read_text(file, f"the configuration ({path})", encoding="utf-8-sig")
        document = tomllib.loads(text)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"the configuration must be an existing TOML file, got {str(path)!r}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: the configuration must be UTF-8 text, got other bytes.") from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: the configuration must be TOML, got: {str(error).rstrip('.')}.") from None
    except OSError as error:
        raise InputError(f"{path}: the configuration must be readable, got: {error.strerror}.") from None
    if not text.strip():
        raise InputError(f"{path}: the configuration must hold a section, got an empty file.")
    for name, key in FILES:
        section = document.get(name)
        if isinstance(section, dict) and isinstance(section.get(key), str):
            section[key] = os.path.normpath(file.parent / section[key])
    return parse_config(document, source=str(path))


def sections() -> dict[str, type[Section]]:
    """Return the sections of the file, in order, with their models."""
    models = {}
    for name, field in Config.model_fields.items():
        types = (field.annotation, *get_args(field.annotation))
        models[name] = next(kind for kind in types if isinstance(kind, type) and issubclass(kind, Section))
    return models


def key_sections() -> dict[str, str]:
    """Return the section of every key; keys are unique across sections, [initial] (a second law) aside."""
    return {
        key: name for name, model in sections().items() if name != "initial" for key in model.model_fields
    }


def unknown_key(key: str, section: str | None = None) -> str:
    """Return the sentence for a key that does not exist, with the nearest that does: of its section, else of any."""
    where = f" in [{section}]" if section else ""
    models = sections()
    own = list(models[section].model_fields) if section in models else list(models)
    homes = key_sections()
    if near := nearest(key, own):
        hint = f"did you mean {near if section else f'[{near}]'}?"
    elif near := nearest(key, homes):
        hint = f"did you mean {near} in [{homes[near]}]?"
    else:
        hint = "the command hermite-collapse config prints every key."
    return f"unknown key {key}{where}: {hint}"


def _sentence(error: ValidationError) -> str:
    """Return the first complaint about a document as one sentence."""
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        section = location[0] if len(location) > 1 else None
        return unknown_key(location[-1], section)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return str(cause)
    rule = {
        "model_type": "be a table of keys",
        "dict_type": "be a table of keys",
        "list_type": "be a list",
        "string_type": "be text in quotes",
        "path_type": "be the name of a file in quotes",
    }.get(first["type"], first["msg"].removeprefix("Input should ").removeprefix("Value error, "))
    shown = repr(first["input"])
    return f"{'.'.join(location)} must {rule}, got {shown if len(shown) <= 60 else shown[:57] + '...'}."
