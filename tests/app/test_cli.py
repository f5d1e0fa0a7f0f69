"""The command: exit statuses, one sentence for bad input, JSON alone on standard output, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from hermite_collapse.app.cli.app import COMMANDS, run
from hermite_collapse.app.cli.output import plain
from hermite_collapse.app.config import Config, key_sections, load_config, parse_config
from hermite_collapse.app.run import load
from hermite_collapse.core.numbers import significant
from tests.processor_time import is_kept, seconds_of_python

RING = files("hermite_collapse.diagnosis") / "examples" / "ring.csv"

SMALL = ["--particles", "20000", "--rounds", "3", "--degree", "4"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments: str, capsys) -> tuple[int, str, str]:
    status = run([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def refused(*arguments: str, capsys) -> str:
    """The sentence of a command that must exit with 2, print nothing else and leave nothing behind."""
    before = sorted(os.listdir())
    status, out, err = call(*arguments, capsys=capsys)
    assert status == 2 and out == ""
    assert err.startswith("hermite-collapse: ") and err.count("\n") == 1 and "Traceback" not in err
    assert sorted(os.listdir()) == before
    return err.removeprefix("hermite-collapse: ").strip()


def test_help_names_every_command(capsys):
    status, out, _ = call("--help", capsys=capsys)
    assert status == 0
    for name in COMMANDS:
        assert f"{name}:" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name, capsys):
    status, out, _ = call(name, "--help", capsys=capsys)
    assert status == 0
    for option in ("--json", "--out", "--yes"):
        assert option in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_options_are_the_keys_of_the_configuration(capsys):
    _, out, _ = call("simulate", "--help", capsys=capsys)
    text = " ".join(out.split())
    for key, section in key_sections().items():
        kind = Config.model_fields[section]
        if section == "sweep" or key in (
            "weights",
            "means",
            "covariances",
            "covariance_type",
        ):  # only a file can hold a matrix
            continue
        assert f"--{key.replace('_', '-')}" in text, (key, kind)
    assert "Default: 0.3." in text and "in OU time" in text


def test_version(capsys):
    import hermite_collapse

    status, out, _ = call("--version", capsys=capsys)
    assert status == 0 and out.strip() == hermite_collapse.__version__


REFUSED = [
    (["cmpare"], "the command must be one of .* got 'cmpare' \\(did you mean 'compare'\\?\\)"),
    (["predict", "--fresh-fractoin", "1"], "Unknown option: --fresh-fractoin. Did you mean --fresh-fraction"),
    (
        ["predict", "--fresh-fraction", "x"],
        'Invalid value for --fresh-fraction: unable to convert "x" into float',
    ),
    (["predict", "--fresh-fraction", "1.5"], r"fresh_fraction must lie in \[0, 1\], got 1.5."),
    (["predict", "--truncation-time", "-1"], "truncation_time must be >= 0, got -1.0."),
    (["predict", "--rounds", "0"], "rounds must be an integer >= 1, got 0."),
    (["spectrum", "--seed"], "requires an argument"),
    (["predict", "a.toml", "b"], "at most one argument without a name"),
    (["predict", "a.toml"], "the configuration must be an existing TOML file, got 'a.toml'."),
    (["predict", "--preset", "tree_modes_1d"], "preset must be one of .*did you mean 'three_modes_1d'"),
    (["predict", "--preset", "x", "--samples", "y.npy"], "got preset and samples"),
    (["predict", "--samples", "none.npy"], "must name an existing file or folder, got 'none.npy'"),
    (["predict", "--scale", "2"], "scale must come with samples"),
    (["predict", "--regime", "accumulate"], "fresh_fraction must be 0 in the regime 'accumulate'"),
    (["compare", "--out", "x", "--generator", "exat"], "did you mean 'exact'"),
    (["compare", "--out", "x", "--steps", "5"], "steps must be left out with generator='channel'"),
    (["compare", "--out", "x", "--device", "cuda:99"], "device"),
    (["compare", "--out", "x", "--significance", "0"], r"significance must lie in \(0, 1\), got 0.0."),
    (["compare", "--out", "x", "--significance", "1"], r"significance must lie in \(0, 1\), got 1.0."),
    (["simulate", "--out", "x", "--particles", "0"], "particles must be an integer >= 2, got 0."),
    (["simulate", "--out", "x", "--particles", "1"], "particles must be an integer >= 2, got 1."),
    (
        ["bounds", "--regime", "accumulate_with_fresh"],
        "bounds must be asked of rounds of replacement, .* got regime accumulate_with_fresh",
    ),
    (["bounds", "--energies", "none.csv"], "must name an existing file or folder, got 'none.csv'"),
    (["bounds", "--defect", "-1"], "defect must be >= 0, got -1.0."),
    (["spectrum", "--against", "y.npy"], "against must|must name an existing file"),
    (["report"], "report must be given the folder of a run"),
    (["report", "nowhere"], "folder must name an existing file or folder, got 'nowhere'"),
    (["report", "."], "folder must hold a run"),
    (["diagnose"], "diagnose must be given a table of a curve"),
    (["diagnose", "none.csv"], "must name an existing file or folder, got 'none.csv'"),
    (["diagnose", "nowhere"], "curve must name an existing file or folder, got 'nowhere'"),
    (["schedule", "--alpha-bar", "2"], "alpha_bar must lie in"),
    (["schedule", "--alpha-bar", "0.5", "--sigma", "1"], "the truncation must be given once"),
    (["schedule", "--known", "dpm"], "did you mean 'ddpm'"),
    (["schedule", "--known", "DDPM"], "did you mean 'ddpm'"),
    (["audit", "EDM"], "scheduler must be .* or an existing file or folder, got 'EDM' \\(did you mean 'edm'"),
    (["schedule", "--scheduler-file", "x.json"], "must name an existing file or folder, got 'x.json'"),
    (["diagnose", "curves", "--held-out", "1500"], "--held-out. It belongs to measure"),
    (["predict", "--alpha", "0.2"], "Unknown option: --alpha. Did you mean --fresh-fraction\\?"),
    (["predict", "--t0", "0.2"], "Unknown option: --t0. Did you mean --truncation-time\\?"),
    (["simulate", "--particles", "1e-3"], 'Invalid value for --particles: unable to convert "1e-3" into int'),
    (["simulate", "--particles", "2.5"], 'Invalid value for --particles: unable to convert "2.5" into int'),
    (["predict", "--figure-format", "gif"], "figure_format must be one of 'svg', 'png', 'pdf', got 'gif'"),
    (["predict", "--width", "triple"], "width must be one of 'single', 'double', got 'triple'"),
    (["predict", "--width", "single"], "width must come with out, the folder of the figures, got 'single'"),
    (
        ["audit", "edm", "--steps", "4", "--figure-format", "pdf"],
        r"figure_format must come with out, .* got \['pdf'\]",
    ),
    (
        ["predict", "--out", ""],
        "Invalid value for --out: a file or folder must have a name, got an empty text.",
    ),
    (["predict", ""], "a file or folder must have a name, got an empty text."),
    (
        ["measure", "--data", "a", "--generations", "b", " "],
        "for --generations: a file or folder must have a name, got an empty text.",
    ),
    (
        ["diagnose", str(RING), "--columns", "round=round", "round=time"],
        "columns must name a column once, got 'round'",
    ),
    (["verify", "--width", "single"], "Unknown option: --width"),
    (["config", "--figure-format", "svg"], "Unknown option: --figure-format"),
    (["schedule", "--error-scale", "-1"], "error_scale must be > 0, got -1.0."),
    (["sweep"], "sweep.values must name at least one key"),
    (["config", "--out", "x"], "out must be left out with config"),
    (["verify", "--only", "nothing"], "limit, propagation, additions select all of their kind"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["c.npy"], "must be a .csv, .txt"),
        (["c.csv", "--columns", "degree 1"], "columns must be given as NAME=ROLE, got 'degree 1'"),
    ],
)
def test_tables_of_other_kinds_are_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("c.npy", "c.csv"):
        (tmp_path / name).write_text("degree 1\n1\n0.9\n")
    assert message in refused("diagnose", *arguments, capsys=capsys)


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_bad_input_is_one_sentence_and_leaves_nothing(arguments, message, capsys):
    import re

    assert re.search(message, refused(*arguments, capsys=capsys))


def test_bad_file_names_the_file_and_the_nearest_key(tmp_path, capsys):
    (tmp_path / "my.toml").write_text("[recursion]\nfresh_fractoin = 0.2\n")
    text = refused("compare", "my.toml", "--out", "o", capsys=capsys)
    assert text == "my.toml: unknown key fresh_fractoin in [recursion]: did you mean fresh_fraction?"


def test_predict_prints_the_theory(capsys):
    status, out, err = call("predict", capsys=capsys)
    assert status == 0 and err == ""
    assert "three_modes_1d, fresh fraction 0.3, truncation time 0.1" in out
    assert "5.25" in out and "0.8540" in out and "infinite" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "\033" not in out


def test_predict_as_json_is_one_document_of_the_closed_forms(capsys):
    status, out, _ = call(
        "predict", "--json", "--fresh-fraction", "0.2", "--truncation-time", "0.4", capsys=capsys
    )
    document = json.loads(out)
    n = np.arange(9)
    np.testing.assert_allclose(document["attenuation"], 0.2 / (0.2 + np.expm1(0.2 * n)), rtol=1e-14)
    np.testing.assert_allclose(document["half_degree"], np.log1p(0.2) / 0.2, rtol=1e-14)
    assert document["config"]["recursion"]["fresh_fraction"] == 0.2
    assert document["distances_to_data"]["chi_square"]["value"] == "inf"
    assert status == 0


def test_predict_into_a_folder(tmp_path, sketched, capsys):
    import xarray

    status, _, _ = call("predict", "--out", "p", "--rounds", "2", capsys=capsys)
    assert status == 0
    assert load_config(tmp_path / "p" / "config.toml").recursion.rounds == 2
    with xarray.open_dataset(tmp_path / "p" / "prediction.nc", engine="h5netcdf") as data:
        assert data.sizes["round"] == 3 and data["factor"].attrs["units"] == "1"


@pytest.mark.parametrize(
    "options",
    [
        ["--process", "variance_exploding", "--truncation-time", "0.02"],
        ["--blur", "0.2"],
        ["--fresh-fraction", "0"],
        ["--fresh-fraction", "1"],
        ["--truncation-time", "0"],
        ["--fresh-fraction", "0", "--regime", "accumulate"],
        ["--regime", "accumulate_with_fresh"],
        ["--schedule", "polynomial", "--exponent", "2"],
        ["--schedule", "explicit", "--truncation-times", "0.1", "0.05"],
        ["--preset", "tilted_2d", "--rounds", "1"],  # distances in the plane cost a second for each mixture
        ["--fresh-fraction", "0", "--process", "variance_exploding"],
    ],
    ids=" ".join,
)
def test_predict_in_every_regime(options, capsys):
    rounds = [] if "--rounds" in options else ["--rounds", "3"]
    status, out, err = call("predict", *rounds, "--degree", "3", *options, capsys=capsys)
    assert status == 0 and err == ""
    assert "nan" not in out.lower()
    assert all(len(line) <= 80 for line in out.splitlines())


def test_config_round_trip(tmp_path, capsys):
    _, template, _ = call("config", capsys=capsys)
    (tmp_path / "my.toml").write_text(template)
    assert load_config("my.toml") == Config()
    _, changed, _ = call("config", "my.toml", "--rounds", "5", capsys=capsys)
    (tmp_path / "my.toml").write_text(changed)
    assert load_config("my.toml") == parse_config({"recursion": {"rounds": 5}})
    _, schema, _ = call("config", "--json", capsys=capsys)
    assert json.loads(schema)["additionalProperties"] is False


def test_compare_own_mixture(tmp_path, request, capsys):
    pytest.importorskip("torch")
    (tmp_path / "my.toml").write_text(
        "[target]\nweights = [0.5, 0.5]\nmeans = [-1.0, 1.2]\ncovariances = [0.2, 0.1]\n"
        "[recursion]\nrounds = 2\n[analysis]\ndegree = 3\n[simulation]\nparticles = 20000\n"
    )
    status, out, err = call("compare", "my.toml", "--out", "o", capsys=capsys)
    assert status == 0, err
    assert "Verdict" in out and "agree" in out
    folder = tmp_path / "o"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"config.toml", "results.nc", "report.html"} <= names
    for figure in ("attenuation", "density", "approach"):
        assert {f"figures/{figure}.svg", f"figures/{figure}.png"} <= names
    assert load_config(folder / "config.toml") == load_config("my.toml")
    assert not [name for name in names if "unfinished" in name]

    request.getfixturevalue("sketched")  # the figures were drawn above
    assert "must be empty unless --resume is given" in refused(
        "compare", "my.toml", "--out", "o", capsys=capsys
    )
    text = refused("compare", "my.toml", "--out", "o", "--resume", "--seed", "1", capsys=capsys)
    assert "with config.simulation.seed = 0 instead of 1" in text
    status, again, _ = call("compare", "my.toml", "--out", "o", "--resume", capsys=capsys)
    assert status == 0 and again == out
    status, report, _ = call("report", "o", capsys=capsys)
    assert status == 0 and report == out


def test_a_wrong_theory_exits_with_one(tmp_path, sketched, capsys):
    """Control: modes as truncation times 5 % larger would leave them are rejected, by exit status too."""
    pytest.importorskip("torch")
    import hermite_collapse as hc

    status, _, err = call("simulate", "--out", "o", "--rounds", "12", capsys=capsys)
    assert status == 0, err
    assert load_config(tmp_path / "o" / "config.toml") == parse_config({})
    record = load("o").simulated
    shares = [
        hc.mode_factors(range(9), fresh_fraction=0.3, truncation_time=time, rounds=12)
        for time in (0.1, 0.105)
    ]
    wrong = record.coefficients * (shares[1] / shares[0])
    record.replace(coefficients=wrong).save(tmp_path / "o" / "simulation")
    status, out, _ = call("report", "o", capsys=capsys)
    assert status == 1 and "disagree" in out


def test_a_first_order_sampler_shows_its_step_size(tmp_path, sketched, capsys):
    """Few Euler steps say nothing about the theory, and the step size that was measured says why."""
    pytest.importorskip("torch")
    options = ["--preset", "wide_1d", "--generator", "exact", "--sampler", "euler_maruyama", "--steps", "12"]
    size = ["--particles", "20000", "--rounds", "2", "--degree", "3", "--out", "o"]
    status, out, err = call("compare", *options, *size, "--json", capsys=capsys)
    assert status == 4, err
    document = json.loads(out)
    modes, verdict = document["modes"], document["verdict"]
    assert "12 steps of the sampler, extrapolated from twice as many, may move" in verdict["text"]
    assert not verdict["tested"] and not np.any(modes["tested"]) and document["implied_truncation"] is None
    effect, error = modes["step_size_effect"][2][3], modes["step_size_effect_error"][2][3]
    assert abs(effect) > 3 * error
    assert (tmp_path / "o" / "refined" / "record.json").exists()
    _, out, _ = call("report", "o", capsys=capsys)
    assert "Effect of the step size" in out


def test_compare_own_samples_with_json(tmp_path, sketched, capsys):
    pytest.importorskip("torch")
    values = np.random.default_rng(5).normal(size=(400, 1)) * 40.0
    np.savetxt(tmp_path / "d.csv", values, header="height", comments="")
    assert "give scale" in refused("compare", "--samples", "d.csv", "--out", "o", capsys=capsys)
    status, out, err = call(
        "compare", "--samples", "d.csv", "--scale", "40", "--json", "--out", "o", *SMALL, capsys=capsys
    )
    document = json.loads(out)
    assert status == 0, err
    assert document["verdict"]["passed"] is True
    law = document["modes"]["predicted"][0]
    np.testing.assert_allclose(law[1], values.mean() / 40.0, atol=1e-12)
    assert any("population" in text for text in document["caveats"])
    # The folder remembers where the samples lie: it can be read, resumed and repeated, from elsewhere too.
    again = ["--samples", "d.csv", "--scale", "40", "--out", "o", *SMALL]
    assert call("compare", *again, "--resume", capsys=capsys)[0] == 0
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    assert call("report", "../o", capsys=capsys)[0] == 0
    status, out, _ = call("compare", "../o/config.toml", "--json", "--out", "p", capsys=capsys)
    assert status == 0 and json.loads(out)["modes"] == document["modes"]


def test_pixels_with_a_scale_alone_are_refused_and_a_folder_that_holds_them_is_read(
    tmp_path, sketched, capsys, monkeypatch
):
    """A folder of before the refusal, made by its rule, is read and continued in its units; its data are [0, 2]."""
    from hermite_collapse.app.run import load
    from hermite_collapse.app.schema import TargetSection

    pytest.importorskip("torch")
    pixels = np.random.default_rng(5).integers(0, 256, size=(400, 1), dtype=np.uint8)
    np.save(tmp_path / "d.npy", pixels)
    asked = ["--samples", "d.npy", "--scale", "127.5", *SMALL]
    for command in ("compare", "predict", "spectrum"):
        words = asked if command == "compare" else asked[:4]
        assert "whole numbers must have shift beside scale" in refused(
            command, *words, "--out", "n", capsys=capsys
        )
    with monkeypatch.context() as patch:
        build = TargetSection.build_law
        patch.setattr(TargetSection, "build_law", lambda self, is_recorded: build(self, is_recorded=True))
        assert call("simulate", *asked, "--out", "o", capsys=capsys)[0] == 0
    status, out, err = call("compare", *asked, "--out", "o", "--resume", "--json", capsys=capsys)
    assert status == 0, err
    predicted = json.loads(out)["modes"]["predicted"][0][1]
    np.testing.assert_allclose(predicted, pixels.mean() / 127.5, rtol=1e-12)
    np.testing.assert_allclose(load("o").recursion.target.mean, pixels.mean() / 127.5, rtol=1e-12)


def test_spectrum_reads_both_files_in_the_same_units(tmp_path, capsys):
    pixels = np.random.default_rng(5).integers(0, 256, size=(400, 2), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels[:200])
    np.save(tmp_path / "b.npy", pixels[200:].astype(float))
    units = ("--value-range", "0", "255")
    words = ("--samples", "a.npy", "--against", "b.npy", *units, "--degree", "2", "--json")
    status, out, err = call("spectrum", *words, capsys=capsys)
    assert status == 0, err
    first, second = (part.mean(axis=0) / 127.5 - 1.0 for part in (pixels[:200], pixels[200:]))
    np.testing.assert_allclose(json.loads(out)["energy"][1], first @ second, rtol=1e-10)


def test_compare_samples_of_many_dimensions_without_a_degree(tmp_path, sketched, capsys):
    """784 coordinates, as images have: degree 1 is chosen, and the share of that degree is tested."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    np.save(tmp_path / "x.npy", 0.2 + 0.5 * rng.normal(size=(300, 784)))
    size = ["--particles", "500", "--rounds", "2", "--runs", "1", "--json"]
    status, out, err = call("compare", "--samples", "x.npy", "--out", "o", *size, capsys=capsys)
    document = json.loads(out)
    assert status == 0, err
    assert len(document["modes"]["multi_indices"]) == 785
    assert np.shape(document["factors"]["predicted"]) == (3, 2) and document["factors"]["tested"][2][1]
    assert "degree" not in document["config"]["analysis"]


def test_an_interrupted_run_says_so_and_goes_on(tmp_path, capsys):
    pytest.importorskip("torch")
    import hermite_collapse as hc

    status, _, _ = call("simulate", "--out", "whole", "--keep", "all", *SMALL, capsys=capsys)
    assert status == 0
    os.rename("whole", "part")
    simulation = tmp_path / "part" / "simulation"
    before = (simulation / "record.npz").read_bytes()
    status, _, _ = call("simulate", "--out", "again", "--keep", "all", *SMALL, capsys=capsys)
    assert (tmp_path / "again" / "simulation" / "record.npz").read_bytes() == before
    for name in ("record.json", "record.npz"):
        (simulation / name).unlink(missing_ok=True)
    for path in simulation.glob("round-*"):
        path.unlink()
    found = hc.load("part")
    assert not found.is_complete and "interrupted after 0 of 3 rounds" in repr(found)
    with pytest.raises(hc.InputError, match="interrupted"):
        _ = found.simulated
    assert "interrupted after 0 of 3" in refused("report", "part", capsys=capsys)
    status, _, _ = call("simulate", "--out", "part", "--resume", "--keep", "all", *SMALL, capsys=capsys)
    assert status == 0 and (simulation / "record.npz").read_bytes() == before


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    pytest.importorskip("torch")
    from hermite_collapse.app import run as results

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    assert call("simulate", "--out", "o", *SMALL, capsys=capsys)[0] == 0
    for path in (results.Path("o") / "simulation").glob("record.*"):
        path.unlink()
    monkeypatch.setattr(results, "simulate", interrupted)
    status, out, err = call("simulate", "--out", "o", "--resume", *SMALL, capsys=capsys)
    assert status == 130 and out == ""
    assert "interrupted after 3 of 3 rounds (--resume continues it)" in err and "Traceback" not in err


def test_load_reads_what_was_written(tmp_path, sketched, capsys):
    pytest.importorskip("torch")
    import hermite_collapse as hc

    status, out, _ = call("compare", "--out", "o", *SMALL, capsys=capsys)
    assert status == 0 and max(map(len, out.splitlines())) <= 80
    page = (tmp_path / "o" / "report.html").read_text()
    assert all(f'id="{part}"' in page for part in ("asked", "comparison", "budget", "caveats", "repeat"))
    found = hc.load("o")
    assert found.is_complete and found.rounds_done == 3 and "finished run of 3 rounds" in repr(found)
    np.testing.assert_allclose(found.dataset["measured"].values, found.simulated.mean_coefficients)
    assert all("long_name" in v.attrs and "units" in v.attrs for v in found.dataset.data_vars.values())


def test_spectrum_of_samples(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", 1.2 * rng.normal(size=(500, 2)))
    status, out, _ = call("spectrum", "--samples", "x.npy", "--degree", "3", "--json", capsys=capsys)
    document = json.loads(out)
    assert status == 0 and document["samples_used"] == 500
    # N(0, v): energy of degree 2 is d (v - 1)^2 / 2
    assert abs(document["energy"][2] - 0.44**2) < 5 * document["standard_error"][2]
    status, out, _ = call(
        "spectrum",
        "--samples",
        "x.npy",
        "--against",
        "y.npy",
        "--degree",
        "2",
        "--most",
        "100",
        capsys=capsys,
    )
    assert status == 0 and "100 of 500 samples" in out and "Inner products" in out


def test_what_a_command_prints_is_kept_in_its_folder(tmp_path, sketched, capsys):
    np.save(tmp_path / "x.npy", 1.2 * np.random.default_rng(0).normal(size=(300, 1)))
    write_curve(tmp_path / "c.csv")
    for name, kept, arguments in (
        ("spectrum", "spectrum", ["--samples", "x.npy", "--degree", "3"]),
        ("spectrum", "spectrum", ["--degree", "3"]),
        ("diagnose", "diagnosis", ["c.csv"]),
        ("verify", "statements", ["--only", "limit.closed_form"]),
    ):
        folder = tmp_path / f"{name}-{len(arguments)}"
        status, out, _ = call(name, *arguments, "--json", "--out", folder, capsys=capsys)
        assert status == 0 and json.loads((folder / f"{kept}.json").read_text()) == json.loads(out)
        assert (name == "spectrum") == (folder / "figures" / "spectrum.svg").exists()
    status, out, _ = call("spectrum", "--out", "s", capsys=capsys)
    assert status == 0 and "Written to s." in out


def test_bounds_are_the_library_s(capsys):
    import hermite_collapse as hc

    status, out, _ = call("bounds", "--json", "--defect", "0.2", capsys=capsys)
    document = json.loads(out)
    expected = hc.bounds.ball_radius(0.2, fresh_fraction=0.3, truncation_time=0.1)
    assert status == 0 and document["ball_radius"] == expected
    row = document["rounds_to"]["wasserstein2"]
    assert row["needed"] <= row["guaranteed"]
    assert (
        document["collapse"]["at least (Bures)"]["value"]
        <= document["collapse"]["the distance itself"]["value"]
    )


def test_bounds_show_how_divergences_propagate(tmp_path, sketched, capsys):
    import hermite_collapse as hc

    # On a wide law divergences from the data stay finite for some rounds: every bound is judged there.
    setting = ["--preset", "wide_1d", "--fresh-fraction", "0.2", "--rounds", "4", "--degree", "4"]
    status, out, _ = call("bounds", *setting, "--json", "--out", "b", capsys=capsys)
    document = json.loads(out)
    recursion = hc.Recursion(hc.presets.load("wide_1d"), fresh_fraction=0.2, truncation_time=0.1)
    rows = hc.bounds.divergence_table(recursion, rounds=4)
    assert status == 0
    assert [row["target"]["value"] for row in document["divergences"]] == [row.target.value for row in rows]
    assert document["first_infinite_round"] == hc.bounds.first_infinite_round(recursion)
    judged = hc.bounds.propagation_table(hc.bounds.propagation_record(recursion, rounds=4))
    assert [row["verdict"] for row in document["propagation"]] == [row.verdict for row in judged]
    assert {row.verdict for row in judged} <= {"holds", "vacuous"}
    assert json.loads((tmp_path / "b" / "bounds.json").read_text()) == document
    names = ("discount_weights_incoherent", "discount_weights_coherent")
    names += ("divergence_from_limit", "divergence_from_data")
    assert sorted(os.listdir("b/figures")) == sorted(
        f"{name}.{kind}" for name in names for kind in ("png", "svg")
    )


def test_bounds_of_the_printed_experiment_say_infinity(capsys):
    setting = ["--preset", "five_modes_10d", "--blur", "0.6", "--truncation-time", "0.02", "--rounds", "1"]
    status, out, _ = call("bounds", *setting, capsys=capsys)
    assert status == 0 and "infinite from round 1 on" in " ".join(out.split())
    assert "proved for constant rounds with Ornstein-Uhlenbeck truncation and no blur" in " ".join(
        out.split()
    )
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(("power", "name"), [(0.0, "persistent"), (0.5, "vanishing"), (2.0, "summable")])
def test_bounds_name_the_drift_regime_of_recorded_energies(power, name, tmp_path, capsys):
    noise = np.exp(0.05 * np.random.default_rng(2).standard_normal(40))
    rows = [
        f"{i},{0.1 * z / (1 + i) ** power!r},{0.005 / (1 + i) ** power!r}"
        for i, z in enumerate(noise.tolist())
    ]
    (tmp_path / "e.csv").write_text("\n".join(["round,energy,energy error", *rows]))
    setting = ["bounds", "--rounds", "1", "--degree", "2", "--energies", "e.csv"]
    status, out, _ = call(*setting, capsys=capsys)
    assert status == 0 and f"Drift regime of the energies in e.csv: {name}" in out
    document = json.loads(call(*setting, "--json", capsys=capsys)[1])
    exponent = document["regime"]["exponent"]
    assert document["regime"]["name"] == name and abs(exponent["value"] - power) < 4 * exponent["error"]


@pytest.mark.parametrize("truncation_time", [0.0, 1e-4, 100.0])
@pytest.mark.parametrize("fresh_fraction", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("target", ["three_modes", "normal"])
def test_bounds_at_the_ends_of_the_ranges(target, fresh_fraction, truncation_time, tmp_path, capsys):
    law = {
        "normal": "weights = [1.0]\nmeans = [0.0]\ncovariances = [1.0]",
        "three_modes": 'preset = "three_modes_1d"',
    }
    (tmp_path / "c.toml").write_text(
        f"[target]\n{law[target]}\n[analysis]\ndegree = 3\n[recursion]\nrounds = 3\n"
    )
    setting = ["--fresh-fraction", str(fresh_fraction), "--truncation-time", str(truncation_time)]
    for form in ([], ["--json"]):
        status, out, _ = call("bounds", "c.toml", *setting, *form, capsys=capsys)
        assert status == 0
    document = json.loads(out)
    collapse = document["collapse"]
    distance = collapse["the distance itself"]
    assert collapse["at least (Bures)"]["value"] <= distance["value"] + distance["error"] + 1e-7
    assert distance["value"] <= collapse["at most (second moment)"] + distance["error"] + 1e-7
    assert {row["verdict"] for row in document["propagation"]} <= {"holds", "vacuous", "infinite"}


def test_a_refused_bound_ends_with_status_one(monkeypatch, capsys):
    from hermite_collapse.bounds.propagation import rows as propagation_rows

    def halved(*arguments, **keywords):
        bound, side = arguments[4], arguments[3]
        return true_row(*arguments[:4], bound / 2.0 if side == "above" else bound, *arguments[5:], **keywords)

    true_row = propagation_rows.bound_row
    monkeypatch.setattr(propagation_rows, "bound_row", halved)
    status, out, _ = call("bounds", "--preset", "wide_1d", "--rounds", "2", "--degree", "2", capsys=capsys)
    assert status == 1 and "refused" in out


CURVE = "round,degree 1,degree 1 error,degree 4,degree 4 error\n"


def write_curve(path, *, fresh_fraction=0.3, truncation=0.1, spoil=0.0):
    import hermite_collapse as hc

    values = hc.mode_factors([1, 4], fresh_fraction=fresh_fraction, truncation_time=truncation, rounds=10)
    rows = [f"{i},{a!r},0.01,{b + spoil * (i == 5)!r},0.01" for i, (a, b) in enumerate(values.tolist())]
    path.write_text(CURVE + "\n".join(rows))


def test_schedule_converts_and_plans(tmp_path, capsys):
    _, out, _ = call("schedule", "--alpha-bar", "0.9", "--fidelity", "0.5", "--json", capsys=capsys)
    found = json.loads(out)
    np.testing.assert_allclose(found["truncation"]["OU time"], -np.log(0.9), rtol=1e-14)
    np.testing.assert_allclose(found["truncation"]["EDM sigma"], np.sqrt(1 / 0.9 - 1), rtol=1e-12)
    np.testing.assert_allclose(
        found["largest_truncation"]["time"], np.log(1.3) / (0.5 * np.arange(1, 9)), rtol=1e-14
    )
    status, out, _ = call("schedule", "--error-scale", "0.001", "--out", "p", "--json", capsys=capsys)
    plan = json.loads(out)["plan"]
    assert status == 0 and plan["error"] <= plan["configured_error"]
    planned = load_config(tmp_path / "p" / "config.toml").recursion
    assert planned.schedule == "explicit" and list(planned.truncation_times) == plan["times"]
    page = " ".join((tmp_path / "p" / "report.html").read_text().split())
    lead = (
        f"the error of degree 4 is {significant(plan['error'])} after round 12; with the times as configured"
    )
    assert f"{lead} it is {significant(plan['configured_error'])}." in page
    assert "t₀ = 0.1" in page  # what was asked, not what came out
    status, out, _ = call("schedule", "--known", "ddpm", capsys=capsys)
    assert status == 0 and "Truncation is not your problem, but the sampler's steps are" in " ".join(
        out.split()
    )


def test_json_holds_everything_without_nan():
    got = plain({"a": np.array([1.0, np.inf, np.nan]), "b": (1, None, True), "c": np.int64(3)})
    assert got == {"a": [1.0, "inf", None], "b": [1, None, True], "c": 3}
    json.dumps(got, allow_nan=False)


def fresh(*arguments: str, **settings) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "hermite_collapse", *arguments], capture_output=True, text=True, **settings
    )


@pytest.mark.parametrize(
    ("command", "needs", "times"),
    [(["--help"], "cyclopts, numpy", 2.0), (["compare", "--help"], "cyclopts, numpy, pydantic", 3.5)],
)
def test_help_costs_little_more_than_what_it_needs(command, needs, times):
    """Relative to importing the parser of arguments, and for one command the models of the configuration too."""
    assert is_kept(
        lambda: (
            seconds_of_python("-m", "hermite_collapse", *command)
            < times * seconds_of_python("-c", f"import {needs}")
        )
    )


def test_the_process_exits_with_the_status():
    done = fresh("predict", "--fresh-fraction", "2")
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr


def test_predict_loads_no_torch_and_help_no_numerics():
    steps = [  # of one process: each may load what the ones before it may
        (["--help"], {"torch", "numba", "scipy", "matplotlib", "xarray", "pydantic"}),
        (["compare", "--help"], {"torch", "numba", "scipy", "matplotlib", "xarray"}),
        (["predict", "--rounds", "2"], {"torch"}),
    ]
    script = (
        "import sys\nfrom hermite_collapse.app.cli.app import run\n"
        f"for arguments, forbidden in {steps}:\n"
        "    assert run(arguments) == 0\n"
        "    loaded = {m.split('.')[0] for m in sys.modules}\n"
        "    assert not loaded & forbidden, (arguments, loaded & forbidden)\n"
        "assert {'numba', 'pydantic'} <= loaded\n"  # control: they would be seen
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m hermite_collapse config | head -1", shell=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("# Configuration") and "Traceback" not in done.stderr


def test_the_network_and_the_final_step_come_from_the_configuration(capsys):
    """A tiny learned recursion by the command; what it was trained with stands in its record."""
    small = {
        "particles": 400,
        "pool": 300,
        "runs": 2,
        "rounds": 1,
        "degree": 2,
        "steps": 4,
        "final-step": "half",
    }
    network = {"network-width": 8, "network-blocks": 1, "training-steps": 3, "training-batch": 32}
    asked = {"generator": "neural", **small, **network, "learning-rate": 0.001}
    options = [text for key, value in asked.items() for text in (f"--{key}", str(value))]
    status, _, err = call("simulate", *options, "--out", "learned", capsys=capsys)
    assert status == 0, err
    record = load("learned").simulated
    assert record.generator == "neural" and record.pool == 300
    assert record.sampler["final_step"] == "half" and record.steps == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["simulate", "--final-step", "half"],
            "final_step must be noisy with the generator channel, got 'half'",
        ),
        (
            ["compare", "--generator", "exact", "--final-step", "full"],
            "final_step of a comparison must be one of 'noisy'",
        ),
        (["simulate", "--pool", "5"], "pool must be left out with generator='channel'"),
        (
            ["simulate", "--generator", "neural", "--network-width", "0"],
            "network_width must be an integer >= 1",
        ),
    ],
)
def test_options_of_generators_are_checked_before_anything_is_written(arguments, words, capsys):
    assert words in refused(*arguments, "--out", "out", capsys=capsys)
