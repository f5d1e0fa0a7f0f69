"""Settings of learned scores: their rules, the learning rate, and no need of torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.simulation.learned.settings import ImageUNet, ResidualPerceptron, Training

WITHOUT_TORCH = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch": raise ModuleNotFoundError(name, name="torch")
sys.meta_path.insert(0, Block())
import hermite_collapse as hc
assert hc.simulation.Training(steps=10).describe()["steps"] == 10
assert hc.simulation.ResidualPerceptron().width == 128
try:
    hc.simulation.NeuralGeneration
except ImportError as error:
    assert "torch" in str(error)
else:
    raise AssertionError("the generation loaded without torch")
"""


def test_settings_need_no_torch():
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)


def test_learning_rate_rises_and_falls():
    training = Training(steps=1000, warmup=0.1, learning_rate=1e-3)
    rates = np.array([training.rate_at(k) for k in range(1000)])
    assert np.argmax(rates) in (99, 100) and rates.max() == pytest.approx(1e-3)
    assert rates[0] == pytest.approx(1e-5) and rates[-1] < 1e-8
    assert rates[550] == pytest.approx(5e-4, rel=1e-6)


def test_the_running_average_weighs_late_steps_more():
    """Weights of step s count in proportion to about s^averaging, and the first step replaces the start."""
    training = Training(averaging=7.0)
    shares = np.array([training.averaging_share(step) for step in range(1, 401)])
    assert shares[0] == 1.0
    weights = shares * np.append(np.cumprod((1.0 - shares)[:0:-1])[::-1], 1.0)
    assert weights.sum() == pytest.approx(1.0)
    assert np.log(weights[399] / weights[199]) / np.log(2.0) == pytest.approx(7.0, rel=0.01)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Training(held_out=1.0), "held_out must be in"),
        (lambda: Training(samples=2), "samples must be an integer >= 4"),
        (lambda: Training(samples=4, held_out=0.01), "held_out must leave points on both sides"),
        (lambda: Training(learning_rate=0.0), "learning_rate must be"),
        (lambda: Training(location=float("nan")), "location must be"),
        (lambda: ResidualPerceptron(width=0), "width must be an integer >= 1"),
        (lambda: ImageUNet((1, 7, 8)), "divisible by 2"),
        (lambda: ImageUNet((1, 8, 8), widths=(6, 12)), "widths must be divisible by groups"),
        (lambda: ImageUNet((1, 8, 8), dropout=1.0), "dropout must be in"),
    ],
)
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        make()
    assert str(caught.value).endswith(".")
