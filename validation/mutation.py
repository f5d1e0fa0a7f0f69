"""One mutation: a change of one file, and the tests that should notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One change of one file, and the tests that should notice it.

    says : what the change makes wrong.  tests : arguments for pytest.  survives : why no test can notice it, if so.
    """

    name: str
    file: str
    old: str
    new: str
    says: str
    tests: tuple[str, ...]
    survives: str = ""
