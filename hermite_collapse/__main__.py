"""`python -m hermite_collapse` is the command hermite-collapse."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command on the arguments of this process and leave with its exit status."""
    from .app.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
