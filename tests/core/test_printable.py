"""Names from outside command no terminal: in errors, in tables, on standard error."""

from __future__ import annotations

import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.core.errors import InputError
from hermite_collapse.core.printable import printable, printable_lines, sentence
from hermite_collapse.reporting.terminal import table_lines

CLEAR = "a\x1b[2J\x07b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe ±2σ 名前", "Größe ±2σ 名前"),
        (CLEAR, "a\\x1b[2J\\x07b"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eabc", "\\u202eabc"),
        ("\udcff", "\\udcff"),
        ("\x9b2J", "\\x9b2J"),
    ],
)
def test_what_would_be_obeyed_is_spelled(text, shown):
    assert printable(text) == shown


def test_errors_and_tables():
    assert "\x1b" not in str(InputError(f"file must be there, got {CLEAR}."))
    lines = table_lines([CLEAR, "value"], [[CLEAR, 1.0], ["[bold]:smile:[/x]", 2.0]])
    assert not any(character in line for line in lines for character in "\x1b\x07")
    assert any("[bold]:smile:[/x]" in line for line in lines)


def test_the_command(tmp_path, capsys):
    file = tmp_path / f"{CLEAR}.csv"
    file.write_text("x\n")
    assert run(["spectrum", "--samples", str(file)]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "a\\x1b[2J" in err
    file.write_text(f"round,{CLEAR} variance\n0,1\n1,0.9\n2,0.85\n")
    run(["diagnose", str(file), "--fresh-fraction", "0.3"])
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err


def test_lines_keep_what_separates_them():
    assert printable_lines("a\n\tb\x1b\r\n") == "a\n\tb\\x1b\\r\n"


def test_a_sentence_that_nobody_would_read_is_shortened():
    text = f"x must be a name, got {'n' * 10**5}: say another."
    assert len(sentence(text)) < 2000 and sentence(text).endswith("nnn: say another.")
    assert str(InputError(text)) == sentence(text)
    assert sentence("x must be 1.") == "x must be 1."
