"""Variables and limits of the process: one sentence before anything starts, and never the status of a verdict."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
    ],
)
def test_variables_that_end_the_process_are_refused(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"the variable {name} must be .*, got '{value}'"):
        require_environment()


@pytest.mark.parametrize(
    ("name", "value"), [("NUMBA_NUM_THREADS", "4"), ("NUMBA_DISABLE_JIT", "0"), ("OMP_NUM_THREADS", "x")]
)
def test_other_values_are_taken(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    require_environment()


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
        *(
            "predict",
            "--rounds",
            "2",
            "--fresh-fraction",
            "0.3",
            "--figure-format",
            "png",
            "--out",
            str(folder),
        ),
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
        MPLBACKEND="nonsense",
    )
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.isascii() and list((folder / "figures").glob("*.png"))
