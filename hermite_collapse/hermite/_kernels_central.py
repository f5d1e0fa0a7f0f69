"""Compiled loop of the central moments of products over axes, side by side for all components."""

from __future__ import annotations

from ._jit import jit


@jit
def product_moments(means, seconds, thirds, fourths, starts, axes, powers, moments):
    """Fill moments (4, m, K): mean of the product, and second to fourth moment of its deviation W.

    With m the product of the means so far and b + u the next factor, W' = m u + b W + W u.  Arrays of each axis are
    (n + 1, d, K); only axes with a power > 0 are listed.
    """
    for r in range(moments.shape[1]):
        mean, second, third, fourth = moments[0, r], moments[1, r], moments[2, r], moments[3, r]
        for k in range(moments.shape[2]):
            mean[k] = 1.0
            second[k] = 0.0
            third[k] = 0.0
            fourth[k] = 0.0
        for e in range(starts[r], starts[r + 1]):
            own, u2s = means[powers[e], axes[e]], seconds[powers[e], axes[e]]
            u3s, u4s = thirds[powers[e], axes[e]], fourths[powers[e], axes[e]]
            for k in range(moments.shape[2]):
                m, w2, w3, w4 = mean[k], second[k], third[k], fourth[k]
                b, u2, u3, u4 = own[k], u2s[k], u3s[k], u4s[k]
                mm, bb, mb = m * m, b * b, m * b
                fourth[k] = (
                    mm * (mm * u4 + 6.0 * w2 * (bb * u2 + u4))
                    + bb * w4 * (bb + 6.0 * u2)
                    + w4 * u4
                    + 4.0 * (m * w3 * u4 + b * w4 * u3)
                    + 12.0 * mb * (m * w2 * u3 + b * w3 * u2 + w3 * u3)
                )
                third[k] = (
                    mm * m * u3
                    + bb * b * w3
                    + w3 * u3
                    + 3.0 * (m * w2 * u3 + b * w3 * u2)
                    + 6.0 * mb * w2 * u2
                )
                second[k] = mm * u2 + bb * w2 + w2 * u2
                mean[k] = mb
