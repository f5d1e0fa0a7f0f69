"""The commented configuration file that the command prints: every key at its default."""

from __future__ import annotations

import json
import textwrap

from .config import Config, sections


def template() -> str:
    """Return a commented TOML file with every key at its default; a key without a default is commented out."""
    examples = {
        "weights": [0.25, 0.75],
        "means": [[-1.5, 0.0], [0.5, 0.5]],
        "covariances": [0.1, 0.3],
        "covariance_type": "full",
        "samples": "data.npy",
        "scale": 127.5,
        "shift": 127.5,
        "value_range": [0, 255],
        "truncation_times": [0.1, 0.05, 0.02],
        "sampler": "exponential_multistep",
        "steps": 100,
        "pool": 10_000,
        "scheduler": "local",
        "scheduler_file": "scheduler_config.json",
        "preset": "three_modes_1d",
        "degree": 8,
    }
    lines = ["# Configuration of hermite-collapse: every key at its default."]
    defaults = Config()
    for name, model in sections().items():
        optional = getattr(defaults, name) is None
        title = "The law the first round starts from, given as in [target]; the data law unless given."
        about = title if optional else model.__doc__  # python -OO takes docstrings away
        lines += ["", *_comment(about or "")]
        lines.append(f"# [{name}]" if optional else f"[{name}]")
        if optional:
            continue
        for key, field in model.model_fields.items():
            value = getattr(getattr(defaults, name), key)
            if isinstance(value, dict):
                lines += ["", *_comment(str(field.description)), f"# [{name}.{key}]"]
                lines += ["# fresh_fraction = [0.1, 0.3, 0.9]", "# truncation_time = [0.02, 0.1, 0.5]"]
                continue
            lines += _comment(str(field.description))
            mark = "# " if value is None else ""
            shown = examples[key] if value is None else value
            lines.append(f"{mark}{key} = {json.dumps(shown)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, width=98, initial_indent="# ", subsequent_indent="# ")
