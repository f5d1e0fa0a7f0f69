"""Names of the array types that signatures use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Seed = int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None
"""Whatever `numpy.random.default_rng` takes."""
