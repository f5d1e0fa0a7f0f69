"""The loop over rounds: several recursions side by side, interruptions, deadlines, generators of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.simulation import ChannelGeneration, simulate, simulate_together
from hermite_collapse.simulation.rounds import run_rounds
from hermite_collapse.simulation.settings import RunSettings

TARGET = hc.presets.load("two_modes_1d")
RECURSIONS = {
    "replace": hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1),
    "accumulate": hc.Recursion(
        TARGET, fresh_fraction=0.2, truncation_time=0.2, regime="accumulate_with_fresh"
    ),
}
OPTIONS = {"rounds": 3, "particles": 60, "degree": 3, "runs": 2, "device": "cpu", "seed": 7}


@dataclass(frozen=True)
class Interrupted(ChannelGeneration):
    """The exact channel, with an interrupt before the given round, while there is one."""

    stops: list[int] = field(default_factory=list)

    def prepare(self, context):
        if context.round_index + 1 in self.stops:
            raise KeyboardInterrupt
        return super().prepare(context)


def test_recursions_side_by_side_are_those_alone():
    records = simulate_together(RECURSIONS, generation=ChannelGeneration(), **OPTIONS)
    assert list(records) == list(RECURSIONS)
    assert records["replace"].seed == OPTIONS["seed"] != records["accumulate"].seed
    for name, record in records.items():
        alone = simulate(RECURSIONS[name], **{**OPTIONS, "seed": record.seed})
        for array in ("coefficients", "second_moments", "means", "covariances", "truncation_times"):
            assert getattr(record, array).tobytes() == getattr(alone, array).tobytes(), array
        assert record.recursion == alone.recursion


@pytest.mark.parametrize("names", [["replace"], ["accumulate"], ["replace", "accumulate"]])
def test_an_interrupted_run_continues_to_the_same_bytes(names, tmp_path):
    recursions = {name: RECURSIONS[name] for name in names}
    generation = Interrupted()
    whole = simulate_together(recursions, generation=generation, folder=tmp_path / "whole", **OPTIONS)
    for stop in (2, 3):
        generation.stops[:] = [stop]
        with pytest.raises(KeyboardInterrupt):
            simulate_together(recursions, generation=generation, folder=tmp_path / "parts", **OPTIONS)
        assert len(list((tmp_path / "parts").glob("round-*.npz"))) == stop
    generation.stops.clear()
    resumed = simulate_together(recursions, generation=generation, folder=tmp_path / "parts", **OPTIONS)
    for name in names:
        assert resumed[name].coefficients.tobytes() == whole[name].coefficients.tobytes()
        assert resumed[name].covariances.tobytes() == whole[name].covariances.tobytes()
    for index in range(4):
        file = f"round-{index:05d}.npz"
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    assert not list(tmp_path.glob("*/particles-*"))


def test_no_round_is_begun_after_the_deadline(tmp_path):
    settings = RunSettings.of({"only": RECURSIONS["replace"]}, ChannelGeneration(), keep="last", **OPTIONS)
    part = run_rounds(settings, folder=tmp_path, seconds=-1.0)["only"]
    assert part.rounds == 0
    assert part.samples is None
    assert not (tmp_path / "record.json").exists()
    whole = run_rounds(settings, folder=tmp_path)["only"]
    assert whole.rounds == 3
    assert whole.samples.shape == (2, 1, 60, 1)
    assert np.array_equal(whole.coefficients[:, :1], part.coefficients)
    assert run_rounds(settings, folder=tmp_path, seconds=-1.0)["only"].rounds == 3


@pytest.mark.parametrize("keep", ["statistics", "last", "all"])
@pytest.mark.parametrize("name", RECURSIONS)
def test_needed_particles_are_those_that_later_rounds_weight(name, keep):
    recursion = RECURSIONS[name]
    settings = RunSettings.of({name: recursion}, ChannelGeneration(), keep=keep, **OPTIONS)
    for complete in range(1, 5):
        expected = {
            j
            for i in range(complete - 1, 3)
            for j in np.flatnonzero(recursion.mixing(i)[1][:complete]).tolist()
        }
        if keep == "all":
            expected = set(range(complete))
        if keep == "last" and complete == 4:
            expected.add(3)
        assert settings.needed(complete) == expected


@pytest.mark.parametrize(
    ("recursions", "sentence"),
    [
        ({}, "recursions must hold at least one recursion, got none"),
        ({"a": TARGET}, "recursion must be a Recursion, got"),
    ],
)
def test_what_is_no_recursion_is_refused(recursions, sentence):
    with pytest.raises(hc.InputError, match=sentence):
        RunSettings.of(recursions, ChannelGeneration(), rounds=1, particles=1)
