"""The command itself: names and one line of help for each command, and what becomes of errors.

The modules of the commands are import paths, so that `--help` loads none of them.  Exit status: 0 done, 1 a
comparison or check rejected the theory, 2 bad input (one sentence on standard error, no traceback).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...core import checks
from ...core.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from cyclopts import App

COMMANDS = {
    "predict": "Theory alone: what the recursion converges to, mode by mode (no torch needed).",
    "simulate": "Simulate the recursion and keep what is measured in a folder.",
    "compare": "Predict, simulate, compare; leaves results, figures and a page in a folder.",
    "audit": "What a real sampler and the loop around it do to data, and what to change first.",
    "schedule": "Plan truncation times, and convert between OU time, alpha_bar and sigma.",
    "spectrum": "Energy of samples or of a law by Hermite degree.",
    "bounds": "What is proved: rates, radii under defects, and how divergences propagate.",
    "diagnose": "Read fresh fraction and truncation time off a measured attenuation curve.",
    "sweep": "Predict or compare over a grid or a list of settings; resumable.",
    "report": "Write the figures and the page of a folder again.",
    "config": "Print a commented configuration with every default.",
    "verify": "Check the statements of the papers on this machine, by means of its own.",
}
_MODULES = {"config": "configure"}
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

    app = App(
        name="hermite-collapse",
        help=_ABOUT,
        version=__version__,
        help_format="plaintext",
        help_formatter="default" if sys.stdout.isatty() else "plain",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,  # `run` says that it was
        result_action="return_value",
        default_parameter=Parameter(show_default=False),  # every help text names its default itself
    )
    for order, (name, text) in enumerate(COMMANDS.items()):
        module = f"hermite_collapse.app.cli.{_MODULES.get(name, name)}"
        app.command(f"{module}:command", name=name, help=None if name == selected else text, sort_key=order)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return the exit status."""
    from cyclopts import CycloptsError

    warnings.showwarning = _show_warning
    try:
        if arguments and not arguments[0].startswith("-"):
            checks.one_of(arguments[0], COMMANDS, "the command")
        status = build_app(arguments[0] if arguments else "")(list(arguments))
    except CycloptsError as error:
        return _refuse(_sentence(error))
    except InputError as error:
        return _refuse(str(error))
    except ConvergenceError as error:
        return _refuse(f"{error} (best value {error.value}, bound {error.bound})")
    except ImportError as error:  # an extra that is not installed; the message names it
        if error.name is not None and error.name.startswith("hermite_collapse"):
            raise
        return _refuse(str(error))
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refuse(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}.")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return int(status or 0)


def _refuse(message: str) -> int:
    print(f"hermite-collapse: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _sentence(error: Exception) -> str:
    """Return a parser's complaint as one plain sentence, without the panel cyclopts draws around it."""
    text = str(error).strip()
    return text if text.endswith((".", "?", "!")) else text + "."


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:  # type: ignore[no-untyped-def]
    print(f"hermite-collapse: warning: {' '.join(str(message).split())}", file=sys.stderr)
