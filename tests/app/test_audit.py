"""The command audit: schedulers, samples, classes, decoded samples; one sentence for what does not fit."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.pipeline.mechanisms import Guidance, SamplerSteps
from hermite_collapse.pipeline.pipeline import Pipeline
from tests.processor_time import is_kept, seconds_of

SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULERS = {
    "sdxl": {"_class_name": "EulerDiscreteScheduler", **SCALED, "timestep_spacing": "leading"},
    "dpm": {"_class_name": "DPMSolverMultistepScheduler", **SCALED},
    "ddim": {"_class_name": "DDIMScheduler", **SCALED, "set_alpha_to_one": False, "clip_sample": False},
    "sd3": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "ddpm": {"_class_name": "DDPMScheduler", "clip_sample": False},
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def audit(*arguments: object, capsys) -> dict:
    status = run(["audit", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out)


def refused(*arguments: object, capsys) -> str:
    """The sentence of a command that must exit with 2, print nothing else and leave nothing behind."""
    before = sorted(os.listdir())
    status = run(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert status == 2 and out == ""
    assert err.startswith("hermite-collapse: ") and err.count("\n") == 1 and "Traceback" not in err
    assert sorted(os.listdir()) == before
    return err.removeprefix("hermite-collapse: ").strip()


def write_image(path, pixels) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def images(folder, count: int = 60, *, side: int = 3, shift=0, names=None) -> np.ndarray:
    rng = np.random.default_rng(0)
    stack = np.clip(rng.normal(128, [10, 20, 30] * side, (count, side * 3)).round() + shift, 0, 255)
    for i, pixels in enumerate(stack):
        write_image(folder / (names[i] if names else f"{i:03d}.png"), pixels.reshape(side, 3))
    return stack / 127.5 - 1.0


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_of_diffusers(name, tmp_path, capsys):
    pytest.importorskip("diffusers")
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULERS[name]))
    SamplerSteps.of_scheduler(SCHEDULERS[name], steps=2)  # imports torch and diffusers
    documents = []

    def answer() -> None:
        documents.append(audit(tmp_path / "scheduler", "--steps", 20, capsys=capsys))

    assert is_kept(lambda: seconds_of(answer) < 5.0)
    document = documents[-1]
    sampler = SamplerSteps.of_scheduler(SCHEDULERS[name], steps=20)
    data = np.array(document["directions"])
    assert len(data) == 65 and "because none were given" in document["spectrum"]
    np.testing.assert_allclose(
        document["all_together"]["one_round"], sampler.variance(data) / data, rtol=1e-12
    )
    np.testing.assert_allclose(
        document["all_together"]["limit"],
        Pipeline([sampler], fresh_fraction=0.1).limit(data) / data,
        rtol=1e-12,
    )
    assert document["last_step"] == sampler.ending._asdict()
    assert document["dominant"]["median"] == "sampler steps"
    step = document["requirements"][0]
    assert step["quantity"] == "steps" and (step["value"] is None or step["value"] > 20)


def test_closed_forms_need_no_scheduler_and_no_torch(capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    document = audit("edm", "--steps", 18, "--tolerance", 0.5, capsys=capsys)
    data = np.array(document["directions"])
    expected = Pipeline([SamplerSteps.edm(steps=18)], fresh_fraction=0.1).limit(data) / data
    np.testing.assert_allclose(document["all_together"]["limit"], expected, rtol=1e-12)


def test_plain_text_says_what_to_change_and_fits_a_terminal(capsys):
    assert run(["audit", "edm", "--steps", "18", "--images", "1000"]) == 0
    out, err = capsys.readouterr()
    text = " ".join(out.split())
    assert "change the sampler first" in text and "Gaussian closure" in text and "finite images" in text
    assert all(len(line) <= 80 for line in out.splitlines()) and err == ""


def test_the_folder_holds_page_figure_and_document(tmp_path, capsys):
    document = audit("flow", "--steps", 28, "--out", tmp_path / "o", capsys=capsys)
    assert sorted(p.relative_to(tmp_path / "o").as_posix() for p in (tmp_path / "o").rglob("*.*")) == [
        "asked.json",
        "audit.json",
        "command.json",
        "figures/audit.png",
        "figures/audit.svg",
        "report.html",
    ]
    assert json.loads((tmp_path / "o" / "audit.json").read_text()) == document
    page = (tmp_path / "o" / "report.html").read_text()
    assert "hermite-collapse audit flow --steps 28" in page and "change the sampler first" in page


def test_directions_of_images_are_principal_variances_in_model_units(tmp_path, capsys):
    x = images(tmp_path / "photos", 160, side=1)
    document = audit("edm", "--samples", tmp_path / "photos", capsys=capsys)
    expected = np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1]
    np.testing.assert_allclose(document["directions"], expected, rtol=0.1)
    assert document["spectrum"] == "3 principal variances of 160 samples in photos, of samples held out"
    assert document["notes"] == []


def test_few_samples_in_many_dimensions_are_held_out(capsys):
    """40 samples of unit variance in 256 dimensions have principal variances from 3 to 10 in themselves."""
    x = np.random.default_rng(3).standard_normal((40, 4, 8, 8))
    assert np.linalg.eigvalsh(np.cov(x.reshape(40, -1), rowvar=False))[-1] > 8.0
    np.save("latents.npy", x)
    document = audit("edm", "--samples", "latents.npy", capsys=capsys)
    directions = np.array(document["directions"])
    assert len(directions) == 31 and document["spectrum"].startswith("31 of 256 principal variances")
    assert document["spectrum"].endswith("in latents.npy, of samples held out")
    # Each is the mean of 40 squares; all of them together of 1240.
    assert np.all(np.abs(directions - 1.0) < 4.5 * np.sqrt(2 / 40))
    assert abs(directions.mean() - 1.0) < 4 * np.sqrt(2 / 1240)
    unseen = next(note for note in document["notes"] if note.startswith("225 of 256 directions"))
    assert abs(float(re.search(r"with (\d+) %", unseen).group(1)) - 100 * 225 / 256) < 5


def test_classes_by_the_names_of_images(tmp_path, capsys):
    images(tmp_path / "photos", 40, side=1, names=[f"im{i:03d}.png" for i in range(40)])
    numbers = [i % 2 for i in range(40)]
    np.savetxt("numbers.txt", numbers)
    rows = [f"im{i:03d}.png,{('cat', 'dog')[n]}" for i, n in enumerate(numbers)]
    (tmp_path / "named.csv").write_text("name,class\n" + "\n".join(rows[::-1]))
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    (tmp_path / "short.csv").write_text("\n".join(rows[:-1]))
    (tmp_path / "twice.csv").write_text("\n".join([*rows, rows[0]]))
    options = ("edm", "--steps", 4, "--samples", "photos", "--guidance", 1.5, "--labels")
    expected = audit(*options, "numbers.txt", capsys=capsys)
    for file in ("named.csv", "bare.csv"):
        assert audit(*options, file, capsys=capsys)["all_together"] == expected["all_together"]
    assert "such as 'im039.png'" in refused(*options, "short.csv", capsys=capsys)
    assert "such as 'im000.png'" in refused(*options, "twice.csv", capsys=capsys)


def test_latents_are_taken_as_they_are(tmp_path, capsys):
    x = np.random.default_rng(0).standard_normal((500, 2, 3, 1))
    np.save("latents.npy", x)
    document = audit("edm", "--samples", "latents.npy", capsys=capsys)
    # All of them together are the total variance, and each is 1.
    directions, covariance = np.array(document["directions"]), np.cov(x.reshape(500, 6), rowvar=False)
    assert directions.sum() == pytest.approx(np.trace(covariance), rel=5e-3)
    assert np.all(np.abs(directions - 1.0) < 4.5 * np.sqrt(2 / 500))
    assert document["notes"] == []


def test_guidance_of_scale_one_is_none(capsys):
    options = ("--steps", 4)
    assert audit("edm", *options, "--guidance", 1, capsys=capsys) == audit("edm", *options, capsys=capsys)


def test_guidance_takes_class_means_from_labels_or_folders(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], 50)
    means = rng.normal(0.0, 0.5, (4, 4))
    x = means[labels] + rng.normal(0.0, [0.1, 0.2, 0.3, 0.4], (200, 4))
    np.save("x.npy", x)
    np.savetxt("labels.txt", labels)
    options = ("--guidance", 1.5, "--fresh-fraction", 0.9)
    document = audit("edm", "--samples", "x.npy", "--labels", "labels.txt", *options, capsys=capsys)
    names = [entry["name"] for entry in document["mechanisms"]]
    assert names == ["sampler steps", "guidance"] and "within classes" in document["spectrum"]
    # By hand: variances within classes, and of the class means along them.
    within = x - np.array([x[labels == c].mean(axis=0) for c in range(4)])[labels]
    values, vectors = np.linalg.eigh(within.T @ within / (200 - 4))
    variances = np.array(document["directions"])
    np.testing.assert_allclose(variances, values[::-1], rtol=0.1)
    centres = np.array([x[labels == c].mean(axis=0) for c in range(4)]) @ vectors[:, ::-1]
    between = np.var(centres, axis=0) - variances * 3 / 200
    for j, (w, b) in enumerate(zip(variances, between, strict=True)):
        sampler = SamplerSteps.edm(steps=25, guidance=Guidance(1.5, float(b)))
        assert document["all_together"]["one_round"][j] == pytest.approx(sampler.variance(w) / w, rel=1e-9)
        limit = Pipeline([sampler], fresh_fraction=0.9).limit(w) / w
        assert document["all_together"]["limit"][j] == pytest.approx(limit, rel=1e-9)


def test_class_folders_are_classes(tmp_path, capsys):
    images(tmp_path / "photos" / "cats", 30)
    images(tmp_path / "photos" / "dogs", 30, shift=40)
    document = audit("flow", "--samples", "photos", "--guidance", 2, capsys=capsys)
    assert [entry["name"] for entry in document["mechanisms"]] == ["sampler steps", "guidance"]


def test_decoded_samples_give_the_autoencoder(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 3)) * [1.0, 0.5, 0.2]
    regression = np.array([[0.9, 0.05, 0.0], [0.0, 0.8, 0.1], [0.0, 0.0, 0.7]])
    y = x @ regression.T + 0.05 * rng.standard_normal(x.shape)
    np.save("x.npy", x)
    np.save("y.npy", y)
    document = audit(
        "edm", "--samples", "x.npy", "--decoded", "y.npy", "--fresh-fraction", 0.5, capsys=capsys
    )
    assert [entry["name"] for entry in document["mechanisms"]] == ["sampler steps", "autoencoder"]
    entry = document["autoencoder"]
    basis = np.linalg.eigh(np.cov(x, rowvar=False))[1][:, ::-1]
    fitted = np.abs(np.array(entry["regression"]))  # signs of the axes are free
    np.testing.assert_allclose(fitted, np.abs(basis.T @ regression @ basis), atol=0.02)
    np.testing.assert_allclose(np.array(entry["residual"]), 0.0025 * np.eye(3), atol=3e-4)
    assert entry["critical_share"] == 0.0 and entry["spectral_radius"] == pytest.approx(0.9, abs=0.02)
    # The limit of all directions at once, by plain rounds.
    r, n, data = (
        np.array(entry["regression"]),
        np.array(entry["residual"]),
        np.diag(np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1]),
    )
    state = data
    for _ in range(500):
        state = r @ (0.5 * data + 0.5 * state) @ r.T + n
    np.testing.assert_allclose(entry["limit"], np.diag(state), rtol=1e-9)
    assert entry["change"] is None  # nothing was decoded again
    assert entry["total_limit"] == pytest.approx(np.trace(state) / np.trace(data), rel=1e-9)
    assert document["notes"] == []


def test_decoded_rows_in_another_order_are_said(capsys):
    x = np.random.default_rng(0).standard_normal((2000, 3)) * [1.0, 0.5, 0.2]
    np.save("x.npy", x)
    np.save("y.npy", 0.9 * x[::-1])
    notes = audit("flow", "--steps", 40, "--samples", "x.npy", "--decoded", "y.npy", capsys=capsys)["notes"]
    share = re.search(r"explains ([\d.]+) % of the decoded ones: are they in the same order", " ".join(notes))
    # Of unrelated rows three fitted directions explain about 3 / 2000.
    assert 0.0 < float(share.group(1)) < 1.0


def test_an_autoencoder_that_is_not_linear_is_said_and_refitted(capsys):
    x = np.random.default_rng(0).standard_normal((4000, 2))
    np.save("x.npy", x)
    np.save("y.npy", np.tanh(x))
    np.save("z.npy", np.tanh(np.tanh(x)))
    first = audit("edm", "--samples", "x.npy", "--decoded", "y.npy", capsys=capsys)
    assert any("--decoded-again" in note for note in first["notes"])
    second = audit(
        "edm", "--samples", "x.npy", "--decoded", "y.npy", "--decoded-again", "z.npy", capsys=capsys
    )
    assert any("refitted on decoded samples" in note for note in second["notes"])
    assert second["autoencoder"]["regression"][0][0] > first["autoencoder"]["regression"][0][0] + 0.05


def test_decoded_images_are_paired_by_name(tmp_path, capsys):
    images(tmp_path / "a")
    order = np.random.default_rng(1).permutation(60)
    images(tmp_path / "b", names=[f"{i:03d}.png" for i in range(60)])
    same = audit("edm", "--samples", "a", "--decoded", "b", "--fresh-fraction", 0.5, capsys=capsys)
    np.testing.assert_allclose(same["autoencoder"]["regression"], np.eye(6), atol=1e-9)
    images(tmp_path / "c", names=[f"{order[i]:03d}.png" for i in range(60)])
    mixed = audit("edm", "--samples", "a", "--decoded", "c", "--fresh-fraction", 0.5, capsys=capsys)
    assert abs(mixed["autoencoder"]["regression"][0][0]) < 0.7


def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.standard_normal((40, 2)))
    np.save("short.npy", rng.standard_normal((39, 2)))
    np.save("pixels.npy", 255 * rng.random((40, 2)))
    np.savetxt("labels.txt", np.repeat([0, 1], 20))
    np.savetxt("few.txt", [0, 1])
    np.savetxt("half.txt", np.full(40, 0.5))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    images(tmp_path / "a", 12)
    images(tmp_path / "b", 11)
    images(tmp_path / "classes" / "one", 4)
    images(tmp_path / "classes" / "two", 4)
    (tmp_path / "lcm.json").write_text(json.dumps({"_class_name": "LCMScheduler", **SCALED}))
    cases = [
        ([], "audit must be given a scheduler, .* got none"),
        (["nothing.json"], "got 'nothing.json'"),
        (["edm", "--steps", "0"], "steps must be"),
        (["edm", "--fresh-fraction", "1.5"], r"fresh_fraction must lie in \[0, 1\], got 1.5"),
        (["edm", "--images", "1"], "images must be"),
        (["edm", "--tolerance", "0"], "tolerance must be"),
        (["edm", "--guidance", "2"], "guidance must come with class means"),
        (
            ["edm", "--guidance", "2", "--samples", "x.npy"],
            r"guidance must come with class means.*without classes",
        ),
        (
            ["edm", "--guidance", "0.5", "--samples", "classes"],
            r"guidance must be >= 1 \(1 is none\), got 0.5",
        ),
        (["edm", "--guidance", "nan", "--samples", "classes"], "guidance must be finite"),
        (["edm", "--labels", "labels.txt", "--samples", "x.npy"], "labels must come with guidance"),
        (
            ["edm", "--guidance", "2", "--samples", "x.npy", "--labels", "few.txt"],
            "one whole number for each of 40",
        ),
        (
            ["edm", "--guidance", "2", "--samples", "x.npy", "--labels", "half.txt"],
            "must be whole numbers, got 0.5",
        ),
        (
            ["edm", "--guidance", "2", "--samples", "classes", "--labels", "labels.txt"],
            "labels must be left out where samples .* are in class folders",
        ),
        (["edm", "--decoded", "x.npy"], "decoded must come with samples"),
        (["edm", "--samples", "x.npy", "--decoded-again", "x.npy"], "decoded_again must come with decoded"),
        (["edm", "--samples", "x.npy", "--decoded", "short.npy"], "decoded must have the shape of samples"),
        (["edm", "--samples", "a", "--decoded", "b"], "same names as samples, got 1 .* such as '011.png'"),
        (["edm", "--samples", "pixels.npy"], "pixels.npy"),
        (["edm", "--samples", "nothere"], "^samples .*must name an existing file or folder.*nothere"),
        (
            ["edm", "--samples", "x.npy", "--decoded", "nothere"],
            "^decoded .*must name an existing file or folder.*nothere",
        ),
        (["edm", "--samples", "x.npy", "--decoded", "pixels.npy"], r"^decoded \(pixels.npy\)"),
        (
            ["edm", "--samples", "x.npy", "--decoded", "x.npy", "--decoded-again", "bad.npy"],
            r"^decoded_again \(bad.npy\)",
        ),
        (["edm", "--guidance", "2", "--samples", "x.npy", "--labels", "bad.npy"], r"^labels \(bad.npy\)"),
        (["edm", "--denoiser", "flow_map"], "denoiser must be 'posterior_mean' for edm"),
        (["lcm.json"], "denoiser must be given"),
    ]
    for arguments, words in cases:
        if arguments == ["lcm.json"]:
            pytest.importorskip("diffusers")
        sentence = refused(*arguments, capsys=capsys)
        assert re.search(words, sentence), (arguments, sentence)
        assert sentence.endswith(".")


def test_latents_in_other_units_take_a_scale(tmp_path, capsys):
    latents = np.random.default_rng(0).normal(size=(300, 3)) * [1.0, 0.5, 0.2]
    np.save("latents.npy", latents / 0.18215)
    np.save("decoded.npy", 0.9 * latents / 0.18215)
    np.save("scaled.npy", latents)
    np.save("scaled_decoded.npy", 0.9 * latents)
    assert "give scale" in refused("edm", "--samples", "latents.npy", capsys=capsys)
    raw = audit(
        *("edm", "--samples", "latents.npy", "--decoded", "decoded.npy", "--scale", 1 / 0.18215),
        capsys=capsys,
    )
    same = audit("edm", "--samples", "scaled.npy", "--decoded", "scaled_decoded.npy", capsys=capsys)
    np.testing.assert_allclose(raw["directions"], same["directions"], rtol=1e-9)
    np.testing.assert_allclose(raw["all_together"]["limit"], same["all_together"]["limit"], rtol=1e-6)
    assert "scale must come with samples" in refused("edm", "--scale", 2, capsys=capsys)
    assert "scale" in refused("edm", "--samples", "scaled.npy", "--scale", 0, capsys=capsys)


def test_images_of_a_guided_pipeline_are_those_of_each_class(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], 100)
    np.save("latents.npy", rng.normal(size=(400, 2)) + np.array([[-1.0], [0.0], [0.5], [1.0]])[labels])
    np.save("labels.npy", labels)
    options = ("edm", "--steps", 4, "--samples", "latents.npy", "--labels", "labels.npy", "--guidance", 1.5)
    document = audit(*options, "--images", 2000, "--fresh-fraction", 0.5, capsys=capsys)
    assert "Of 2000 images a round 500 are of each of 4 classes, as guidance sees." in document["notes"]
    assert any("500 images" in part["description"] for part in document["mechanisms"])
