"""Theory against a GPU in a number of minutes: python -m validation.gpu [--minutes 8] [--out DIR] [--data DIR].

Needs numpy, scipy, numba and torch, and uses Triton where it is there; no network, no installation.  The pieces run in
order of worth, each at the largest size that fits into the minutes left; its record is written the moment it is done.
The same command with the same folder goes on where it stopped.

    python -m validation.gpu --minutes 8 --out DIR --data FASHION       on a machine with a CUDA device
    python -m validation.gpu --minutes 1 --device cpu --size small      a rehearsal
    python -m validation.gpu --list                                     the pieces
    python -m validation.gpu --page DIR                                 pictures, and the page docs/gpu.md, of records
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDS = Path(__file__).resolve().parents[1] / "records" / "gpu"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 where nothing disagrees and nothing failed, 1 where something does, 2 for bad arguments."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m validation.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="for everything, the start included")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--size", choices=("full", "small"), help="default: full on CUDA, small on a CPU")
    parser.add_argument("--only", action="append", metavar="NAME", help="these pieces (repeatable, patterns)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the records go")
    parser.add_argument("--archives", type=Path, metavar="DIR", help="where packed records go, and come from")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the IDX files of Fashion-MNIST")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name the pieces")
    parser.add_argument(
        "--page", type=Path, metavar="DIR", help="draw pictures and write docs/gpu.md, run nothing"
    )
    options = parser.parse_args(arguments)
    if not options.minutes > 0.0:
        parser.error(f"--minutes must be > 0, got {options.minutes:g}")
    if options.page is not None:
        from .page import write_page

        print(write_page(options.page, REPOSITORY / "docs" / "gpu.md"))
        return 0

    from .catalog import pieces_in_order, selected

    if options.list:
        for piece in pieces_in_order():
            print(f"{piece.name:34s} {piece.summary}")
        return 0
    try:
        pieces = selected(options.only)
    except KeyError as unknown:
        print(f"--only must name a piece (see --list), got {unknown.args[0]!r}.", file=sys.stderr)
        return 2

    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "--device must be one that is there, got cuda where torch sees no CUDA device.", file=sys.stderr
        )
        return 2
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    small = (options.size or ("full" if device == "cuda" else "small")) == "small"
    folder = options.out or (RECORDS if device == "cuda" else REPOSITORY / "runs" / "gpu")

    from .session import Session

    session = Session(
        pieces,
        folder=folder,
        device=device,
        small=small,
        end=began + 60.0 * options.minutes,
        data=options.data,
        seed=options.seed,
        archives=options.archives,
    )
    return session.run()


if __name__ == "__main__":
    raise SystemExit(main())
