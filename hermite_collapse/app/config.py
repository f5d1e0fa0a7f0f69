"""One model of the configuration: the TOML schema, the command's options, their defaults and their rules.

A configuration is a file of sections.  Every key has one name, one default, one unit and one sentence, all
of them here; the command builds its options from these fields, the template prints them, and the rules are
those of the library.  An unknown key is an error that names the nearest known one.

    config = load_config("my.toml")                      # InputError: one sentence
    config = config.updated({"fresh_fraction": 0.5})     # options override the file
    recursion = config.build_recursion()
"""

from __future__ import annotations

import difflib
import json
import math
import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from ..core import checks
from ..core.errors import InputError
from ..recursion.final_steps import FINAL_STEPS

if TYPE_CHECKING:
    from ..recursion.recursion import Recursion

REGIMES = ("replace", "accumulate", "accumulate_with_fresh")
PROCESSES = ("ornstein_uhlenbeck", "variance_exploding")
SCHEDULES = ("constant", "polynomial", "geometric", "explicit")
GENERATORS = ("channel", "exact", "kernel", "neural")
SAMPLERS = ("exponential_multistep", "euler_maruyama", "probability_flow_heun")
KEEP = ("statistics", "last", "all")
_SAMPLES = (".npy", ".npz", ".csv")  # a first argument of this kind was meant as --samples


def _number(rule: Callable[..., Any], *arguments: Any) -> BeforeValidator:
    """A rule of `_checks` for a number, under the key's own name; words and truth values are not numbers."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str | bool):
            raise InputError(f"{info.field_name} must be a number, got {value!r}.")
        return rule(value, info.field_name, *arguments)

    return BeforeValidator(validate)


def _numbers(rule: Callable[..., Any]) -> BeforeValidator:
    def validate(value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, list | tuple) or not value or any(isinstance(v, str | bool) for v in value):
            raise InputError(f"{info.field_name} must be a list of numbers, got {value!r}.")
        return tuple(rule(entry, info.field_name) for entry in value)

    return BeforeValidator(validate)


def _word(choices: tuple[str, ...]) -> BeforeValidator:
    return BeforeValidator(lambda value, info: checks.one_of(value, choices, info.field_name))


def _array(value: Any, info: ValidationInfo) -> Any:
    """Numbers, or lists of them in a rectangular array; its shape is the law's business."""
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise InputError(f"{info.field_name} must be a number or a rectangular list of them, got {value!r}.")
    if not np.isfinite(array).all():
        raise InputError(f"{info.field_name} must hold finite numbers, got {value!r}.")
    return value


def _settings(value: Any, info: ValidationInfo) -> Any:
    """Lists of the values a sweep takes: words, truth values, finite numbers, or lists of them."""

    def is_setting(entry: Any) -> bool:
        if isinstance(entry, list):
            return all(map(is_setting, entry))
        return isinstance(entry, str | int) or (isinstance(entry, float) and math.isfinite(entry))

    for key, entries in value.items() if isinstance(value, Mapping) else ():
        if isinstance(entries, list) and not is_setting(entries):
            raise InputError(f"sweep.values.{key} must hold finite numbers or words, got {entries!r}.")
    return value


Fraction = Annotated[float, _number(checks.fraction)]
Positive = Annotated[float, _number(checks.positive)]
Nonnegative = Annotated[float, _number(checks.nonnegative)]
Count = Annotated[int, _number(checks.integer, 1)]
Natural = Annotated[int, _number(checks.integer, 0)]
Array = Annotated[Any, BeforeValidator(_array)]


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetSection(Section):
    """The data law, in the diffusion's own (dimensionless) coordinates: a preset, a mixture, or samples."""

    preset: str | None = Field(None, description="Name of a preset law, such as three_modes_1d.")
    weights: Annotated[tuple[float, ...], _numbers(checks.nonnegative)] | None = Field(
        None,
        description="Weights of a Gaussian mixture's components, dimensionless; they sum to 1.",
        json_schema_extra={
            "option": False
        },  # means and covariances cannot be options, so alone it says nothing
    )
    means: Array | None = Field(
        None, description="Means of the components: one number each, or one list of coordinates each."
    )
    covariances: Array | None = Field(
        None, description="Covariances: one number, or for each component a number, variances or a matrix."
    )
    samples: Path | None = Field(
        None, description="File of samples (.npy .npz .csv .txt IDX) or folder of images: no mixture."
    )
    scale: Positive | None = Field(
        None, description="Samples are divided by this, in the file's units, to reach second moments near 1."
    )

    @property
    def kind(self) -> str:
        """What the section gives: "preset", "mixture" or "samples"."""
        mixture = [key for key in ("weights", "means", "covariances") if getattr(self, key) is not None]
        given = [key for key in ("preset", "samples") if getattr(self, key) is not None]
        if mixture:
            given.append(", ".join(mixture))
        if len(given) != 1:
            raise InputError(
                "the target must be one of preset, samples, or weights with means and covariances, "
                f"got {' and '.join(given) or 'none of them'}."
            )
        if mixture and len(mixture) < 3:
            missing = [key for key in ("weights", "means", "covariances") if key not in mixture]
            raise InputError(f"a mixture must have weights, means and covariances, got no {missing[0]}.")
        if self.scale is not None and self.samples is None:
            raise InputError(f"scale must come with samples, got scale = {self.scale!r} without them.")
        return "mixture" if mixture else given[0]

    def build_law(self) -> Any:
        """The law: `GaussianMixture` or `EmpiricalLaw`."""
        kind = self.kind
        if kind == "preset":
            from ..laws import presets

            assert self.preset is not None
            return presets.load(self.preset)
        if kind == "mixture":
            from ..laws.mixture import GaussianMixture

            assert self.weights is not None and self.means is not None and self.covariances is not None
            return GaussianMixture(self.weights, self.means, self.covariances)
        from ..laws.empirical import EmpiricalLaw
        from ..storage.samples import read_samples

        assert self.samples is not None
        return EmpiricalLaw(read_samples(self.samples, scale=self.scale), scale=1.0)

    @property
    def label(self) -> str:
        """A short name for titles and folders."""
        if self.preset is not None:
            return self.preset
        return self.samples.stem if self.samples is not None else "mixture"


class RecursionSection(Section):
    """The rounds: what each is trained on and where its reverse diffusion stops."""

    fresh_fraction: Fraction = Field(
        0.3, description="Share of fresh real data in each round's training set, in [0, 1], dimensionless."
    )
    truncation_time: Nonnegative = Field(
        0.1, description="Where the reverse diffusion stops, in OU time (sigma^2 if variance exploding)."
    )
    schedule: Annotated[str, _word(SCHEDULES)] = Field(
        "constant", description="Truncation time by round: constant, polynomial, geometric or explicit."
    )
    exponent: Positive = Field(
        1.0, description="Polynomial schedule: truncation_time / (1 + round)^exponent, dimensionless."
    )
    ratio: Fraction = Field(0.9, description="Geometric schedule: truncation_time * ratio^round, in [0, 1].")
    floor: Nonnegative = Field(0.0, description="Geometric schedule: least truncation time, in OU time.")
    truncation_times: Annotated[tuple[float, ...], _numbers(checks.nonnegative)] | None = Field(
        None, description="Explicit schedule: one truncation time for each round, in OU time."
    )
    regime: Annotated[str, _word(REGIMES)] = Field(
        "replace", description="Training set: replace, accumulate or accumulate_with_fresh."
    )
    rounds: Count = Field(12, description="Number of rounds of training and sampling.")
    blur: Nonnegative = Field(
        0.0, description="Bandwidth of a kernel density estimate before truncation, in units of x."
    )
    process: Annotated[str, _word(PROCESSES)] = Field(
        "ornstein_uhlenbeck", description="Forward process: ornstein_uhlenbeck or variance_exploding."
    )
    rate: Positive = Field(
        0.5, description="theta in dX = -theta X dt + sqrt(2 theta) dW, per unit of OU time; 0.5 is DDPM's."
    )

    def build_schedule(self) -> Any:
        """The schedule of truncation times."""
        from ..recursion import schedules

        if self.schedule != "explicit" and self.truncation_times is not None:
            raise InputError(
                f'truncation_times must come with schedule = "explicit", got schedule = "{self.schedule}".'
            )
        if self.schedule == "polynomial":
            return schedules.Polynomial(self.truncation_time, self.exponent)
        if self.schedule == "geometric":
            return schedules.Geometric(self.truncation_time, self.ratio, floor=self.floor)
        if self.schedule == "explicit":
            if self.truncation_times is None:
                raise InputError('schedule = "explicit" must come with truncation_times, got none.')
            return schedules.Explicit(self.truncation_times)
        return schedules.Constant(self.truncation_time)

    def build_process(self) -> Any:
        """The forward process."""
        from ..laws.channels import OrnsteinUhlenbeck, VarianceExploding

        return OrnsteinUhlenbeck(self.rate) if self.process == "ornstein_uhlenbeck" else VarianceExploding()


class AnalysisSection(Section):
    """What is computed from the laws and tested."""

    degree: Count = Field(8, description="Highest Hermite degree shown and tested, a count.")
    significance: Annotated[float, _number(checks.fraction)] = Field(
        0.01, description="Level of the Holm test over all modes and rounds, a probability."
    )


class SimulationSection(Section):
    """How the recursion is simulated."""

    generator: Annotated[str, _word(GENERATORS)] = Field(
        "channel",
        description="channel (exact draws), exact (exact score, reversed), kernel or neural.",
    )
    particles: Count = Field(100_000, description="Number of particles in each round, a count.")
    runs: Count = Field(4, description="Independent runs in one batch, a count.")
    sampler: Annotated[str, _word(SAMPLERS)] | None = Field(
        None, description="Sampler of the reverse diffusion; the generator's own unless given."
    )
    steps: Count | None = Field(
        None, description="Steps of the reverse diffusion, a count; the sampler's own unless given."
    )
    final_step: Annotated[str, _word(FINAL_STEPS)] = Field(
        "noisy",
        description="What is done at the truncation time: noisy (nothing), rescaled, half or full (denoised).",
    )
    pool: Count | None = Field(
        None, description="Points each round's kernel score or network is made from, a count."
    )
    keep: Annotated[str, _word(KEEP)] = Field(
        "statistics", description="What of the particles is kept: statistics, last (round) or all."
    )
    device: str = Field("auto", description="torch device: auto, cpu, cuda, cuda:0, ...")
    seed: Natural = Field(0, description="Seed of the random numbers; the same seed gives the same bytes.")


class NetworkSection(Section):
    """The network of the neural generator and its training."""

    network_width: Count = Field(128, description="Width of the hidden layers, a count.")
    network_blocks: Count = Field(3, description="Residual blocks, a count.")
    training_steps: Count = Field(4000, description="Optimiser steps of a round at most, a count.")
    training_batch: Count = Field(1024, description="Points of one optimiser step, a count.")
    learning_rate: Positive = Field(2e-3, description="Largest learning rate of AdamW, dimensionless.")


class SweepSection(Section):
    """Many runs over keys of this file."""

    method: Annotated[str, _word(("grid", "list"))] = Field(
        "grid", description="grid (every combination) or list (first with first, second with second, ...)."
    )
    task: Annotated[str, _word(("predict", "compare"))] = Field(
        "predict", description="Done at each point: predict (theory alone) or compare (with a simulation)."
    )
    workers: Natural = Field(0, description="Processes on this machine, a count; 0 is one for each core.")
    scheduler: str | None = Field(
        None, description='Address of a Dask scheduler, as in tcp://host:8786, or "local" for its own.'
    )
    values: Annotated[dict[str, list[Any]], BeforeValidator(_settings)] = Field(
        default_factory=dict, description="Key of this file and the values it takes, one line each."
    )


class Config(Section):
    """The whole configuration."""

    target: TargetSection = Field(default_factory=lambda: TargetSection(preset="three_modes_1d"))
    initial: TargetSection | None = None
    recursion: RecursionSection = RecursionSection()
    analysis: AnalysisSection = AnalysisSection()
    simulation: SimulationSection = SimulationSection()
    network: NetworkSection = NetworkSection()
    sweep: SweepSection = SweepSection()

    def updated(self, options: Mapping[str, Any]) -> Config:
        """This configuration with some keys, named without their section, set to other values."""
        document = self.model_dump(exclude_none=True, mode="python")
        sections = key_sections()
        target = {key: value for key, value in options.items() if sections.get(key) == "target"}
        if set(target) & {"preset", "samples"}:
            document["target"] = {}  # another law, not an addition to the one in the file
        for key, value in options.items():
            if key not in sections:
                raise InputError(_unknown(key, None))
            document.setdefault(sections[key], {})[key] = value
        return parse_config(document)

    def build_recursion(self) -> Recursion:
        """The recursion described by [target], [initial] and [recursion]."""
        from ..recursion.recursion import Recursion

        return Recursion(
            self.target.build_law(),
            fresh_fraction=self.recursion.fresh_fraction,
            truncation=self.recursion.build_schedule(),
            regime=self.recursion.regime,
            blur=self.recursion.blur,
            process=self.recursion.build_process(),
            initial=None if self.initial is None else self.initial.build_law(),
        )

    def to_toml(self, folder: str | os.PathLike[str] = ".") -> str:
        """The configuration as a file in `folder`, every default written out; relative `samples` start from there."""
        import tomli_w

        document = self.model_dump(exclude_none=True, mode="json")
        for section in (document.get("target", {}), document.get("initial", {})):
            if "samples" in section and not os.path.isabs(section["samples"]):
                section["samples"] = Path(os.path.relpath(section["samples"], folder)).as_posix()
        return tomli_w.dumps(_plain(document))


def parse_config(document: Mapping[str, Any], *, source: str | None = None) -> Config:
    """A configuration from the nested dictionary of a TOML file.

    Parameters
    ----------
    document : sections by name, each a dictionary of keys.
    source : the file's name, put before the message.

    Raises
    ------
    InputError : an unknown key or a value that breaks a rule, one sentence for the first of them.
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
    """A configuration from a TOML file; a relative `samples` is relative to the file's folder.

    Raises
    ------
    InputError : the file is missing, unreadable, empty or not TOML, or what `parse_config` refuses.
    """
    import tomllib

    file = Path(path)
    if file.suffix in _SAMPLES:
        raise InputError(f"the configuration must be a TOML file, got {str(path)!r}: was --samples meant?")
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
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
    for name in ("target", "initial"):
        section = document.get(name)
        if isinstance(section, dict) and isinstance(section.get("samples"), str):
            section["samples"] = os.path.normpath(file.parent / section["samples"])
    return parse_config(document, source=str(path))


def sections() -> dict[str, type[Section]]:
    """The sections of the file, in order, and their models."""
    found = {}
    for name, field in Config.model_fields.items():
        types = (field.annotation, *get_args(field.annotation))
        found[name] = next(kind for kind in types if isinstance(kind, type) and issubclass(kind, Section))
    return found


def key_sections() -> dict[str, str]:
    """Section of every key; keys are unique across sections, [initial] (a second law) aside."""
    return {
        key: name for name, model in sections().items() if name != "initial" for key in model.model_fields
    }


def template() -> str:
    """A commented TOML file with every key at its default; what has no default is commented out."""
    examples = {
        "weights": [0.25, 0.75],
        "means": [[-1.5, 0.0], [0.5, 0.5]],
        "covariances": [0.1, 0.3],
        "samples": "data.npy",
        "scale": 127.5,
        "truncation_times": [0.1, 0.05, 0.02],
        "sampler": "exponential_multistep",
        "steps": 100,
        "pool": 10_000,
        "scheduler": "local",
        "preset": "three_modes_1d",
    }
    lines = ["# Configuration of hermite-collapse: every key at its default."]
    defaults = Config()
    for name, model in sections().items():
        optional = getattr(defaults, name) is None
        title = "The law the first round starts from, given as in [target]; the data law unless given."
        lines += ["", *_comment(title if optional else str(model.__doc__))]
        lines.append(f"# [{name}]" if optional else f"[{name}]")
        if optional:
            continue
        for key, field in model.model_fields.items():
            value = getattr(getattr(defaults, name), key)
            if isinstance(value, dict):
                lines += ["", *_comment(str(field.description)), f"# [{name}.{key}]"]
                lines += ["# fresh_fraction = [0.1, 0.3, 0.9]", "# truncation_time = [0.02, 0.1, 0.5]"]
                continue
            lines += _comment(str(field.description))
            mark = "# " if value is None else ""
            shown = examples[key] if value is None else _plain(value)
            lines.append(f"{mark}{key} = {json.dumps(shown)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, width=98, initial_indent="# ", subsequent_indent="# ")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _unknown(key: str, section: str | None) -> str:
    """The sentence for a key that does not exist, with the nearest that does: of its section, else of any."""
    where = f" in [{section}]" if section else ""
    models = sections()
    own = list(models[section].model_fields) if section in models else list(models)
    homes = key_sections()
    if near := difflib.get_close_matches(key, own, n=1):
        hint = f"did you mean {near[0] if section else f'[{near[0]}]'}?"
    elif near := difflib.get_close_matches(key, list(homes), n=1):
        hint = f"did you mean {near[0]} in [{homes[near[0]]}]?"
    else:
        hint = "the command hermite-collapse config prints every key."
    return f"unknown key {key}{where}: {hint}"


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        section = location[0] if len(location) > 1 else None
        return _unknown(location[-1], section)
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
    got = repr(first["input"])
    return f"{'.'.join(location)} must {rule}, got {got if len(got) <= 60 else got[:57] + '...'}."
