"""Variables and limits of the process: one sentence before anything starts, and never the status of a verdict."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from hermite_collapse.app.cli import app
from hermite_collapse.app.cli.app import run
from hermite_collapse.app.run import load
from hermite_collapse.core.environment import require_compiler, require_environment
from hermite_collapse.core.errors import InputError, is_out_of_memory

COMMAND = [sys.executable, "-m", "hermite_collapse"]


def command(*arguments, **variables) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, timeout=120, env={**os.environ, **variables}
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("NUMBA_NUM_THREADS", value) for value in ("0", "-1", "x", "", "1.5", "100000", "²")),
        *(("NUMBA_DISABLE_JIT", value) for value in ("1", "2", "yes")),
        *(("SOURCE_DATE_EPOCH", value) for value in ("abc", "-1", "1.5", "1e9", "253402300800", "²")),
    ],
)
def test_variables_that_end_the_process_are_refused(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"the variable {name} must be .*, got '{value}'"):
        require_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("NUMBA_NUM_THREADS", "4"), ("NUMBA_NUM_THREADS", "1024"), ("NUMBA_DISABLE_JIT", "0")),
        *(("OMP_NUM_THREADS", value) for value in ("1", "9999", "4,2", " 3 ")),
        *(("SOURCE_DATE_EPOCH", value) for value in ("", "0", "1700000000", "253402300799")),
    ],
)
def test_other_values_are_taken(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    require_environment()
    assert os.environ[name] == value


@pytest.mark.parametrize("value", ["x", "", "0", "-1", "2,", "4,0", "1.5", "²"])
def test_numbers_of_threads_that_libraries_would_complain_of_are_taken_out(value, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    require_environment()
    assert "OMP_NUM_THREADS" not in os.environ


HOSTILE = {
    "one thread too many": {"OMP_NUM_THREADS": "0", "OPENBLAS_NUM_THREADS": "9999", "MKL_NUM_THREADS": "x"},
    "threads beyond the cores": {"NUMBA_NUM_THREADS": "1024", "OMP_NUM_THREADS": "9999"},
    "no place to write": {"HOME": "/nonexistent", "TMPDIR": "/missing", "NUMBA_CACHE_DIR": "/proc/x"},
    "other letters": {"LC_ALL": "tr_TR.UTF-8", "PYTHONIOENCODING": "ascii", "TZ": "Nowhere/Land"},
    "a narrow screen": {"COLUMNS": "1", "LINES": "x", "TERM": "", "NO_COLOR": "1"},
    "strict": {"PYTHONWARNINGS": "error", "PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "7"},
    "variables of Numba": {"NUMBA_BOUNDSCHECK": "x", "NUMBA_OPT": "9"},
}


@pytest.mark.slow  # 14 processes that load everything
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_environments_change_nothing(name, tmp_path):
    """Numbers and files are those of a friendly one, in at most a line of warning for each variable."""
    size = ("--particles", "3000", "--rounds", "2", "--degree", "2", "--runs", "2", "--device", "cpu")
    for i, words in enumerate((("predict", "--rounds", "2", "--figure-format", "png"), ("simulate", *size))):
        folder = tmp_path / str(i)
        done = command(*words, "--out", str(folder), **HOSTILE[name])
        said = [line for line in done.stderr.decode().splitlines() if not line.startswith("simulated")]
        assert done.returncode == 0 and len(said) <= len(HOSTILE[name]), done.stderr.decode()
        assert all("Traceback" not in line and len(line) < 400 for line in said)
    assert run(["simulate", *size, "--out", str(tmp_path / "friendly")]) == 0
    expected, got = (load(tmp_path / name).simulated for name in ("friendly", "1"))
    assert np.array_equal(expected.coefficients, got.coefficients)


@pytest.mark.parametrize("layer", ["x", "tbb"])
def test_a_threading_layer_that_is_not_there(layer, capsys):
    said = {
        "x": "The threading layer requested 'x' is unknown to Numba.",
        "tbb": "No threading layer could be loaded.\nHINT:\nIntel TBB is required, try:\n$ conda/pip install tbb",
    }[layer]
    assert app._failed(ValueError(said)) == 2
    err = capsys.readouterr().err
    assert (
        "the variable NUMBA_THREADING_LAYER must name a layer that is there" in err and err.count("\n") == 1
    )
    assert app._failed(ValueError("another")) == 3


def test_a_closed_standard_input_is_not_missed():
    done = subprocess.run(
        ["bash", "-c", f"exec {' '.join(COMMAND)} predict --rounds 2 <&-"], capture_output=True, timeout=120
    )
    assert done.returncode == 0 and done.stderr == b""


def test_a_program_without_compiled_kernels_is_told_so():
    require_compiler(0)
    with pytest.raises(InputError, match="NUMBA_DISABLE_JIT must be 0 or unset"):
        require_compiler(1)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of this kind")
@pytest.mark.parametrize("megabytes", [250, 500])
def test_too_little_address_space_is_one_sentence(megabytes):
    limited = f"ulimit -v {megabytes}000; exec {' '.join(COMMAND)} predict"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, timeout=120, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "address space" in done.stderr


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("Could not find/load shared object file 'libllvmlite.so'"), True),
        (ImportError("libtorch.so: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(2, "No such file"), False),
        (ImportError("no module"), False),
    ],
)
def test_libraries_that_find_no_memory(error, expected):
    assert is_out_of_memory(error) is expected


def test_the_c_locale_and_a_backend_that_is_none(tmp_path):
    folder = tmp_path / "F"
    done = command(
        *("audit", "edm", "--steps", "4", "--figure-format", "png", "--out", str(folder)),
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
        MPLBACKEND="nonsense",
    )
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.isascii() and list((folder / "figures").glob("*.png"))
