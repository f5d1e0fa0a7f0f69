"""Matrix products whose rows do not depend on what is computed beside them.

A BLAS chooses its kernel, and with it the order of summation, by the shape of the whole product: row 5 of an
(8192, d) by (d, K) product can differ in the last bit from row 5 of a (333, d) one.  Multiplying piece by piece of
a fixed size makes each row a function of its piece alone, so results do not change with the chunk size.

On a GPU, where a launch costs more than a piece, one product takes all rows: there the last bits of a row may change
with the chunk size, which follows from the memory of the device.
"""

from __future__ import annotations

import torch

from . import devices
from .noise import BLOCK


def product(rows: torch.Tensor, matrix: torch.Tensor, *, piece: int = BLOCK) -> torch.Tensor:
    """Return rows @ matrix for (n, d) and (d, K), on a CPU in products of `piece` rows or fewer."""
    n = rows.shape[0]
    if n <= piece or not devices.works_in_blocks(rows.device):
        return rows.contiguous() @ matrix
    result = rows.new_empty((n, matrix.shape[1]))
    for start in range(0, n, piece):
        torch.mm(rows[start : start + piece], matrix, out=result[start : start + piece])
    return result
