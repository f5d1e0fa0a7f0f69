"""Sums of numbered blocks along a fixed binary tree, (0 + 1) + (2 + 3), ...: the same bits in any order of arrival.

Floating-point addition is not associative, so a running total depends on where a sample is cut.  Here the sums of
blocks 2p and 2p + 1 are added first, then those of neighbouring pairs, and so on; only additions that the tree knows
ever happen, however blocks are grouped into calls, threads or processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar


class Blocks(Protocol):
    """Sums of consecutive blocks along the first axis: a NumPy array or a torch tensor."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> Self: ...
    def __add__(self, other: Self, /) -> Self: ...


Sums = TypeVar("Sums", bound=Blocks)


class SumTree(Generic[Sums]):
    """The sums of blocks added so far, as the open nodes of the tree: about log2 of their number.

    Parameters
    ----------
    copy : function
        Returns a copy of an array: a node must not share memory with what is added.
    """

    def __init__(self, copy: Callable[[Sums], Sums]) -> None:
        self._copy = copy
        # (level, position): the sums over blocks position << level to (position + 1) << level, shape (1, ...)
        self._nodes: dict[tuple[int, int], Sums] = {}

    def add(self, first: int, sums: Sums) -> None:
        """Add consecutive blocks, of which the number of the first is given; shape (blocks, ...)."""
        level = 0
        # Pairs are added in bulk, loose ends go through the tree; both add the same two numbers.
        while len(sums):
            if first % 2:
                self._insert(level, first, self._copy(sums[:1]))
                first, sums = first + 1, sums[1:]
            if len(sums) % 2:
                self._insert(level, first + len(sums) - 1, self._copy(sums[-1:]))
                sums = sums[:-1]
            sums = sums[0::2] + sums[1::2]
            first, level = first // 2, level + 1

    def merge(self, other: SumTree[Sums]) -> None:
        """Add the blocks of another tree, none of which is in this one."""
        for (level, position), node in other._nodes.items():
            self._insert(level, position, node)

    def spans(self) -> list[tuple[int, int]]:
        """Return the stretches of blocks that are there, as first block and the one after the last, unsorted."""
        return [(position << level, (position + 1) << level) for level, position in self._nodes]

    def parts(self) -> list[tuple[int, Sums]]:
        """Return the open nodes, shape (1, ...), with their first blocks, in order."""
        nodes = [(position << level, node) for (level, position), node in self._nodes.items()]
        return sorted(nodes, key=lambda part: part[0])

    def clear(self) -> None:
        """Forget everything added."""
        self._nodes.clear()

    def _insert(self, level: int, position: int, node: Sums) -> None:
        while (sibling := self._nodes.pop((level, position ^ 1), None)) is not None:
            node = node + sibling  # addition of two numbers commutes exactly
            level, position = level + 1, position // 2
        self._nodes[level, position] = node
