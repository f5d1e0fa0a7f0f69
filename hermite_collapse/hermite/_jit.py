"""The one decorator of every compiled kernel.

What it fixes, and why:

- Compiled code goes to Numba's disk cache, so that a second process starts at once; where neither the package nor a
  home can be written to, every process compiles.  `get_num_threads()` inside a kernel would forbid the cache, and
  would make results depend on the machine: a parallel kernel splits its work into a number of lanes that the data or
  the caller fix, and loops over the lanes with `prange`.
- The interpreter lock is released.
- Arithmetic follows NumPy: no exception on division by zero, so that loops vectorise.
- Sums may be reordered and a multiplication may be fused with an addition ("reassoc", "contract"; the sign of a zero
  sum is free, "nsz"): without this no reduction vectorises.  NaN and infinity keep their meaning.  The last bits of
  a result therefore depend on the processor's instruction set, never on the number of threads.

Wrappers hold `core.threads.parallel_region` around the call of a parallel kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar, cast, overload

import numba

from ..core.environment import require_compiler
from ..core.threads import parallel_region as parallel_region

require_compiler(numba.config.DISABLE_JIT)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


_REORDER = {"reassoc", "contract", "nsz"}


@overload
def jit(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]: ...


@overload
def jit(
    function: None = None, *, parallel: bool = False, inline: bool = False, merge: bool = False
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]: ...


def jit(
    function: Callable[Arguments, Result] | None = None,
    *,
    parallel: bool = False,
    inline: bool = False,
    merge: bool = False,
) -> Callable[Arguments, Result] | Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Compile a function, on its first call, for the types it is called with.

    Parameters
    ----------
    function : callable
        The function; without it a decorator with the options below comes back.
    parallel : bool
        Run `prange` loops on several threads.
    inline : bool
        Paste the body into its callers (small helpers of a kernel).
    merge : bool
        Have LLVM paste the compiled body into its callers: for parts of a kernel that many arrays are passed to.
    """

    def decorate(plain: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        compile_with = partial(
            numba.njit,
            nogil=True,
            error_model="numpy",
            parallel=parallel,
            fastmath=_REORDER,
            inline="always" if inline else "never",
            forceinline=merge,
        )
        try:
            compiled = compile_with(cache=True)(plain)
        except RuntimeError:  # no place for the cache can be written to
            compiled = compile_with(cache=False)(plain)
        return cast("Callable[Arguments, Result]", compiled)

    return decorate if function is None else decorate(function)
