"""Audits of five well-known schedulers by the command, each in a process of its own, imports included."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LIMIT = 5.0
_SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "SD 1.5 DDIM": {"_class_name": "DDIMScheduler", **_SCALED, "set_alpha_to_one": False},
    "SDXL Euler": {"_class_name": "EulerDiscreteScheduler", **_SCALED, "timestep_spacing": "leading"},
    "SD3 flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "DPM++ 2M Karras": {"_class_name": "DPMSolverMultistepScheduler", **_SCALED, "use_karras_sigmas": True},
    "Wan UniPC": {
        "_class_name": "UniPCMultistepScheduler",
        "use_flow_sigmas": True,
        "flow_shift": 3.0,
        "prediction_type": "flow_prediction",
    },
}


def run() -> list[dict[str, Any]]:
    """Processor seconds of each audit (target 5), and of one of a closed form."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in SCHEDULERS.items():
            file = Path(folder, "scheduler_config.json")
            file.write_text(json.dumps(settings))
            rows.append(_row(name, str(file)))
        rows.append(_row("closed form of DDIM", "ddim"))
    return rows


def _row(name: str, scheduler: str) -> dict[str, Any]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "hermite_collapse", "audit", scheduler]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"what": f"audit, {name}", "processor seconds": seconds, "target": LIMIT, "met": seconds <= LIMIT}
