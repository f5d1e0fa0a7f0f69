"""`python -m hermite_collapse` is the command hermite-collapse."""

from __future__ import annotations

import sys

from .core.threads import wait_passively


def main() -> None:
    """Run the command on the arguments of this process and leave with its exit status."""
    wait_passively()  # before NumPy and torch are loaded
    from .app.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
