"""The ten-dimensional experiment of arXiv:2602.16601, literal and in closed form, at the size of the machine."""

from __future__ import annotations

from ..experiment import Experiment, Result, Settings


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "five_modes_10d",
            "the mixture experiment of arXiv:2602.16601 beside its closed form",
            run,
            is_long=True,
        )
    ]


def run(settings: Settings) -> Result:
    """Chains against the closed form; the literal ones have known defects, so only exact ones decide."""
    from . import five_modes_10d

    record = five_modes_10d.small_record(settings.device)
    exact = [chain for chain in record["chains"] if chain["setting"]["model"] == "channel"]
    largest = max(chain["largest_z"] for chain in exact)
    return Result(
        largest < 4.5,
        f"{len(exact)} chains in closed form against their prediction: largest z {largest:.2f}.",
        {key: value for key, value in record.items() if key not in ("experiment", "versions", "size")},
    )
