"""What must be refused is refused in one sentence with argument, rule and value, and the command leaves nothing."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run
from hermite_collapse.core import checks

PIXELS = np.random.default_rng(0).integers(0, 256, (200, 3)).astype(float)
LAW = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.3)
ROUNDS = {"fresh_fraction": 0.3, "truncation_time": 0.1}
RECURSION = hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.0)
DDIM = hc.mechanisms.SamplerSteps.ddim()
GUIDED = hc.mechanisms.SamplerSteps.ddim(guidance=hc.mechanisms.Guidance(2.0, 0.1))


def simulated(**options):
    """A small simulation with these options."""
    recursion = hc.Recursion(LAW, **ROUNDS)
    return hc.simulation.simulate(recursion, **{"rounds": 1, "particles": 10, "device": "cpu", **options})


RECORD = simulated()
BY_STEPS = dataclasses.replace(RECORD, generator="steps")


@pytest.mark.parametrize(
    ("samples", "value"),
    [(PIXELS, r"got one of 2\.\d+e\+04"), (PIXELS / 255.0 / 20.0, r"got an average of 0\.0008\d+")],
    ids=["pixels", "far too small"],
)
def test_samples_in_other_units_make_no_recursion_unless_meant(samples, value):
    for laws in ({"target": hc.EmpiricalLaw(samples)}, {"target": hc.EmpiricalLaw(samples), "initial": LAW}):
        if "initial" in laws:
            laws = {"target": hc.EmpiricalLaw(PIXELS / 127.5 - 1.0), "initial": laws["target"]}
        with pytest.raises(
            hc.InputError, match=rf"must be in the units of the diffusion, .*{value}: give scale"
        ):
            hc.Recursion(**laws, **ROUNDS)
    meant = hc.EmpiricalLaw(samples, scale=1.0)
    assert np.shares_memory(meant.samples, samples)
    assert hc.Recursion(meant, **ROUNDS).dimension == 3
    scaled = hc.EmpiricalLaw(samples, scale=np.sqrt(np.mean(samples**2)))
    assert np.mean(hc.Recursion(scaled, **ROUNDS).target.samples ** 2) == pytest.approx(1.0)


def test_a_projection_of_samples_is_in_their_units():
    # White pixels: 1 in each of 100 coordinates, 100 along their diagonal.
    law = hc.EmpiricalLaw(np.ones((50, 100)))
    line = law.project(np.full(100, 0.1))
    assert np.allclose(line.samples, 10.0)
    assert hc.Recursion(line, **ROUNDS).dimension == 1


REFUSED = [
    (lambda: hc.Pipeline([], fresh_fraction=0.1).limit(1e300), "v must be 0 or lie in .* got 1e.300"),
    (lambda: hc.Pipeline([], fresh_fraction=0.1).limit(True), "v must hold numbers, got booleans"),
    (lambda: hc.Pipeline([], fresh_fraction=0.1).gain([True]), "w must hold numbers, got booleans"),
    (
        lambda: hc.advise_sampler("ddpm", fresh_fraction=0.1, smallest_variance=1e-13),
        "smallest_variance must be 0 or lie in .* got 1e-13",
    ),
    (
        lambda: hc.simulation.simulate_many({1: hc.Recursion(LAW, **ROUNDS)}, rounds=1, particles=10),
        "recursions must have names that can name a folder, got 1",
    ),
    (
        lambda: hc.simulation.simulate_many([hc.Recursion(LAW, **ROUNDS)], rounds=1, particles=10),
        "recursions must be a mapping, got",
    ),
    (lambda: hc.Pipeline(None, fresh_fraction=0.1), "mechanisms must be a sequence, got None"),
    (
        lambda: hc.mechanisms.Blur(1e200),
        "bandwidth must be <= 1e.30 for its powers to be numbers, got 1e.200",
    ),
    (lambda: hc.mechanisms.SamplerSteps.edm(rho=1e-3), "rho must be >= 0.25, got 0.001"),
    (
        lambda: hc.audit(hc.Pipeline([], fresh_fraction=0.1), directions=[1e-300]),
        "directions must be 0 or lie in",
    ),
    (
        lambda: hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.1, initial="data"),
        "initial must be a law",
    ),
    (
        lambda: hc.Recursion(LAW, fresh_fraction=0.3, truncation_time=0.1, initial=PIXELS),
        "initial must be in the units of the diffusion",
    ),
    (lambda: hc.Recursion(LAW, process="ou", **ROUNDS), "process must be OrnsteinUhlenbeck.* got 'ou'"),
    (
        lambda: hc.attenuation(1, fresh_fraction=True, truncation_time=0.1),
        "fresh_fraction must be a real number, got True",
    ),
    (
        lambda: hc.attenuation(1, fresh_fraction=1e-320, truncation_time=0.1),
        "fresh_fraction must be 0 or at least 2.23e-308, got 1e-320",
    ),
    (
        lambda: hc.attenuation(1, fresh_fraction=0.1, truncation_time=np.bool_(0)),
        "truncation_time must be a real number",
    ),
    (
        lambda: hc.AttenuationOperator(fresh_fraction=0.3, truncation_time=0.1).apply(0.5),
        "coefficients must be .* got 0.5",
    ),
    (lambda: LAW.log_density([0.0, np.nan, 1.0, np.nan]), "x must hold no NaN, got 2, the first at 1"),
    (
        lambda: hc.presets.load("grid_2d").score([[0.0, 0.0], [1.0, np.nan]]),
        r"x must hold no NaN, got 1, the first at \(1, 1\)",
    ),
    (
        lambda: hc.GaussianMixture([0.5, 0.5], [0.0, 1.0], [1.0, np.inf]),
        "covariances must be finite, got 1 .* first at 1",
    ),
    (lambda: hc.EmpiricalLaw(np.array([0.1, None], dtype=object)), "samples must hold real numbers"),
    (
        lambda: hc.EmpiricalLaw(np.ma.array([0.1, 99.0], mask=[False, True])),
        "samples must have no masked entries, got 1",
    ),
    (lambda: hc.EmpiricalLaw([[1.0], [1.0, 2.0]]), "samples must hold real numbers"),
    (
        lambda: hc.EmpiricalLaw(np.arange(256, dtype=np.uint8), scale=127.5),
        r"8 bits must come without a scale, .* got 127\.5: give samples / 127\.5 - 1",
    ),
    (
        lambda: hc.attenuation(1, fresh_fraction=np.ma.masked, truncation_time=0.1),
        "fresh_fraction must be a real number",
    ),
    (
        lambda: hc.GaussianMixture.fit(PIXELS, components=201),
        "components must be at most the number of samples, 200",
    ),
    (lambda: hc.GaussianMixture.fit(PIXELS, components=2, seed=-1), "seed must be an integer >= 0, got -1"),
    (
        lambda: hc.GaussianMixture.fit(PIXELS, components=2, seed=2**40),
        "seed must be below 2\\^32, got 1099511627776",
    ),
    (lambda: LAW.sample(10**13), "n = 10000000000000 must fit this machine's memory"),
    (lambda: hc.predict(hc.Recursion(LAW, **ROUNDS), rounds=10**13), "rounds = 10000000000000 must fit"),
    (
        lambda: hc.measure(np.eye(40, 16, dtype=np.uint8), [np.zeros((40, 16), np.uint16)], scale=1.0),
        "generation 1 must be stored like the data, with 8 bits, got with 16 bits",
    ),
    (lambda: hc.measure(np.eye(30), [np.eye(29)]), r"shape of the data, \(30,\), got \(29,\)"),
    (lambda: hc.measure(np.eye(30), []), "generations must hold at least one generation, got none"),
    (
        lambda: hc.measure(100.0 * np.eye(30), [np.eye(30)]),
        "real must be in the units of the diffusion, second moments within",
    ),
    (lambda: hc.diagnose([1.0, 0.9]), "curve must hold at least 3 usable values for a fit, got 2"),
    (lambda: hc.diagnose([1.0, 0.9, 0.8], kind="fid"), "kind must be one of 'factors', .* got 'fid'"),
    (lambda: hc.diagnose([1.0, 0.9, 0.8], rounds=[0, 0.5, 1]), "rounds must be whole numbers >= 0"),
    (
        lambda: hc.diagnose([1.0, 0.9, 0.8], mechanism="fid"),
        "mechanism must be one of 'truncation', .* got 'fid'",
    ),
    (
        lambda: hc.diagnose([1.0, 0.9, 0.8], sampler="edm"),
        "sampler must be a round map of hc.mechanisms, got 'edm'",
    ),
    (
        lambda: hc.detection_power("blur", 0.3, fresh_fraction=0.2, images=100, rounds=3),
        "mechanism must be a round map of hc.mechanisms, got 'blur'",
    ),
    (lambda: hc.compare_learned(LAW, LAW), "recursion must be a Recursion"),
    (lambda: hc.bounds.collapse_bounds(3), "recursion must be a Recursion, got 3"),
    (lambda: hc.bounds.divergence_table(RECURSION, rounds=2**62), "rounds = 4611686018427387904 must fit"),
    (
        lambda: hc.bounds.mode_defects([[[0.0], [np.nan]], [[0.0], [0.3]]], [1], target=[0.0], **ROUNDS),
        r"coefficients must be finite, got 1 .* first at \(0, 1, 0\)",
    ),
    (
        lambda: hc.Recursion(LAW, fresh_fraction=np.ma.array([0.1, 0.9], mask=[0, 1]), truncation_time=0.1),
        "fresh_fraction must have no masked entries, got 1",
    ),
    (lambda: hc.read_scheduler(3), "config must be text, a path or a mapping, got 3"),
    (lambda: hc.compare_steps(RECURSION, LAW, DDIM), "simulated must be a SimulatedRecursion"),
    (
        lambda: hc.compare_steps(RECURSION, RECORD, "ddim"),
        "sampler must be a sampler of K steps .* got 'ddim'",
    ),
    (
        lambda: hc.compare_steps(RECURSION, RECORD, GUIDED),
        "sampler must be a sampler of K steps without guidance of its own",
    ),
    (
        lambda: hc.compare_steps(RECURSION, RECORD, DDIM, guidance_scale=0.5),
        "guidance_scale must be >= 1 .* got 0.5",
    ),
    (
        lambda: hc.compare_steps(RECURSION, RECORD, DDIM),
        "simulated must come from a sampler of K steps .* got 'channel': use `compare`",
    ),
    (
        lambda: hc.compare_steps(hc.Recursion(LAW, **ROUNDS), BY_STEPS, DDIM),
        "recursion must have truncation time 0 in every round .* got 0.1 in round 0",
    ),
    (
        lambda: hc.compare_steps(hc.Recursion(hc.presets.load("grid_2d"), **ROUNDS), BY_STEPS, DDIM),
        "simulated must have the dimension of recursion, 2, got 1",
    ),
    (lambda: hc.compare(RECURSION, BY_STEPS), "generator with predicted error bars .* got 'steps'"),
    *[
        (lambda options=options: simulated(**options), message)
        for options, message in (
            ({"rounds": float("inf")}, "rounds must be an integer, got inf"),
            ({"rounds": float("nan")}, "rounds must be an integer, got nan"),
            ({"rounds": -1}, "rounds must be an integer >= 0, got -1"),
            ({"particles": float("inf")}, "particles must be an integer, got inf"),
            ({"particles": 0}, "particles must be an integer >= 1, got 0"),
            ({"runs": 0.5}, "runs must be an integer"),
            ({"degree": float("nan")}, "degree must be an integer, got nan"),
            ({"seed": -1}, "seed must be an integer >= 0, got -1"),
            ({"seed": 1 << 63}, "seed must be"),
            ({"chunk": 0}, "chunk must be an integer >= 1, got 0"),
            ({"keep": "some"}, "keep must be one of 'statistics', .* got 'some'"),
            ({"generator": "ddim"}, "generator must be one of 'channel', .* got 'ddim'"),
            ({"generator": None}, "generator must be one of 'channel', .* got None"),
            ({"steps": 5}, "steps must be left out with generator='channel'"),
            ({"generator": "exact", "pool": 10}, "pool must be left out with generator='exact'"),
            ({"generator": "exact", "steps": 0}, "steps must be an integer >= 1, got 0"),
            ({"generator": "exact", "steps": float("inf")}, "steps must be an integer, got inf"),
            ({"generator": "exact", "horizon": float("nan")}, "horizon must be"),
            ({"generator": "exact", "start": "zero"}, "start must be one of"),
            ({"generator": "kernel", "pool": 0}, "pool must be an integer >= 1, got 0"),
            ({"device": "gpu"}, "device must be"),
        )
    ],
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_the_sentence_names_argument_rule_and_value(call, message):
    with pytest.raises(hc.InputError, match=message) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text


def test_the_limits_of_the_units_are_inclusive_and_on_both_sides():
    edge = np.sqrt([[checks.LARGEST_MOMENT, 0.0], [checks.LARGEST_MOMENT, 0.0]])
    checks.diffusion_units(checks.second_moments(edge), "x")
    with pytest.raises(hc.InputError, match="got one of 25.01"):
        checks.diffusion_units(checks.second_moments(edge * np.sqrt(25.01 / 25.0)), "x")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence of a command that exits with 2, prints nothing else and leaves the folder as it was."""
    before = sorted(os.listdir())
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hermite-collapse: ") and err.count("\n") == 1
    assert sorted(os.listdir()) == before
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict --degree 2.5", 'Invalid value for --degree: unable to convert "2.5" into int'),
        ("predict --rounds 3.0", 'Invalid value for --rounds: unable to convert "3.0" into int'),
        (
            "compare --out x --particles 10.5",
            'Invalid value for --particles: unable to convert "10.5" into int',
        ),
        ("spectrum --seed 1.5", 'Invalid value for --seed: unable to convert "1.5" into int'),
        ("spectrum --most 9.5", 'Invalid value for --most: unable to convert "9.5" into int'),
        ("schedule --step 5", "step must come with scheduler_file, got 5 without it."),
        ("schedule --plan-degree 2 4.5", 'Invalid value for --plan-degree: unable to convert "4.5" into int'),
    ],
)
def test_options_that_count_are_never_rounded(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(arguments.split(), capsys)


def test_several_degrees_of_a_plan_are_read(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["schedule", "--error-scale", "0.001", "--plan-degree", "2", "4", "--rounds", "3"]) == 0
    assert "planned" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        "--rate 1e300",
        "--rate 1e308",
        "--truncation-time 1e300",
        "--fresh-fraction 3e-308",
        "--truncation-time 5e-324",
    ],
)
def test_the_ends_of_the_doubles_are_predicted_without_warnings(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["predict", *arguments.split()]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "nan" not in out.lower()


@pytest.mark.parametrize("generator", ["exact", "kernel"])
def test_a_run_refused_late_leaves_nothing(generator, capsys, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(
        '[recursion]\nschedule = "explicit"\ntruncation_times = [0.1, 0.0]\nrounds = 2\n'
    )
    text = refused(
        f"simulate my.toml --out o --generator {generator} --particles 100 --runs 1".split(), capsys
    )
    assert "truncation_time must be > 0 in every round" in text and "in round 1" in text


def test_a_configuration_that_is_none(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", np.zeros(3))
    (tmp_path / "empty.toml").write_text(" \n")
    assert "must be a TOML file, got 'mine.npy': was --samples meant?" in refused(
        ["spectrum", "mine.npy"], capsys
    )
    assert "empty.toml: the configuration must hold a section, got an empty file." in refused(
        ["compare", "empty.toml"], capsys
    )


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_refusal_under_way_keeps_rounds_that_are_done(rounds, tmp_path, monkeypatch):
    from hermite_collapse.app import config
    from hermite_collapse.app import run as results

    def interrupted(_config, _recursion, *, folder, progress):
        folder.mkdir(parents=True)
        for index in range(rounds):
            (folder / f"round-{index:05d}.npz").touch()
        raise hc.InputError("pool must be something else, got this.")

    monkeypatch.setattr(results, "simulate", interrupted)
    folder = tmp_path / "o"
    opened = results.open_folder(folder, config.Config(), resume=False)
    with pytest.raises(hc.InputError, match="pool must be"), opened.claimed():
        results.run_simulation(opened)
    assert folder.exists() == bool(rounds)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["schedule", "given"],
            "got the folder 'given': a sampler's folder is given as --scheduler-file given",
        ),
        (["measure", "given"], "got the folder 'given': folders of samples are given as --data given"),
        (["predict", "given"], "config_file must be a TOML file, got the folder 'given': its settings"),
        (
            ["measure", "given", "other"],
            "got 'other' besides: others are options, for folders of samples --data",
        ),
        (["diagnose", "given"], "got the folder 'given' without curves: hermite-collapse measure --data"),
    ],
)
def test_a_folder_in_the_wrong_place_is_told_the_right_one(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").mkdir()
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
