r"""How numbers in files become those of the diffusion.

8 bit      x = p / 127.5 - 1           whole numbers of 8 bits that use the upper half of their range
16 bit     x = p / 32767.5 - 1         the same with 16 bits
others     x = p                       if the second moments are those of a diffusion's coordinates

scale, shift          x = (p - shift) / scale
booleans              refused
value_range           x = 2 (p - low) / (high - low) - 1: low is -1 and high is 1, values may lie beyond
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.arrays import NUMBERS
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import Value
from .conversion import as_doubles

_REPRESENTABLE = (1e-20, 1e20)
"""Second moments of whose products and differences enough digits are left, whatever scale and shift were given."""
_BITS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


@dataclass(frozen=True, eq=False)
class Units(Value):
    """The map from numbers in a file to those of the diffusion, x = (p - shift) / scale.

    Attributes
    ----------
    scale, shift : float
    is_given : bool
        Whether the caller said so; otherwise the numbers themselves did.
    bits : int or None
        Of the stored whole numbers, 8 or 16; None for others.
    """

    scale: float = 1.0
    shift: float = 0.0
    is_given: bool = False
    bits: int | None = None

    @property
    def text(self) -> str:
        """The map in words."""
        kind = "numbers" if self.bits is None else f"values of {self.bits} bits"
        if self.scale == 1.0 and self.shift == 0.0:
            return f"{kind} as they are"
        if self.shift == 0.0:
            return f"{kind} p as p / {self.scale:g}"
        return f"{kind} p as (p - {self.shift:g}) / {self.scale:g}"

    @property
    def ends(self) -> tuple[float, float] | None:
        """Lowest and highest number that can be stored, in units of the diffusion; None where there is no end."""
        if self.bits is None or (self.scale, self.shift, self.is_given) == (
            1.0,
            0.0,
            False,
        ):  # counts have no end
            return None
        return (0.0 - self.shift) / self.scale, (2.0**self.bits - 1.0 - self.shift) / self.scale

    @property
    def step(self) -> float:
        """Distance of the numbers that can be stored, in units of the diffusion; 0 where they are not rounded."""
        return 0.0 if self.ends is None else 1.0 / self.scale

    def applied(self, array: NDArray[np.generic], name: str, *, may_vanish: bool = False) -> FloatArray:
        """Return samples (n, d) in units of the diffusion; numbers as they are must be in them already.

        Generations may vanish: that the second moments of the data are large enough says the units of all.

        Raises
        ------
        InputError
            If they are not, hold booleans, which may be a mask by mistake, or no finite numbers.
        """
        flat = array.reshape(len(array), -1) if array.ndim > 2 and array.size else array
        is_other = flat.dtype != np.float64 or self.scale != 1.0 or self.shift != 0.0
        if is_other and flat.ndim == 2 and flat.size and flat.dtype.kind in NUMBERS:
            values = as_doubles(flat, self.scale, self.shift, name)
        else:
            values = checks.samples(flat, name)
            if is_other:
                values = (values - self.shift) / self.scale
        moments = checks.second_moments(values) if values.any() else np.full(1, _REPRESENTABLE[0])
        if not self.is_given and self.scale == 1.0 and self.shift == 0.0 and values.any():
            checks.diffusion_units(np.maximum(moments, 1.0) if may_vanish else moments, name)
        if not _REPRESENTABLE[0] <= float(moments.max()) <= _REPRESENTABLE[1]:
            raise InputError(
                f"{name} must have second moments within [{_REPRESENTABLE[0]:g}, {_REPRESENTABLE[1]:g}] after "
                f"(p - {self.shift:g}) / {self.scale:g}, got one of {float(moments.max()):.4g}."
            )
        return values


def units_of(
    array: NDArray[np.generic],
    *,
    scale: float | None = None,
    shift: float | None = None,
    value_range: Sequence[float] | None = None,
    images: bool = False,
) -> Units:
    """Return the units of numbers as they are stored.

    Parameters
    ----------
    array : array, shape (n, ...)
    scale, shift : float, optional
        x = (p - shift) / scale; 1 and 0 where only the other is given.
    value_range : pair of float, optional
        The numbers that become -1 and 1.
    images : bool
        Whether the numbers are those of image files, so that 8 and 16 bits mean what they mean there.

    Returns
    -------
    Units

    Raises
    ------
    InputError
        If an argument is outside its range, or both ways to say it are used.
    """
    bits = bits_of(array)
    require_units(scale, shift, value_range)
    if value_range is not None:
        low, high = checked_range(value_range)
        return Units(high / 2.0 - low / 2.0, low / 2.0 + high / 2.0, True, bits)
    if scale is not None or shift is not None:
        divisor = 1.0 if scale is None else checks.positive(scale, "scale")
        return Units(divisor, 0.0 if shift is None else checks.real(shift, "shift"), True, bits)
    if bits is not None and (images or (array.size and int(np.max(array)) >= 2 ** (bits - 1))):
        half = (2**bits - 1) / 2.0
        return Units(half, half, False, bits)
    return Units(bits=bits)


def bits_of(array: NDArray[np.generic]) -> int | None:
    """Return 8 or 16 for whole numbers of so many bits, as images have; None for others."""
    return _BITS.get(array.dtype.newbyteorder("="))


def require_units(scale: float | None, shift: float | None, value_range: Sequence[float] | None) -> None:
    """Refuse a range that is none, or that comes with another way to say it.

    Raises
    ------
    InputError
        If value_range is no pair (low, high), or scale or shift is given too.
    """
    if value_range is None:
        return
    if scale is not None or shift is not None:
        raise InputError(
            f"value_range must come without scale and shift, got {value_range!r} with "
            f"{'scale' if scale is not None else 'shift'}."
        )
    checked_range(value_range)


def checked_range(value_range: Sequence[float]) -> tuple[float, float]:
    """Return (low, high) with low < high."""
    values = checks.vector(value_range, "value_range")
    if values.shape != (2,) or not values[1] > values[0]:
        raise InputError(f"value_range must be (low, high) with low < high, got {tuple(values.tolist())!r}.")
    return float(values[0]), float(values[1])
