"""The path X + sigma W_t of a solvable family, forward and backward: an oracle whose energies are closed forms."""

from __future__ import annotations

import math

import numpy as np
import torch

from hermite_collapse.simulation.noise import NoiseStream, plan_chunks


class BrownianMotion:
    """dY = sigma dW: the ideal path of the solvable family."""

    def __init__(self, diffusion=1.0):
        self.coefficient = float(diffusion)

    def drift(self, y, clock):
        return torch.zeros_like(y)


class SolvablePaths(BrownianMotion):
    """The path X + sigma W_t of a SolvableFamily from its end at t = 1 back to t = 0; one dimension.

    A step back draws X from its law given Y_t, then the Brownian bridge between them: exact at any step size.
    """

    def __init__(self, family):
        super().__init__(family.diffusion)
        self._log_weights = torch.from_numpy(np.log(family.start.weights))
        self._means = torch.from_numpy(np.array(family.start.means, dtype=float).reshape(-1))
        self._variances = torch.from_numpy(np.array(family.start.variances, dtype=float).reshape(-1))
        self.error = lambda y, t: torch.full_like(y, float(family.drift_error(t)))

    def _shares(self, y, clock):
        spread = self._variances + self.coefficient**2 * clock
        logits = self._log_weights - (y - self._means) ** 2 / (2.0 * spread) - torch.log(spread) / 2.0
        return torch.softmax(logits, dim=1), spread

    def score(self, y, clock):
        if clock == 0.0 and bool((self._variances == 0.0).any()):
            # A point mass has no score.  The node enters with half the first step only, which on a grid graded
            # towards it is of second order in the number of steps.
            return torch.zeros_like(y)
        shares, spread = self._shares(y, clock)
        return (shares * (self._means - y) / spread).sum(dim=1, keepdim=True)

    def draw_end(self, count, *, seed=0):
        """Independent end points Y_1, shape (count, 1)."""
        parts = []
        for piece in plan_chunks(1, count, 65536):
            stream = NoiseStream(
                piece.pieces, seed=seed, round_index=0, purpose="start", device=torch.device("cpu")
            )
            index = self._choose(torch.exp(self._log_weights).expand(piece.rows, -1), stream)
            spread = torch.sqrt(self._variances[index] + self.coefficient**2)
            parts.append(self._means[index] + spread * stream.normal(1))
        return torch.cat(parts)

    @staticmethod
    def _choose(shares, noise):
        steps = torch.cumsum(shares, dim=1)
        steps[:, -1] = torch.inf
        return (noise.uniform(1) >= steps).sum(dim=1, keepdim=True)

    def step_back(self, y, clock, following, noise):
        shares, spread = self._shares(y, clock)
        index = self._choose(shares, noise)
        gain = (self._variances / spread)[index]
        centre = self._means[index] + gain * (y - self._means[index])
        origin = centre + torch.sqrt(gain) * self.coefficient * math.sqrt(clock) * noise.normal(1)
        share = (clock - following) / clock
        width = self.coefficient * math.sqrt(max(0.0, following * share))
        moved = y + share * (origin - y) + width * noise.normal(1)
        # E[moved given y] = y + (clock - following) sigma^2 score(y): what is left is the martingale increment.
        expected = (shares * (self._means - y) / spread).sum(dim=1, keepdim=True)
        drifted = y + (clock - following) * self.coefficient**2 * expected
        return moved, (moved - drifted) / self.coefficient
