"""`python -m hermite_collapse` is the command hermite-collapse."""

from __future__ import annotations

import os
import sys

from .core.environment import require_environment
from .core.errors import InputError
from .core.threads import wait_passively


def main() -> None:
    """Run the command on the arguments of this process and leave with its exit status."""
    wait_passively()  # before NumPy and torch are loaded
    os.environ["MPLBACKEND"] = "agg"  # no window is ever opened
    try:
        require_environment()
    except InputError as error:
        from .app.cli.process import prepare_streams, say

        prepare_streams()
        say(f"hermite-collapse: {error}")
        sys.exit(2)
    from .app.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
