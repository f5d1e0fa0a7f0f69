"""Options of a command, made from the fields of the configuration.

A command is a function `run(config, output, **own)`; `command` wraps it into one whose signature holds the
configuration file, an option for each key of the sections it uses, and the options every command takes.
A key has the same name, sentence, default and rule in the file and on the command line.
"""

from __future__ import annotations

import inspect
import shlex
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import CoercionError, Group, Parameter, Token

from ...core import checks
from ...core.errors import InputError
from ...figures.formats import FORMATS, WIDTHS
from ...storage.claims import CONFIG, claimed
from ...storage.samples import require_source
from ..asked import asked_of_command
from ..config import Config, load_config, sections
from ..schema import Section
from ..used_options import UNUSED, require_used
from .again import keep_call, kept, require_directory
from .output import Output

_COMMON = Group("Every command", sort_key=100)
_FIRST = Group("What is needed first", sort_key=0)
_LAST = Group("This run", sort_key=90)
_NEEDED_FIRST = ("samples", "fresh_fraction", "truncation_time", "rounds")
WITHOUT_FIGURES = ("configure", "simulate", "verify")
"""Commands that draw nothing, and have no options of figures."""
_FOLDERS = {
    "schedule": "a sampler's folder is given as --scheduler-file {}, or to audit",
    "measure": "folders of samples are given as --data {} --generations FOLDERS",
    "spectrum": "samples are given as --samples {}",
}
"""What a command says of a folder in the place of its configuration."""


_CONFIG_FILE = inspect.Parameter(
    "config_file",
    inspect.Parameter.POSITIONAL_ONLY,
    default=None,
    annotation=Annotated[Path | None, Parameter(help="Configuration file (TOML); defaults without one.")],
)


def command(
    run: Callable[..., int | None],
    *,
    uses: tuple[str, ...],
    keys: tuple[str, ...] = (),
    leaves: bool = False,
) -> Callable[..., int | None]:
    """Return the function that cyclopts parses arguments for.

    Parameters
    ----------
    run : callable
        Takes the configuration, the output, perhaps a subject of its own in place of the configuration file, and its
        own keyword-only parameters; returns the exit status.
    uses : tuple of str
        Sections of the configuration whose keys become options.
    keys : tuple of str
        Keys of [simulation] that become options besides: a command that simulates nothing may still draw numbers.
    leaves : bool
        Whether --out is a folder for this very call: it is claimed before work begins.  Other commands have rules of
        their own for it.
    """
    signature = list(inspect.signature(run, eval_str=True).parameters.values())
    own = [p for p in signature if p.kind is p.KEYWORD_ONLY]
    # A command about something other than a configuration names it as a third parameter.
    subject = next((p for p in signature[2:] if p.kind is p.POSITIONAL_OR_KEYWORD), None)
    first = _CONFIG_FILE if subject is None else subject.replace(kind=inspect.Parameter.POSITIONAL_ONLY)
    name = run.__module__.rpartition(".")[2]
    asked_first = _options(uses, keys, UNUSED.get(name, ()))
    listed = [_later(_strict(p)) if p.name in _HOW else _strict(p) for p in own]
    common = _common_parameters(with_first=bool(asked_first), draws=name not in WITHOUT_FIGURES)
    parameters = [_strict(first), *listed, *asked_first, *common]

    def call(first: Any = None, /, **given: Any) -> int | None:
        line = _line(name, first, given)
        folder = given.pop("out", None)
        if folder is not None:
            require_directory()
        style = {name: given.get(name) for name in ("figure_format", "width")}
        output = Output(
            as_json=given.pop("json", False),
            folder=folder,
            yes=given.pop("yes", False),
            formats=_formats(given.pop("figure_format", None)),
            width=_width(given.pop("width", None)),
            line=shlex.join(["hermite-collapse", *line]),
            stops_unread=leaves and folder is None,
        )
        if leaves and folder is None:
            _require_no_figures(style)
        own_values = {p.name: given.pop(p.name) for p in own if p.name in given}
        _require_files(own_values if subject is None else {subject.name: first, **own_values})
        if subject is not None:
            config = Config()
        elif first is not None:
            _require_configuration(first, name)
            config = load_config(first)
        else:
            config = _resumed(output.folder) if own_values.get("resume") else Config()
        options = {name: value for name, value in given.items() if value is not None}
        if options:
            config = config.updated(options)
        changed = {p.name: own_values[p.name] for p in own if own_values.get(p.name, p.default) != p.default}
        require_used(name, config, options, changed)
        about = () if subject is None else (first,)
        if not leaves or output.folder is None:
            status = run(config, output, *about, **own_values)
            if output.folder is not None:
                keep_call(output.folder, line)
            output.finish()
            return status
        asked = asked_of_command(
            name, config, own_values if subject is None else own_values | {subject.name: first}
        )
        with claimed(output.folder, asked), kept(output.folder, line):
            status = run(config, output, *about, **own_values)
        output.finish()
        return status

    call.__name__ = run.__name__
    call.__doc__ = run.__doc__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def _require_no_figures(style: Mapping[str, object]) -> None:
    """Refuse options of figures where there is no folder for them."""
    for name, value in style.items():
        if value:
            raise InputError(
                f"{name} must come with out, the folder of the figures, got {value!r} without it."
            )


def _require_configuration(path: Path, name: str) -> None:
    """Refuse a folder as configuration, and say which option takes one."""
    if path.is_dir():
        instead = _FOLDERS.get(name, "its settings stand in a file such as config.toml").format(path)
        raise InputError(f"config_file must be a TOML file, got the folder {str(path)!r}: {instead}.")


def _require_files(given: Mapping[str, object]) -> None:
    """Refuse options that name files which are not there, before any of the work begins."""
    for name, value in given.items():
        if isinstance(value, Path) and name not in _WORDS_OR_FILES:
            require_source(value, name)


def _line(name: str, first: object, given: Mapping[str, object]) -> list[str]:
    """Return the words of the command that was given, without those that say where and how results are written."""
    words = [_WORDS.get(name, name), *([] if first is None else [str(first)])]
    for option, value in given.items():
        if option in _HOW or value is None or value is False:
            continue
        words.append(f"--{option.replace('_', '-')}")
        if value is not True:
            words += map(str, value) if isinstance(value, list | tuple) else [str(value)]
    return words


_WORDS = {"configure": "config"}
_WORDS_OR_FILES = ("scheduler", "sampler")
"""Options that take the name of a sampler, or its file."""
_HOW = ("out", "json", "yes", "figure_format", "width", "resume", "all_rows")


def _resumed(folder: Path | None) -> Config:
    """Return the configuration that a run in the folder was given; the defaults where there is none."""
    if folder is None or not (folder / CONFIG).is_file():
        return Config()
    return load_config(folder / CONFIG)


def _formats(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the kinds of files that figures become; a page has its own copy of each."""
    if not given:
        return FORMATS[:2]
    return tuple(checks.one_of(word, FORMATS, "figure_format") for word in given)


def _width(given: str | None) -> str | None:
    return None if given is None else checks.one_of(given, tuple(WIDTHS), "width")


def _options(
    uses: tuple[str, ...], keys: tuple[str, ...], unused: tuple[str, ...]
) -> list[inspect.Parameter]:
    options, models = [], sections()
    for order, name in enumerate((*uses, *(["simulation"] if keys else []))):
        group = Group(name.capitalize(), sort_key=order + 1)
        for key, field in models[name].model_fields.items():
            kind = option_type(field.annotation)
            is_used = (name in uses or key in keys) and key not in unused
            if field.json_schema_extra is None and kind is not None and is_used:
                home = _FIRST if key in _NEEDED_FIRST and name != "initial" else group
                options.append(_parameter(key, kind, _help(field.description, _default(name, key)), home))
    return options


def _later(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return the parameter, listed after those that say what is computed."""
    return parameter.replace(annotation=Annotated[parameter.annotation, Parameter(group=_LAST)])


def _common_parameters(*, with_first: bool, draws: bool) -> list[inspect.Parameter]:
    """Return the options of every command, or of all that draw; `out` stands with those needed first, if any are."""
    common = [
        _parameter(
            "json",
            bool,
            "One JSON document on standard output and nothing else there.",
            _COMMON,
            default=False,
        )
    ]
    common.append(
        _parameter("yes", bool, "Go ahead even if it needs much memory or time.", _COMMON, default=False)
    )
    if draws:
        kinds = f"Kinds of files of each figure: {', '.join(FORMATS)}. Default: svg png."
        columns = "Columns of a paper that figures span: single or double. Default: as drawn."
        common.append(_parameter("figure_format", list[str], kinds, _COMMON))
        common.append(_parameter("width", str, columns, _COMMON))
    home = _FIRST if with_first else _COMMON
    common.insert(
        0, _parameter("out", Path, "Folder for what the command leaves; made if it does not exist.", home)
    )
    return common


def _parameter(name: str, kind: Any, text: str, group: Group, default: Any = None) -> inspect.Parameter:
    settings = Parameter(
        help=text, group=group, show_default=False, negative=(), consume_multiple=get_origin(kind) is list
    )
    annotation: Any = Annotated[kind if default is not None else kind | None, settings]  # type: ignore[valid-type]
    made = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    return _strict(made)


def _strict(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return the parameter, read strictly: cyclopts would round 2.5 to 2, and take no text as the current folder."""
    kind = get_args(parameter.annotation)[0] if get_origin(parameter.annotation) is Annotated else None
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for strict, converter in ((int, _whole_numbers), (Path, _named_paths)):
        if strict in kinds or list[strict] in kinds:  # type: ignore[valid-type]
            return parameter.replace(
                annotation=Annotated[parameter.annotation, Parameter(converter=converter)]
            )
    return parameter


def _named_paths(kind: Any, tokens: Sequence[Token]) -> Any:
    for token in tokens:
        if not token.value.strip():
            raise CoercionError(token=token, msg="a file or folder must have a name, got an empty text.")
    paths = [Path(token.value) for token in tokens]
    return paths if get_origin(kind) is list else paths[0]


def _whole_numbers(kind: Any, tokens: Sequence[Token]) -> Any:
    numbers = list(map(_whole_number, tokens))
    return numbers if get_origin(kind) is list else numbers[0]


def _whole_number(token: Token) -> int:
    """Return a count written as 1000, 1_000 or 1e3; 2.5 and 1e-3 are none."""
    with suppress(ValueError):
        return int(token.value)
    with suppress(ValueError, OverflowError):
        if (number := float(token.value)).is_integer() and "e" in token.value.lower():
            return int(number)
    raise CoercionError(token=token, msg=f'unable to convert "{token.value}" into int.')


def option_type(annotation: Any) -> Any:
    """Return the type of a field's option: a scalar or a list of numbers; None if only the file can hold it."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        return list[float]
    if annotation in (int, float, str, Path):
        return annotation
    return None


def _default(section: str, key: str) -> Any:
    defaults = getattr(Config(), section)
    return getattr(defaults, key) if isinstance(defaults, Section) else None


def _help(description: str | None, default: Any) -> str:
    return str(description) if default is None else f"{description} Default: {default}."
