r"""What a kernel runs: a sampler's stages and a mixture's exact denoiser as arrays, the same for CPU and GPU.

Stage s of S moves a particle x in R^d,

    x  <-  p0 x + p1 x_before + q0 D + q1 D_before + r z,

with x_before and D_before the particle and the denoiser of stage s - 1 (their coefficients are 0 at s = 0), and the
denoiser of K components in G groups, group g the components group_start[g] to group_start[g + 1],

    y        = x - shift[s]
    y_g      = frames[g]^T y                                     (y itself where there are no frames)
    l_k      = constant[s, k] + sum_j linear[s, j, k] y_gj + sum_j quadratic[s, j, k] y_gj^2
    rho      = softmax of l over all components of all groups
    D        = mean + sum_g frames[g] (sum_k rho_k offset[s, k] + (sum_k rho_k gain[s, k]) y_g),       k in g

Under guidance of scale g, where a particle is asked for a class c, the weights rho_k are replaced by

    g rho_k 1[class_of[k] = c] / (sum of rho_l over class_of[l] = c)  -  (g - 1) rho_k

Where every component is isotropic, quadratic has one row, which multiplies abs(y)^2, and gain one column.  D is needed
where `asks`; z of stage s is draw number draw[s] of normals of the stream with key `path_key`, draws counted
consecutively from 0, -1 for a stage without noise.

The start is a mixture: component c the first with u < start_cumulative[c], u uniform 0 of column 0,

    x = start_means[c] + Q (start_roots[c] * z),      Q = start_frames[start_frame[c]], or 1 where there are no frames

with z draw 0 of normals, u and z of the stream with key `start_key`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ...core.types import BoolArray, FloatArray, IntArray
from ..guided import ClassGuidance
from ..laws import TorchMixture
from ..scores import MixtureDenoiser
from ..stages import Stage, asks, draw_numbers

# Plans are small: a sampler of many steps with very many components has the loop instead.
LARGEST_BYTES = 1 << 28


class Plan(NamedTuple):
    """A reverse diffusion as arrays of float64; the module says what they do.

    Attributes
    ----------
    shift : array, shape (S, d)
    constant : array, shape (S, K)
    linear : array, shape (S, d, K)
    quadratic : array, shape (S, d or 1, K)
    offset : array, shape (S, K, d)
    gain : array, shape (S, K, d or 1)
    mean : array, shape (d,)
    step : array, shape (S, 5)
        p0, p1, q0, q1, r.
    asks : array of bool, shape (S,)
    draw : array of int, shape (S,)
    group_start : array of int, shape (G + 1,)
    frames : array, shape (G, d, d) or (0, d, d)
        Orthogonal matrices; none where every group is in the coordinate axes (G is then 1).
    class_of : array of int, shape (K,) or (0,)
        None without guidance.
    guidance_scale : float
        g, 1 without guidance.
    start_cumulative : array, shape (C,)
        The last is infinite.
    start_means : array, shape (C, d)
    start_roots : array, shape (C, d)
    start_frames : array, shape (F, d, d)
        F = 0 for none.
    start_frame : array of int, shape (C,)
    """

    shift: FloatArray
    constant: FloatArray
    linear: FloatArray
    quadratic: FloatArray
    offset: FloatArray
    gain: FloatArray
    mean: FloatArray
    step: FloatArray
    asks: BoolArray
    draw: IntArray
    group_start: IntArray
    frames: FloatArray
    class_of: IntArray
    guidance_scale: float
    start_cumulative: FloatArray
    start_means: FloatArray
    start_roots: FloatArray
    start_frames: FloatArray
    start_frame: IntArray

    @property
    def stages(self) -> int:
        """The number of stages S."""
        return self.step.shape[0]

    @property
    def dimension(self) -> int:
        """The dimension d."""
        return self.mean.shape[0]

    @property
    def components(self) -> int:
        """The number of components K."""
        return self.constant.shape[1]

    @property
    def isotropic(self) -> bool:
        """Whether quadratic and gain hold one number a component."""
        return self.gain.shape[2] < self.dimension or self.dimension == 1


def bytes_of_plan(stages: int, components: int, dimension: int, *, framed: bool = False) -> int:
    """Return about how much memory a plan takes; `framed` where components have axes of their own."""
    # Frames lie in the plan for the start and the stages, and twice in the tables of a kernel.
    frames = 4 * components * dimension**2 if framed else 0
    return 8 * (stages * components * (4 * dimension + 1) + frames)


def plan_of(
    denoiser: MixtureDenoiser,
    stages: Sequence[Stage],
    start: TorchMixture,
    guidance: ClassGuidance | None = None,
) -> Plan:
    """Return the plan of a sampler with the exact denoiser of a mixture, started from another mixture.

    Parameters
    ----------
    denoiser : MixtureDenoiser
    stages : sequence of Stage
        At least one.
    start : TorchMixture
        The law of the particles before the first stage.
    guidance : ClassGuidance, optional
        Classes of the components, and how strongly particles are drawn to theirs.

    Returns
    -------
    Plan
    """
    groups = denoiser.coefficients_of([stage.level for stage in stages])

    def together(name: str, axis: int) -> FloatArray:
        return torch.cat([getattr(group, name) for group in groups], dim=axis).cpu().numpy()

    mean = denoiser.mean.cpu().numpy()
    scales = np.array([stage.level.scale for stage in stages])
    dimension = len(mean)
    return Plan(
        shift=scales[:, None] * mean,
        constant=together("constant", 1),
        linear=together("linear", 2),
        quadratic=together("quadratic", 2),
        offset=together("offset", 1),
        gain=together("gain", 1),
        mean=mean,
        step=np.array([(s.x, s.x_before, s.data, s.data_before, s.noise) for s in stages]),
        asks=np.array(asks(stages)),
        draw=np.array(draw_numbers(stages), dtype=np.int64),
        group_start=np.cumsum([0, *denoiser.group_counts]),
        frames=_frames(denoiser.group_frames, dimension),
        class_of=np.empty(0, dtype=np.int64) if guidance is None else guidance.class_of[denoiser.order],
        guidance_scale=1.0 if guidance is None else guidance.scale,
        start_cumulative=start.cumulative.cpu().numpy(),
        start_means=start.means.cpu().numpy(),
        start_roots=np.array(np.broadcast_to(np.sqrt(start.variances.cpu().numpy()), start.means.shape)),
        start_frames=_frames([] if start.frames is None else list(start.frames), dimension),
        start_frame=(
            np.zeros(start.count, dtype=np.int64) if start.frame_of is None else start.frame_of.cpu().numpy()
        ),
    )


def _frames(frames: Sequence[torch.Tensor | None], dimension: int) -> FloatArray:
    """Return orthogonal matrices as one array, none for the coordinate axes."""
    matrices = [frame.cpu().numpy() for frame in frames if frame is not None]
    return np.ascontiguousarray(np.stack(matrices)) if matrices else np.empty((0, dimension, dimension))
