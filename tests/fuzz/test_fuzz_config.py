"""Random configurations: a valid one comes back the same, any other is one sentence, and nothing is left behind."""

from __future__ import annotations

import contextlib
import io
import os
import tomllib
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite_collapse.app.cli.app import run
from hermite_collapse.app.config import Config, key_sections, load_config, parse_config, sections
from hermite_collapse.app.template import template
from hermite_collapse.core.errors import InputError
from tests.fuzz.damage import examples

EXAMPLES = examples(500)

SCALARS = st.one_of(
    st.none().map(lambda _: ""),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["replace", "explicit", "three_modes_1d", "exact", "geometric", "0.3", 0.3, 1, 0, 2, 12]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=8,
)
KEYS = st.one_of(st.sampled_from(sorted(key_sections())), st.text(max_size=8))
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.dictionaries(
    st.one_of(st.sampled_from(sorted(sections())), st.text(max_size=6)), TABLES | VALUES, max_size=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def sentence(error: InputError) -> None:
    text = str(error)
    assert text and len(text) < 2000 and text.rstrip().endswith((".", "?")), text


@settings(max_examples=EXAMPLES)
@given(document=DOCUMENTS)
def test_any_document(document):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            config = parse_config(document)
        except InputError as error:
            sentence(error)
            return
    assert parse_config(tomllib.loads(config.to_toml())) == config


@settings(max_examples=EXAMPLES)
@given(
    name=st.sampled_from(["recursion", "analysis", "simulation", "target", "sweep"]),
    data=st.data(),
)
def test_known_keys_with_any_value(name, data):
    key = data.draw(st.sampled_from(sorted(sections()[name].model_fields)))
    try:
        config = parse_config({name: {key: data.draw(VALUES)}})
    except InputError as error:
        sentence(error)
        return
    assert parse_config(tomllib.loads(config.to_toml())) == config
    with contextlib.suppress(InputError):
        config.recursion.build_schedule().times(3)


@settings(max_examples=EXAMPLES)
@given(options=st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_options(options):
    try:
        Config().updated(options)
    except InputError as error:
        sentence(error)


@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=120))
def test_any_bytes_as_a_file(folder, data):
    file = folder / "bytes.toml"
    file.write_bytes(data)
    try:
        load_config(file)
    except InputError as error:
        sentence(error)


@settings(max_examples=EXAMPLES)
@given(
    places=st.lists(
        st.tuples(st.floats(0, 1), st.text(alphabet='[]{}"=#\n.,0aé\0', max_size=3), st.integers(0, 5)),
        max_size=3,
    )
)
def test_damaged_template(folder, places):
    text = template()
    for place, what, cut in places:
        at = int(place * len(text))
        text = text[:at] + what + text[at + cut :]
    file = folder / "damaged.toml"
    file.write_bytes(text.encode())
    try:
        load_config(file)
    except InputError as error:
        sentence(error)


@settings(max_examples=EXAMPLES // 5)
@given(document=DOCUMENTS, command=st.sampled_from(["compare", "simulate", "predict", "sweep", "bounds"]))
def test_the_command_refuses_with_two_and_leaves_nothing(folder, document, command):
    import tomli_w

    try:
        parse_config(document)
    except InputError:
        pass
    else:
        return  # a valid one would run
    try:
        text = tomli_w.dumps(document)
    except (TypeError, ValueError, AttributeError):
        return  # nothing TOML can hold
    file = folder / "my.toml"
    file.write_text(
        text, encoding="utf-8", errors="surrogatepass"
    ) if text.isprintable() else file.write_bytes(text.encode("utf-8", "ignore"))
    before = sorted(os.listdir(folder))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run([command, str(file), "--out", str(folder / "out")])
    assert status == 2 and out.getvalue() == ""
    assert err.getvalue().startswith("hermite-collapse: ") and "Traceback" not in err.getvalue()
    assert sorted(os.listdir(folder)) == before
