"""Exit statuses and standard streams: what a script that calls the command can rely on."""

from __future__ import annotations

import importlib.abc
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from hermite_collapse.app.cli import app

COMMAND = [sys.executable, "-m", "hermite_collapse"]


def process(*arguments: str, **settings) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, timeout=120, **settings)


@pytest.mark.parametrize(
    "error",
    [IndexError("list index"), RuntimeError("x"), AssertionError(), SystemError("x"), RecursionError()],
)
def test_a_defect_is_no_verdict(error, monkeypatch, capsys):
    def broken(arguments):
        raise error

    monkeypatch.setattr(app, "_run", broken)
    assert app.run(["predict"]) == 3
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("Traceback")
    assert "defect of the program; please report it" in printed.err.splitlines()[-1]


@pytest.mark.parametrize("divisor", [0.0, 1e-300])
def test_a_floating_point_event_is_a_defect_and_no_result(divisor, monkeypatch, capsys):
    def computed(arguments):
        ratio = np.array([1e300]) / divisor
        print(ratio)
        return 0

    monkeypatch.setattr(app, "_run", computed)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert app.run(["predict"]) == 3
    printed = capsys.readouterr()
    assert printed.out == "" and "encountered in divide" in printed.err


def test_other_warnings_are_said_and_the_filters_of_the_caller_come_back(monkeypatch, capsys):
    def warned(arguments):
        warnings.warn("few samples", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(app, "_run", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        before = (warnings.showwarning, list(warnings.filters))
        assert app.run(["predict"]) == 0
        assert (warnings.showwarning, list(warnings.filters)) == before
    assert capsys.readouterr().err == "hermite-collapse: warning: few samples\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 7 PiB"), "more memory than this machine has"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "more memory than this machine",
        ),
        (OSError(28, "No space left on device"), "a file cannot be read or written: No space left on device"),
        (ImportError('pip install "x[y]"'), "pip install"),
    ],
)
def test_what_the_machine_lacks_is_one_sentence(error, words, monkeypatch, capsys):
    def broken(arguments):
        raise error

    monkeypatch.setattr(app, "_run", broken)
    assert app.run(["predict"]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "status"), [("torch", 2), ("hermite_collapse.recursion.lost", 3), ("hermite_collapse", 3)]
)
def test_a_module_of_this_program_that_cannot_be_imported_is_a_defect(name, status, monkeypatch, capsys):
    """The parser wraps the error of the module of a command; what it lacks decides."""
    module = "hermite_collapse.app.cli.bounds"
    monkeypatch.delitem(sys.modules, module, raising=False)

    class Broken(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname, path=None, target=None):
            if fullname == module:
                raise ImportError(f"cannot import {name}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert app.run(["bounds", "--rounds", "2"]) == status
    err = capsys.readouterr().err
    assert f"cannot import {name}" in err and ("defect of the program" in err) == (status == 3)


@pytest.mark.parametrize("arguments", [["config"], ["predict", "--json", "--rounds", "2"], ["--help"]])
def test_a_reader_that_leaves_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        done = process(*arguments, stdout=stream)
    assert done.returncode in (0, 141) and done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [["config"], ["predict", "--rounds", "2"], ["--help"], ["predict", "x"]]
)
def test_closed_streams_are_no_error(arguments):
    expected = 2 if "x" in arguments else 0
    shown = " ".join([*COMMAND, *arguments])
    for closed in (">&-", ">&- 2>&-", ">&- 2>&- <&-"):
        done = subprocess.run(
            ["sh", "-c", f"{shown} {closed}"], stderr=subprocess.PIPE, text=True, timeout=120
        )
        assert (
            done.returncode == expected and "Traceback" not in done.stderr and "Exception" not in done.stderr
        )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_under_standard_output_is_one_sentence():
    with open("/dev/full", "w") as full:
        done = process("config", stdout=full)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_narrow_encodings_lose_characters_and_nothing_else(encoding, tmp_path):
    (tmp_path / "Ж.csv").write_text("degree 1,degree 1 error\n1,0.01\n0.9,0.01\n0.85,0.01\n", "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    script = (
        "from hermite_collapse.app.cli.app import run\n"
        "assert run(['diagnose', 'Ж.csv']) == run(['predict', '--rounds', '2']) == 0\n"
        "assert run(['predict', 'Ж.toml']) == 2"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", script],
        capture_output=True,
        timeout=120,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "?.csv: 3 rounds" in out and "three_modes_1d" in out and "got '\\u0416.toml'" in err


def interrupted(code: str) -> subprocess.CompletedProcess:
    """The end of the command, when its theory is replaced by code that says when it is under way."""
    script = (
        "import os, signal, sys, threading, time\n"
        "from hermite_collapse.app.cli import app\n"
        f"def broken(arguments):\n    {code}\n"
        "app._run = broken\n"
        "sys.exit(app.run(['predict']))\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


SIGNAL = "threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()"
KERNEL = (
    "import numba\n"
    "    @numba.njit(nogil=True)\n"
    "    def spin(n):\n"
    "        s = 0.0\n"
    "        for i in range(n):\n"
    "            s += (s + i) % 7.0\n"
    "        return s\n"
    "    spin(1)\n"
    f"    {SIGNAL}\n"
    "    for _ in range(100000): spin(20_000_000)\n"
)


@pytest.mark.parametrize(
    "code",
    [
        f"{SIGNAL}; time.sleep(30)",
        KERNEL,
        # What compiled code makes of it.
        "\n    try: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "    except KeyboardInterrupt as error: raise SystemError('returned with an exception set') from error",
        "\n    try: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\n"
        "    except KeyboardInterrupt: pass\n    raise OSError('a child was interrupted too')",
    ],
    ids=["asleep", "kernel", "SystemError", "OSError"],
)
def test_an_interrupt_is_one_word(code):
    done = interrupted(code)
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")
