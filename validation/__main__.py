"""Theory against simulation: python -m validation [--list] [--only NAME] [--json] [--out DIR].

Runs every preset with every generator and sampler, negative controls, final steps, error budgets and the figures of
the papers that concern mixtures, each into one record (JSON, with arrays in an NPZ file beside it): device, versions,
what was predicted, what was measured, z-scores, verdict; those with something to look at into a picture (SVG) as
well.  Full size on a CUDA device if there is one, small size on a
CPU.  `--only benchmarks` times the main computations.

    python -m validation                            everything; full size where there is a GPU
    python -m validation --only presets/grid_2d     one preset
    python -m validation --only 'presets/*/kernel/*'
    python -m validation --only benchmarks/kernel_score
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "records"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 where every verdict is as it should be, 1 where one is not, 2 for bad arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m validation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name the experiments")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="run these (repeatable; prefix or pattern)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the records go (default: validation/records)"
    )
    parser.add_argument(
        "--size", choices=("small", "full"), help="default: full on a CUDA device, else small"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    from . import catalog
    from .experiment import LEVEL, Settings

    if options.list:
        for experiment in catalog.experiments():
            print(f"{experiment.name:55s} {experiment.summary}{' (long)' if experiment.is_long else ''}")
        print(f"{'benchmarks':55s} Times of the main computations; also benchmarks/NAME")
        return 0
    only = options.only or []
    benchmarks = [name for name in only if name.split("/")[0] == "benchmarks"]
    if benchmarks:
        if len(benchmarks) < len(only):
            print(f"--only must not mix benchmarks with experiments, got {only!r}.", file=sys.stderr)
            return 2
        return _run_benchmarks(benchmarks, options)

    from hermite_collapse.core.errors import InputError
    from hermite_collapse.simulation import devices

    try:
        device = devices.choose_device(options.device)
    except InputError as problem:
        print(problem, file=sys.stderr)
        return 2
    size = options.size or ("full" if device.type == "cuda" else "small")
    try:
        chosen = catalog.chosen(options.only, long_ones=size == "full")
    except KeyError as unknown:
        print(f"--only must name an experiment (see --list), got {unknown.args[0]!r}.", file=sys.stderr)
        return 2
    folder = (options.out or RECORDS) / device.type
    settings = Settings(size, str(device), options.seed, LEVEL / len(catalog.experiments()))
    records = [_run(experiment, settings, folder, quiet=options.json) for experiment in chosen]
    write_summary(folder)
    if options.json:
        print(json.dumps(records, indent=2))
    else:
        failed = [record["experiment"] for record in records if not record["passed"]]
        print(
            f"\n{len(records) - len(failed)} of {len(records)} as predicted."
            + "".join(f"\n  not: {n}" for n in failed)
        )
    return 0 if all(record["passed"] for record in records) else 1


def _run(experiment: Any, settings: Any, folder: Path, *, quiet: bool) -> dict[str, Any]:
    """One experiment into its record; the JSON file is written last."""
    import torch

    from hermite_collapse.simulation import devices
    from hermite_collapse.storage.folder import write_arrays, write_atomically, write_json

    from . import pictures

    print(f"{experiment.name} ...", file=sys.stderr, flush=True)
    began = time.perf_counter()
    result = experiment.run(settings)
    record = {
        "experiment": experiment.name,
        "summary": experiment.summary,
        "size": settings.size,
        "seed": settings.seed,
        "level": settings.level,
        "device": devices.describe_device(torch.device(settings.device)),
        "versions": devices.describe_versions(),
        "seconds": round(time.perf_counter() - began, 3),
        "passed": bool(result.passed),
        "verdict": result.verdict,
        **_plain(result.numbers),
    }
    path = folder / f"{experiment.name.replace('/', '.')}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if result.arrays:
        write_arrays(path.with_suffix(".npz"), dict(result.arrays))
    if result.page:
        write_atomically(path.with_suffix(".md"), result.page.encode())
    write_json(path, record)
    pictures.write(path)
    if not quiet:
        mark = "ok " if result.passed else "NOT"
        print(f"{mark}  {experiment.name:50s} {record['seconds']:8.1f} s  {result.verdict}", flush=True)
    return record


def write_summary(folder: Path) -> None:
    """A page that lists every record in the folder and its verdict, in the order of the experiments."""
    from hermite_collapse.storage.folder import read_json, write_atomically

    from . import catalog

    names = [experiment.name for experiment in catalog.experiments()]
    paths = [folder / f"{name.replace('/', '.')}.json" for name in names]
    lines = [
        "# Theory against simulation",
        "",
        "| experiment | as predicted | size | device | seconds | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for record in (read_json(path) for path in paths if path.is_file()):
        verdict = record["verdict"].replace("|", "\\|").replace("\n", " ")
        mark = "yes" if record["passed"] else "**no**"
        where = f"{record['size']} | {record['device']}"
        lines.append(f"| {record['experiment']} | {mark} | {where} | {record['seconds']:.1f} | {verdict} |")
    write_atomically(folder / "summary.md", ("\n".join(lines) + "\n").encode())


def _run_benchmarks(names: list[str], options: argparse.Namespace) -> int:
    from .benchmarks import __main__ as benchmarks

    arguments = [part for name in names if "/" in name for part in ("--only", name.split("/", 1)[1])]
    if any("/" not in name for name in names):
        arguments = []
    arguments += ["--json"] if options.json else []
    arguments += ["--out", str(options.out)] if options.out else []
    return benchmarks.main(arguments)


def _plain(value: Any) -> Any:
    """NumPy numbers and arrays as JSON values; NaN becomes null."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value != value:
        return None
    return value


if __name__ == "__main__":
    raise SystemExit(main())
