"""Compiled kernels on machines that do not play along: no place for a cache, children that were forked."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORK = (
    "import numpy as np\n"
    "from hermite_collapse.hermite.sums import block_sums\n"
    "def work(): return block_sums(np.linspace(-1.0, 1.0, 20000)[:, None], 4)\n"
)


def test_without_a_place_for_the_cache_kernels_are_compiled_all_the_same():
    script = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "caching.CodeLibraryCacheImpl._locator_classes = []\n"
        "caching.CompileResultCacheImpl._locator_classes = []\n" + WORK + "print(work().shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(3, 2, 5)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems spawn, or survive a fork")
def test_a_forked_child_says_how_to_start_it():
    script = WORK + (
        "import os, sys\n"
        "def child():\n"
        "    sys.stdout.flush()\n"
        "    if os.fork() == 0:\n"
        "        try: print(work().shape)\n"
        "        except RuntimeError as error: print(error)\n"
        "        sys.stdout.flush(); os._exit(0)\n"
        "    os.wait()\n"
        "child()\nwork()\nchild()\nwork()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    first, second = done.stdout.splitlines()
    assert first == "(3, 2, 5)" and done.returncode == 0
    assert "forked after its parent has computed" in second and '"spawn"' in second
