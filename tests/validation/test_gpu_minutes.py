"""The plan of minutes of a run on a GPU, by a clock of its own: sizes, resuming, failures, an end in time."""

from __future__ import annotations

import contextlib
import json
import tarfile
import time

import pytest

pytest.importorskip("torch")

from validation.gpu.minutes import MARGIN, OVERHEAD, Rates, limited, plan_sizes, seconds_allowed
from validation.gpu.piece import Outcome, OutOfTimeError, Piece, Size
from validation.gpu.records import plain, read_folder
from validation.gpu.session import Session


class Clock:
    """A clock that only work moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def done(job):
    return Outcome("done", True, {})


def piece(name, *work, run=done, kind="unit", **options):
    """A piece with one size a stage, from 1 up, of so much work, and a small one."""
    sizes = [Size(stage + 1, {"n": round(w)}, w) for stage, w in enumerate(work)]
    return Piece(name, "a piece", kind, [*reversed(sizes), Size(0, {"n": 0}, 0.0)], run, **options)


def session(pieces, folder, clock, *, seconds=1000.0, **options):
    return Session(
        pieces,
        folder=folder,
        device="cpu",
        small=False,
        end=clock() + seconds,
        clock=clock,
        measure=lambda device, small, kinds: {"unit": 1.0},
        **options,
    )


RATES = Rates({"unit": 1.0})


def planned(pieces, left):
    return {name: size.name for name, (size, _) in plan_sizes(pieces, left=left, rates=RATES).items()}


def test_everybody_gets_the_least_before_anybody_gets_more():
    pieces = [piece("first", 10.0, 100.0), piece("second", 10.0, 100.0)]
    two_least = 2 * MARGIN * (10.0 + OVERHEAD)
    assert planned(pieces, two_least + 1.0) == {"first": "least", "second": "least"}
    assert planned(pieces, two_least - 1.0) == {"first": "least"}
    more = MARGIN * 90.0
    assert planned(pieces, two_least + more + 1.0) == {"first": "wanted", "second": "least"}
    assert planned(pieces, two_least + 2 * more + 1.0) == {"first": "wanted", "second": "wanted"}
    assert planned(pieces, 1.0) == {}


def test_the_plan_never_takes_more_than_there_is():
    pieces = [piece(str(n), 3.0 * n, 20.0 * n, 77.0 * n) for n in range(1, 8)]
    for left in (0.0, 5.0, 50.0, 200.0, 1000.0, 5000.0):
        plan = plan_sizes(pieces, left=left, rates=RATES)
        assert sum(MARGIN * estimate for _, estimate in plan.values()) <= left + 1e-9


def test_only_an_elastic_piece_is_given_what_is_over():
    pieces = [piece("stiff", 10.0), piece("elastic", 10.0, is_elastic=True)]
    plan = plan_sizes(pieces, left=500.0, rates=RATES)
    other = MARGIN * (10.0 + OVERHEAD)
    assert seconds_allowed(pieces[1], plan, 500.0) == pytest.approx(500.0 - other)
    assert plan["stiff"][1] == pytest.approx(10.0 + OVERHEAD)


def test_rates_follow_what_pieces_take():
    rates = Rates({"unit": 1.0})
    slow = piece("slow", 10.0)
    rates.learn(slow, slow.sizes[0], 30.0 + OVERHEAD)
    assert rates.seconds["unit"] == pytest.approx(2.0)
    elastic = piece("elastic", 10.0, is_elastic=True)
    rates.learn(elastic, elastic.sizes[0], 1e6)  # takes what it is given, which says nothing
    assert rates.seconds["unit"] == pytest.approx(2.0)


def test_slow_pieces_shrink_those_that_come_later(tmp_path):
    clock, sizes = Clock(), []

    def work(job):
        sizes.append(job.size.name)
        clock.now += 3.0 * job.size.work  # three times what the rates say
        return done(job)

    pieces = [piece(f"p{n}", 2.0, 20.0, run=work) for n in range(6)]
    assert session(pieces, tmp_path, clock, seconds=160.0).run() == 0
    assert sizes[0] == "wanted" and sizes[-1] == "least"
    assert clock.now <= 160.0


def test_what_does_not_fit_is_named_and_the_next_command_goes_on(tmp_path, capsys):
    clock, runs = Clock(), []

    def work(job):
        runs.append(job.size.numbers["n"])
        clock.now += OVERHEAD + job.size.work
        return done(job)

    pieces = [piece("short", 10.0, run=work), piece("long", 100.0, run=work)]
    assert session(pieces, tmp_path, clock, seconds=60.0).run() == 0
    assert runs == [10]
    table = (tmp_path / "summary.md").read_text()
    assert "| long | not reached |" in table and "needs about 101 s" in table
    assert session(pieces, tmp_path, clock, seconds=300.0).run() == 0
    assert runs == [10, 100]  # the short one is not done again
    assert session(pieces, tmp_path, clock, seconds=300.0).run() == 0
    assert runs == [10, 100]
    assert "0 pieces" in capsys.readouterr().out


def test_a_failure_is_a_record_and_the_run_goes_on(tmp_path):
    def broken(job):
        raise ZeroDivisionError("nothing to divide")

    clock = Clock()
    pieces = [piece("broken", 1.0, run=broken), piece("sound", 1.0)]
    assert session(pieces, tmp_path, clock).run() == 1
    records = read_folder(tmp_path)
    assert "ZeroDivisionError: nothing to divide" in records["broken"]["error"]
    assert records["broken"]["passed"] is None and records["sound"]["passed"] is True
    mended = [piece("broken", 1.0), pieces[1]]
    assert session(mended, tmp_path, clock).run() == 0
    assert "error" not in read_folder(tmp_path)["broken"]


def test_a_disagreement_is_exit_status_one(tmp_path):
    wrong = piece("wrong", 1.0, run=lambda job: Outcome("3 | not 2", False, {"z": float("nan")}))
    assert session([wrong], tmp_path, Clock()).run() == 1
    assert read_folder(tmp_path)["wrong"]["z"] is None
    assert "| wrong | DISAGREES |" in (tmp_path / "summary.md").read_text()


def test_an_unfinished_piece_goes_on_from_its_state_on_another_machine(tmp_path):
    def chain(job):
        job.state.mkdir(parents=True, exist_ok=True)
        path = job.state / "count"
        count = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(count))
        return Outcome(f"round {count} of 2", None, {"count": count}, is_complete=count == 2)

    archives = tmp_path / "archives"
    pieces = [piece("chain/long", 1.0, run=chain, is_elastic=True)]
    session(pieces, tmp_path / "first", Clock(), archives=archives).run()
    names = sorted(path.name for path in archives.iterdir())
    assert names == ["records.tar.gz", "state.chain.long.tar.gz"]
    session(pieces, tmp_path / "second", Clock(), archives=archives).run()
    assert read_folder(tmp_path / "second")["chain/long"]["count"] == 2
    assert [path.name for path in archives.iterdir()] == ["records.tar.gz"]
    with tarfile.open(archives / "records.tar.gz") as archive:
        assert {"chain.long.json", "summary.md"} <= set(archive.getnames())


def test_a_piece_that_hangs_is_ended():
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match="limit of"), limited(0.2):
        time.sleep(5.0)
    assert time.monotonic() - began < 2.0
    with limited(5.0):
        pass
    time.sleep(0.01)  # nothing rings later


def test_a_limit_that_is_swallowed_rings_again():
    began = time.monotonic()

    def swallows():
        with contextlib.suppress(OutOfTimeError):
            time.sleep(20.0)
        time.sleep(20.0)

    with pytest.raises(OutOfTimeError), limited(0.2):
        swallows()
    assert time.monotonic() - began < 10.0


def test_a_hanging_piece_leaves_a_record(tmp_path):
    hanging = piece("hanging", 0.0, run=lambda job: time.sleep(60.0))
    begin = time.monotonic()
    run = Session(
        [hanging, piece("next", 0.0)],
        folder=tmp_path,
        device="cpu",
        small=False,
        end=begin + 10.0,
        measure=lambda device, small, kinds: {"unit": 1.0},
    )
    assert run.run() == 1
    assert time.monotonic() - begin < 10.0
    assert "OutOfTimeError" in read_folder(tmp_path)["hanging"]["error"]


def test_a_rate_that_cannot_be_measured_stops_nothing(tmp_path):
    def unmeasurable(device, small, kinds):
        raise RuntimeError("no such device")

    run = Session(
        [piece("sound", 1.0)],
        folder=tmp_path,
        device="cpu",
        small=False,
        end=100.0,
        clock=Clock(),
        measure=unmeasurable,
    )
    assert run.run() == 0
    assert read_folder(tmp_path)["sound"]["passed"] is True


def test_records_are_plain_json():
    import numpy as np

    value = {"a": np.float64(1.0 / 3.0), "b": [np.inf, np.int64(3)], "c": (np.bool_(True), None)}
    assert json.loads(json.dumps(plain(value))) == {"a": 0.33333333, "b": [None, 3], "c": [True, None]}
