"""The command itself: names and one line of help for each command, and what becomes of errors.

The modules of the commands are import paths, so that `--help` loads none of them.  Exit status:

    0     done, or the reader of a pipe has seen enough
    1     a comparison or check rejected the theory; never anything else
    2     bad input, a file that cannot be read or written, too little memory: one sentence on standard error
    3     a defect of this program: a traceback, and how to report it
    4     a comparison in which nothing could be tested
    130   interrupted
"""

from __future__ import annotations

import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...core import checks
from ...core.errors import ConvergenceError, InputError, is_out_of_memory
from .process import INTERRUPTED, drop_output, interrupts, prepare_streams, say

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

REFUSED, DEFECT = 2, 3
_FLOATING = r"(overflow|underflow|invalid value|divide by zero) encountered"

COMMANDS = {
    "predict": "Theory alone: what the recursion converges to, mode by mode (no torch needed).",
    "simulate": "Simulate the recursion and keep what is measured in a folder.",
    "compare": "Predict, simulate, compare; leaves results, figures and a page in a folder.",
    "audit": "What a real sampler and the loop around it do to data, and what to change first.",
    "schedule": "Plan truncation times, and convert between OU time, alpha_bar and sigma.",
    "spectrum": "Energy of samples or of a law by Hermite degree.",
    "bounds": "What is proved: rates, radii under defects, and how divergences propagate.",
    "measure": "Curves by round with their covariance, from folders or files of generations.",
    "diagnose": "Say which mechanisms measured curves do not contradict, and what they determine.",
    "sweep": "Predict or compare over a grid or a list of settings; resumable.",
    "report": "Write the figures and the page of a folder again.",
    "config": "Print a commented configuration with every default.",
    "verify": "Check the statements of the papers on this machine, by means of its own.",
}
_MODULES = {"config": "configure"}
_OTHER_WORDS = {
    other: f"--{option}"
    for option, others in {
        "fresh-fraction": ("alpha", "fresh", "real-fraction", "real-share", "fraction"),
        "truncation-time": ("t0", "t-0", "t", "time", "truncation", "tau"),
        "rounds": ("generations", "iterations", "n-rounds", "num-rounds"),
        "particles": ("n", "num-particles", "n-particles", "count", "sample-size"),
        "rate": ("theta",),
        "samples": ("data", "input"),
        "degree": ("degrees", "max-degree", "highest-degree", "order"),
        "significance": ("level",),
        "steps": ("num-steps", "num-inference-steps", "nfe"),
        "out": ("output", "outdir", "out-dir", "folder", "o"),
        "seed": ("random-seed", "rng"),
        "figure-format": ("format", "formats", "fmt"),
    }.items()
    for other in others
}
"""What others call an option, and its name here; options that a command has under these names come first."""

_OF_MEASURE = ("apart", "unseen", "held-out", "value-range", "first-round", "directions")
"""Options of measure that people look for in diagnose."""

_ABOUT = (
    "Predict, simulate and measure what recursive training does to a diffusion model.\n\n"
    "Every command takes a configuration file (hermite-collapse config > my.toml makes one) and options that "
    "override it; without a file, the defaults hold. Times are in OU time, all else is dimensionless unless the "
    "help says otherwise."
)


def build_app(selected: str = "") -> App:
    """Return the cyclopts application; the module of a command is imported when that command is parsed.

    Parameters
    ----------
    selected : str
        The command that will run; its help is its own, longer than the line in the list.
    """
    from cyclopts import App, Parameter

    from ...core.version import __version__
    from .help_text import HelpText

    app = App(
        name="hermite-collapse",
        help=_ABOUT,
        version=__version__,
        help_format="plaintext",
        help_formatter=HelpText(),
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,  # `run` says that it was
        result_action="return_value",
        default_parameter=Parameter(show_default=False),  # every help text names its default itself
    )
    for order, (name, text) in enumerate(COMMANDS.items()):
        module = f"hermite_collapse.app.cli.{_MODULES.get(name, name)}"
        # The help of its own is a docstring, which python -OO takes away.
        own = name == selected and sys.flags.optimize < 2
        app.command(f"{module}:command", name=name, help=None if own else text, sort_key=order)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return the exit status."""
    prepare_streams()
    with warnings.catch_warnings(), interrupts() as pressed:
        warnings.showwarning = _show_warning
        # An overflow or a NaN on the way makes the result worthless: a defect, never a number with a warning beside it.
        warnings.filterwarnings("error", _FLOATING, RuntimeWarning)
        try:
            status = _run(arguments)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            pass
        except (BrokenPipeError, SystemExit):  # the second is how rich says that its reader is gone
            drop_output()
            return 0
        except Exception as error:
            if not pressed():
                return _failed(error)
        say("interrupted")
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    if arguments and not arguments[0].startswith("-"):
        checks.one_of(arguments[0], COMMANDS, "the command")
    return int(build_app(arguments[0] if arguments else "")(list(arguments)) or 0)


def _failed(error: Exception) -> int:
    """Say what went wrong, and return the exit status."""
    from cyclopts import CycloptsError

    if isinstance(error, CycloptsError):
        return _refuse(_sentence(error))
    if isinstance(error, InputError):
        return _refuse(str(error))
    if isinstance(error, ConvergenceError):
        is_number = isinstance(error.value, int | float)
        return _refuse(
            f"{error} (best value {error.value}, bound {error.bound})" if is_number else str(error)
        )
    if is_out_of_memory(error):
        return _refuse(f"there must be more memory than this machine has, or less to do, got: {error}")
    if isinstance(error, ImportError):
        cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error  # cyclopts wraps it
        if not (cause.name or "").startswith("hermite_collapse"):
            return _refuse(str(cause))  # an extra that is not installed; the message names it
    if isinstance(error, ValueError) and "threading layer" in str(error):
        return _refuse(
            f"the variable NUMBA_THREADING_LAYER must name a layer that is there, or be unset, got: {error}"
        )
    if isinstance(error, OSError):
        drop_output()  # what is left of it would fail again when the process ends
        return _refuse(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}.")
    traceback.print_exception(error)
    say(
        "hermite-collapse: this is a defect of the program; please report it with the lines above, the command, its "
        "files and the output of hermite-collapse --version."
    )
    return DEFECT


def _refuse(message: str) -> int:
    say(f"hermite-collapse: {' '.join(message.split())}")
    return REFUSED


def _sentence(error: Exception) -> str:
    """Return a parser's complaint as one plain sentence, without the panel cyclopts draws around it."""
    from cyclopts import CycloptsError

    text = str(error).strip()
    unknown = re.match(r"Unknown option: (--?[a-zA-Z][-_a-zA-Z0-9]*)", text)
    is_diagnosis = isinstance(error, CycloptsError) and "diagnose" in (error.command_chain or ())
    if unknown and is_diagnosis and unknown[1].lstrip("-").replace("_", "-") in _OF_MEASURE:
        return (
            f"Unknown option: {unknown[1]}. It belongs to measure, which leaves the curves that diagnose reads: give "
            "it there."
        )
    meant = _OTHER_WORDS.get(unknown[1].lstrip("-").replace("_", "-").lower()) if unknown else None
    if unknown and meant:
        return f"Unknown option: {unknown[1]}. Did you mean {meant}?"
    if unknown and isinstance(error, CycloptsError) and (unused := _unused_key(unknown[1], error)):
        return unused
    if text.startswith("Unused Tokens:"):
        given = text.partition(":")[2].strip(" [].")
        return (
            f"at most one argument without a name may be given, got {given} besides: others are options, for folders "
            "of samples --data REAL --generations GEN_1 GEN_2."
        )
    return text if text.endswith((".", "?", "!")) else text + "."


def _unused_key(option: str, error: CycloptsError) -> str | None:
    """Return what is said of an option that is a key of the configuration, but none that this command uses."""
    from ..config import key_sections

    key = option.lstrip("-").replace("-", "_")
    if key not in key_sections() or not error.command_chain:
        return None
    return f"{key} must be left out with {error.command_chain[-1]}, which does not use it, got {option}."


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:  # type: ignore[no-untyped-def]
    text = str(message).partition("The parse failed with exception")[
        0
    ]  # Numba adds the traceback of a variable
    say(f"hermite-collapse: warning: {' '.join(text.split())}")
