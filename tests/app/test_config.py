"""The configuration: one model gives the schema, the template, the rules and the nearest known key."""

from __future__ import annotations

import re
import tomllib
from typing import get_args

import numpy as np
import pytest

from hermite_collapse.app.config import Config, key_sections, load_config, parse_config, sections
from hermite_collapse.app.template import template
from hermite_collapse.core.errors import InputError


def test_template_is_the_defaults():
    assert parse_config(tomllib.loads(template())) == Config()


def test_template_with_every_comment_turned_into_a_key_parses_by_sections():
    """Each commented key is an example that the model accepts once the keys it excludes are gone."""
    lines = [re.sub(r"^# ([a-z_]+ = )", r"\1", line) for line in template().splitlines()]
    lines = ["[sweep.values]" if line == "# [sweep.values]" else line for line in lines]
    document = tomllib.loads("\n".join(lines))
    assert set(document["sweep"]["values"]) == {"fresh_fraction", "truncation_time"}
    target = document["target"]
    document["recursion"]["schedule"] = "explicit"
    for keys in [
        ("preset",),
        ("weights", "means", "covariances"),
        ("samples", "scale", "shift"),
        ("samples", "value_range"),
    ]:
        document["target"] = {key: target[key] for key in keys}
        parse_config(document)


def test_template_lines_are_short_and_every_key_has_a_sentence():
    for line in template().splitlines():
        assert len(line) <= 100
    for name, model in sections().items():
        for key, field in model.model_fields.items():
            assert field.description and field.description.endswith("."), f"{name}.{key}"


def test_numbers_state_their_unit():
    """Every number's description says what it is measured in."""
    units = ("dimensionless", "OU time", "a count", "a probability", "in units of x", "an integer")
    unitless = {
        f"{name}.{key}": field.description
        for name, model in sections().items()
        for key, field in model.model_fields.items()
        if {int, float} & number_types(field.annotation) and not any(u in field.description for u in units)
    }
    assert unitless == {
        f"{name}.{key}": sections()[name].model_fields[key].description
        for name in ("target", "initial")
        for key in ("scale", "shift", "value_range")  # in the units of the file
    }


def number_types(annotation) -> set:
    """The plain types in an annotation such as Annotated[float, rule] | None."""
    inner = get_args(annotation)
    return {annotation} if not inner else set().union(*map(number_types, inner))


def test_keys_are_unique_across_sections():
    keys = [key for name, model in sections().items() if name != "initial" for key in model.model_fields]
    assert len(keys) == len(set(keys)) == len(key_sections())


def test_schema_refuses_unknown_keys_everywhere():
    schema = Config.model_json_schema()
    for definition in [schema, *schema["$defs"].values()]:
        assert definition["additionalProperties"] is False


def test_written_configuration_reads_back():
    config = parse_config(
        {
            "target": {"weights": [0.5, 0.5], "means": [[0.0, 1.0], [1.0, 0.0]], "covariances": [0.1, 0.2]},
            "initial": {"preset": "grid_2d"},
            "recursion": {"schedule": "geometric", "ratio": 0.5, "floor": 0.01, "rounds": 3},
            "sweep": {"values": {"fresh_fraction": [0.1, 0.2]}},
        }
    )
    assert parse_config(tomllib.loads(config.to_toml())) == config


BAD = [
    ({"recursion": {"fresh_fraction": 1.2}}, "fresh_fraction must lie in [0, 1], got 1.2."),
    ({"recursion": {"fresh_fraction": -0.1}}, "fresh_fraction must lie in [0, 1], got -0.1."),
    ({"recursion": {"fresh_fraction": float("nan")}}, "fresh_fraction must be finite, got nan."),
    ({"recursion": {"fresh_fraction": "0.3"}}, "fresh_fraction must be a number, got '0.3'."),
    ({"recursion": {"fresh_fraction": True}}, "fresh_fraction must be a number, got True."),
    ({"recursion": {"truncation_time": -1}}, "truncation_time must be >= 0, got -1.0."),
    ({"recursion": {"rounds": 0}}, "rounds must be an integer >= 1, got 0."),
    ({"recursion": {"rounds": 2.5}}, "rounds must be an integer, got 2.5."),
    ({"recursion": {"rate": 0}}, "rate must be > 0, got 0.0."),
    ({"simulation": {"seed": -1}}, "seed must be an integer >= 0, got -1."),
    ({"simulation": {"generator": "exat"}}, "(did you mean 'exact'?)."),
    ({"recursion": {"regime": ["replace"]}}, "regime must be one of"),
    (
        {"recursion": {"fresh_fractoin": 1}},
        "unknown key fresh_fractoin in [recursion]: did you mean fresh_fraction?",
    ),
    (
        {"recursion": {"particle": 1}},
        "unknown key particle in [recursion]: did you mean particles in [simulation]?",
    ),
    (
        {"recursion": {"Fresh-Fraction": 0.1}},
        "unknown key Fresh-Fraction in [recursion]: did you mean fresh_fraction?",
    ),
    ({"recursoin": {}}, "unknown key recursoin: did you mean [recursion]?"),
    ({"fresh_fraction": 0.1}, "unknown key fresh_fraction: did you mean fresh_fraction in [recursion]?"),
    ({"initial": {"weigths": [1]}}, "unknown key weigths in [initial]: did you mean weights?"),
    ({"zzzzzz": 1}, "unknown key zzzzzz: the command hermite-collapse config prints every key."),
    ({"recursion": 3}, "recursion must be a table of keys, got 3."),
    ({"target": {"preset": 3}}, "target.preset must be text in quotes, got 3."),
    ({"target": {"samples": 3}}, "target.samples must be the name of a file in quotes, got 3."),
    ({"target": {}}, "got none of them."),
    ({"target": {"preset": "a", "samples": "b"}}, "got preset and samples."),
    ({"target": {"weights": [1.0]}}, "a mixture must have weights, means and covariances, got no means."),
    ({"target": {"preset": "a", "scale": 2}}, "scale must come with samples, got scale = 2.0 without them."),
    ({"target": {"preset": "a", "shift": 0}}, "shift must come with samples, got shift = 0.0 without them."),
    (
        {"target": {"preset": "a", "value_range": [0, 1]}},
        "value_range must come with samples, got value_range =",
    ),
    (
        {"target": {"samples": "a", "value_range": [1, 0]}},
        "value_range must be (low, high) with low < high, got",
    ),
    ({"target": {"samples": "a", "value_range": 3}}, "value_range must be a list of numbers, got 3."),
    (
        {"initial": {"samples": "a", "value_range": [0, 1], "shift": 1}},
        "must come without scale and shift, got",
    ),
    (
        {"target": {"weights": [1], "means": [[1, 2], [3]], "covariances": 1}},
        "means must be a number or a rectangular",
    ),
    (
        {"target": {"weights": "abc", "means": 1, "covariances": 1}},
        "weights must be a list of numbers, got 'abc'.",
    ),
    (
        {"recursion": {"schedule": "explicit"}},
        'schedule = "explicit" must come with truncation_times, got none.',
    ),
    ({"recursion": {"truncation_times": [0.1]}}, 'truncation_times must come with schedule = "explicit"'),
    ({"recursion": {"truncation_times": []}}, "truncation_times must be a list of numbers, got []."),
    ({"recursion": {"schedule": "geometric", "ratio": 1.0}}, "ratio must lie in (0, 1), got 1.0."),
    (
        {"sweep": {"values": {"rate": [float("inf")]}}},
        "sweep.values.rate must hold finite numbers or words, got [inf].",
    ),
    (
        {"target": {"weights": [1], "means": [float("nan")], "covariances": 1}},
        "means must hold finite numbers, got [nan].",
    ),
    ({"sweep": {"values": {"rate": 3}}}, "sweep.values.rate must be a list, got 3."),
]


@pytest.mark.parametrize(("document", "message"), BAD)
def test_bad_documents_are_one_sentence(document, message):
    with pytest.raises(InputError) as caught:
        parse_config(document, source="my.toml")
    text = str(caught.value)
    assert text.startswith("my.toml: ") and message in text and "\n" not in text
    assert text.endswith((".", "?"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = ", "must be TOML, got: Invalid value (at end of document)."),
        (b"\xff", "must be UTF-8 text, got other bytes."),
        (b"a = " + b"[" * 20_000, "must be TOML, got"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, content, message):
    (tmp_path / "my.toml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "my.toml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="must be an existing TOML file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(InputError, match="must be a regular file, got a folder"):
        load_config(tmp_path)


def test_samples_are_found_beside_the_file(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    values = np.random.default_rng(0).normal(size=(50, 2))
    np.save(tmp_path / "sub" / "d.npy", 3.0 * values)
    (tmp_path / "sub" / "my.toml").write_text('[target]\nsamples = "d.npy"\nscale = 3\n')
    monkeypatch.chdir(tmp_path)
    law = load_config("sub/my.toml").target.build_law()
    np.testing.assert_allclose(law.samples, values)


PIXELS = np.random.default_rng(3).integers(0, 256, size=(30, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, float])
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"value_range": [0, 255]}, PIXELS / 127.5 - 1.0),
        ({"scale": 100, "shift": 20}, (PIXELS - 20.0) / 100.0),
        ({"scale": 100, "shift": 0}, PIXELS / 100.0),
        ({"scale": 1}, 1.0 * PIXELS),
    ],
)
def test_units_of_the_samples(keys, expected, dtype, tmp_path):
    np.save(tmp_path / "d.npy", PIXELS.astype(dtype))
    lines = [f"{key} = {value}" for key, value in keys.items()]
    (tmp_path / "my.toml").write_text("\n".join(["[target]", 'samples = "d.npy"', *lines]))
    law = load_config(tmp_path / "my.toml").target.build_law()
    np.testing.assert_allclose(law.samples, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("dtype", "advice"), [("u1", "8 bits become"), (">u2", "16 bits become"), ("i8", "to [-1, 1].")]
)
def test_whole_numbers_with_a_scale_alone_are_refused_and_numbers_with_a_point_divided(
    dtype, advice, tmp_path
):
    file = tmp_path / "d.npy"
    target = Config.model_validate({"target": {"samples": str(file), "scale": 127.5}}).target
    np.save(file, PIXELS.astype(dtype))
    with pytest.raises(InputError, match="whole numbers must have shift beside scale") as problem:
        target.build_law()
    assert advice in str(problem.value)
    np.testing.assert_allclose(target.build_law(is_recorded=True).samples, PIXELS / 127.5, rtol=1e-14)
    np.save(file, PIXELS.astype(float))
    np.testing.assert_allclose(target.build_law().samples, PIXELS / 127.5, rtol=1e-14)


def test_options_override_the_file_and_a_new_law_replaces_the_old():
    config = parse_config({"target": {"samples": "x.npy", "scale": 2.0}, "recursion": {"rounds": 4}})
    changed = config.updated({"rounds": 5, "preset": "grid_2d", "particles": 10})
    assert changed.recursion.rounds == 5 and changed.simulation.particles == 10
    assert changed.target.preset == "grid_2d" and changed.target.samples is None
    with pytest.raises(InputError, match="unknown key round"):
        config.updated({"round": 3})


@pytest.mark.parametrize("schedule", ["constant", "polynomial", "geometric", "explicit"])
def test_recursion_is_the_one_described(schedule):
    document = {
        "recursion": {
            "fresh_fraction": 0.2,
            "truncation_time": 0.3,
            "schedule": schedule,
            "exponent": 2.0,
            "ratio": 0.5,
            "floor": 0.1,
            "rate": 1.5,
            "blur": 0.25,
        }
    }
    if schedule == "explicit":
        document["recursion"]["truncation_times"] = [0.3, 0.2]
    recursion = parse_config(document).build_recursion()
    expected = {
        "constant": [0.3, 0.3, 0.3],
        "polynomial": [0.3, 0.075, 0.3 / 9],
        "geometric": [0.3, 0.15, 0.1],
        "explicit": [0.3, 0.2, 0.2],
    }
    np.testing.assert_allclose(recursion.schedule.times(3), expected[schedule])
    assert recursion.fresh_fraction == 0.2 and recursion.process.rate == 1.5 and recursion.blur == 0.25
    assert recursion.dimension == 1


NUMBERS = [
    (name, key)
    for name in ("recursion", "analysis", "simulation")
    for key in sections()[name].model_fields
    if isinstance(getattr(getattr(Config(), name), key), int | float) or key == "degree"
]


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize("value", ["1", True, [1], {}, float("nan"), float("inf"), -1e9])
def test_no_number_is_taken_for_another_kind(name, key, value):
    with pytest.raises(InputError, match=key):
        parse_config({name: {key: value}})


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[recursion]\nrounds = 4\n")
    assert load_config(tmp_path / "a.toml").recursion.rounds == 4


def test_a_square_of_covariances_in_the_file_says_what_it_is():
    from hermite_collapse.app.config import Config

    target = {
        "weights": [0.5, 0.5],
        "means": [[0.0, 0.0], [1.0, 1.0]],
        "covariances": [[1.0, 0.2], [0.2, 1.0]],
    }
    with pytest.raises(InputError, match="covariance_type"):
        Config.model_validate({"target": target}).target.build_law()
    shared = Config.model_validate({"target": target | {"covariance_type": "shared"}}).target.build_law()
    np.testing.assert_allclose(shared.covariances[1], target["covariances"], atol=1e-15)
    with pytest.raises(InputError, match="covariance_type must be one of"):
        Config.model_validate({"target": target | {"covariance_type": "tied"}}).target.build_law()
    with pytest.raises(InputError, match="covariance_type must come with a mixture"):
        _ = Config.model_validate({"target": {"preset": "grid_2d", "covariance_type": "full"}}).target.kind
