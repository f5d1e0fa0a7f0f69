"""hermite-collapse config: the commented template, the schema, or a file with every default written out."""

from __future__ import annotations

from ...core.errors import InputError
from ..config import Config
from ..template import template
from .options import command as _command
from .output import Output


def run(config: Config, output: Output) -> int:
    """Print a commented configuration with every default: hermite-collapse config > my.toml.

    With a file or options, print that configuration with every default written out; with --json, the JSON
    schema of the file.
    """
    if output.folder is not None:
        raise InputError("out must be left out with config, which prints: hermite-collapse config > my.toml.")
    if output.as_json:
        output.document(Config.model_json_schema())
    else:
        output.as_it_is(template() if config == Config() else config.to_toml())
    return 0


command = _command(run, uses=("target", "recursion", "analysis", "simulation", "network"))
