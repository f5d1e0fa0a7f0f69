"""Triton kernels where there is no card: a process with the interpreter, and compilations for a Hopper card."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
interpreted = pytest.mark.skipif(not INTERPRETED, reason="runs in test_in_the_interpreter")
compiled = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")


def run_in_the_interpreter(which: str, files: Sequence[str]) -> None:
    """Run the tests of files that a marker expression selects where kernels are interpreted; all must pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", which, *files]
    done = subprocess.run(
        command,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:]


def compile_for_hopper(
    kernel: Any, signature: dict[str, str], constants: dict[str, int], **options: int
) -> Any:
    """What Triton makes of a kernel; ptxas has taken it.  Tables begin on lines of 16 bytes, as in launches."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {name: signature.get(name, "constexpr") for name in kernel.arg_names}
    aligned = {
        (index,): [["tt.divisibility", 16]]
        for index, kind in enumerate(types.values())
        if kind.startswith("*")
    }
    source = ASTSource(kernel, types, constexprs=constants, attrs=aligned)
    target, options = GPUTarget("cuda", 90, 32), {"enable_fp_fusion": True, **options}
    built = triton.compile(source, target=target, options=options)
    assert len(built.asm["cubin"]) > 1000
    return built


def reverse_for_hopper(
    dimension: int, width: int, *, tile: int, particles: int = 64, ahead: int = 1, **constants: int
) -> Any:
    """The kernel of the reverse diffusion, of a stage with noise and the denoiser before, in several tiles."""
    import triton

    from hermite_collapse.simulation.fused.triton_stages import reverse

    tables = ["points", "shift", "constant", "linear", "quadratic", "mean", "value", "gain", "frames", "step"]
    signature = dict.fromkeys((*tables, "guidance"), "*fp64") | dict.fromkeys(("labels", "keys"), "*i64")
    integers = ("run_of", "first_of", "shares", "extents", "frame_of", "class_of", "draw")
    signature |= dict.fromkeys(integers, "*i32") | {"key": "i64"}
    signature |= dict.fromkeys(("rows", "size", "stages", "tiles", "stride", "small_stride"), "i32")
    lanes = width < 16
    usual = {
        "D": dimension,
        "WIDTH": width,
        "RIGHT": 1 if lanes else triton.next_power_of_2(dimension - width // 2),
        "TILE": tile,
        "AXIS": 0 if lanes else 1,
        "SEVERAL": True,
        "ISOTROPIC": False,
        "FRAMES": False,
        "GUIDED": False,
        "EARLIER": False,
        "EARLIER_DATA": True,
        "NOISE": True,
        "MANY": False,
        "BLOCK": particles,
    }
    return compile_for_hopper(reverse, signature, usual | constants, num_warps=4, num_stages=ahead)


def channel_for_hopper(**constants: int) -> Any:
    """The kernel of the channel, in three dimensions."""
    from hermite_collapse.simulation.fused.triton_channel import _draw

    numbers = ("result", "source_steps", "steps", "means", "roots", "channel", "frames", "normals", "noises")
    signature = dict.fromkeys(numbers, "*fp64") | dict.fromkeys(("run_of", "first_of", "shares"), "*i32")
    signature |= dict.fromkeys(("parents", "frame_of", "keys", "places"), "*i64") | {"key": "i64"}
    signature |= dict.fromkeys(("offset", "count", "size", "sources", "components", "members"), "i32")
    usual = {"COLUMNS": 3, "ROOTS": 3, "SOURCE_BITS": 1, "COMPONENT_BITS": 5, "BLOCK": 512}
    usual |= {"FRAMED": False, "START": False, "MANY": False}
    return compile_for_hopper(_draw, signature, usual | constants, num_warps=4)


def double_operations(built: Any) -> list[str]:
    """The operations of a compiled kernel on doubles, in their order."""
    return re.findall(r"^\s+(\w[\w.]*\.f64[\w.]*)\s", built.asm["ptx"], re.MULTILINE)


def registers_of(built: Any) -> tuple[int, int]:
    """Registers of a thread of a compiled kernel, and bytes of the stack that spilled ones lie on."""
    from triton import knobs

    tool = os.path.join(os.path.dirname(knobs.nvidia.ptxas.path), "cuobjdump")
    if not os.path.exists(tool):
        pytest.skip("no cuobjdump beside ptxas")
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(built.asm["cubin"])
        file.flush()
        text = subprocess.run(
            [tool, "--dump-resource-usage", file.name], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", text)
    assert found is not None, text
    return int(found[1]), int(found[2])
