"""Every public function takes numbers and arrays of every kind alike: the same numbers in, the same numbers out.

The valid calls of `test_extremes.CALLS`, with all their numbers, or all their arrays, as another kind that holds the
same values; and each argument alone as what holds no real numbers, which is refused in one sentence.
"""

from __future__ import annotations

import ast
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from tests.test_bad_input_kinds import Subclass
from tests.test_extremes import CALLS, numbers_in


def gradient(values):
    torch = pytest.importorskip("torch")
    return torch.tensor(np.asarray(values, float), requires_grad=True)


def tensor(values):
    return pytest.importorskip("torch").tensor(np.asarray(values))


def exact(values):
    return [list(map(Fraction, row)) if isinstance(row, list) else Fraction(row) for row in values.tolist()]


def frame(array, **options):
    pandas = pytest.importorskip("pandas")
    return (pandas.DataFrame if array.ndim == 2 else pandas.Series)(array, **options)


FLOATS = {
    "no axes": np.array,
    "no axes, byte order": lambda x: np.array(x, ">f8"),
    "no axes, object": lambda x: np.array(x, object),
    "longdouble": np.longdouble,
    "Fraction": Fraction,
    "Decimal": Decimal,
    "mpmath": lambda x: pytest.importorskip("mpmath").mpf(x),
    "sympy": lambda x: pytest.importorskip("sympy").Rational(*float(x).as_integer_ratio()),
    "xarray": lambda x: pytest.importorskip("xarray").DataArray(float(x)),
    "gradients": gradient,
}
WHOLE = {
    "no axes": np.array,
    "unsigned": np.uint64,
    "tensor": tensor,
    "sympy": lambda x: pytest.importorskip("sympy").Integer(x),
}
ARRAYS = {
    "lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "every other": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "Fortran's order": np.asfortranarray,
    "read-only": hc.core.value.read_only,
    "subclass": lambda a: a.view(Subclass),
    "masked, nothing": np.ma.array,
    "memory": lambda a: memoryview(np.ascontiguousarray(a)),
    "tensor": tensor,
    "frame in another order": lambda a: frame(a, index=np.arange(len(a))[::-1]),
}
REAL_ARRAYS = {
    "longdouble": lambda a: a.astype(np.longdouble),
    "objects": lambda a: a.astype(object),
    "fractions": exact,
    "gradients": gradient,
    "odd addresses": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
}
NO_NUMBERS = {
    "complex": lambda a: a.astype(complex),
    "text": lambda a: a.astype(str) if a.ndim else str(a),
    "bytes": lambda a: a.astype("S") if a.ndim else str(a).encode(),
    "structured": lambda a: np.zeros(a.shape, dtype=[("a", "f8")]),
    "dates": lambda a: np.zeros(a.shape, "M8[D]"),
}


def numeric(name: str) -> dict[str, np.ndarray]:
    """The arguments of a call that hold numbers."""
    given = {key: value for key, value in CALLS[name][1].items() if not key.startswith("_")}
    arrays = {key: np.asarray(value) for key, value in given.items() if value is not None}
    return {key: array for key, array in arrays.items() if array.dtype.kind in "if"}


def result(name: str, **changes: object) -> object:
    function, base = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(**{key.removeprefix("_"): value for key, value in {**base, **changes}.items()})


def groups(name: str):
    """Kinds, and the arguments that become one of them together."""
    given = numeric(name)
    plain = {key: CALLS[name][1][key] for key, array in given.items() if array.ndim == 0}
    yield FLOATS, {key: value for key, value in plain.items() if isinstance(value, float)}
    yield WHOLE, {key: value for key, value in plain.items() if isinstance(value, int)}
    arrays = {key: array for key, array in given.items() if array.ndim}
    yield ARRAYS, arrays
    yield REAL_ARRAYS, {key: array for key, array in arrays.items() if array.dtype.kind == "f"}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_values_as_another_kind(name):
    expected = result(name)
    wrong = {}
    for kinds, arguments in groups(name):
        for kind, make in kinds.items() if arguments else ():
            changed = {key: make(value) for key, value in arguments.items()}
            got = result(name, **changed)
            same = numbers_in(got) == numbers_in(expected) or (
                np.array_equal(
                    [x for _, x in numbers_in(got)], [x for _, x in numbers_in(expected)], equal_nan=True
                )
            )
            if not same or type(got) is not type(expected):
                wrong[kind] = got
    assert wrong == {}


@pytest.mark.parametrize("name", CALLS)
def test_what_holds_no_real_numbers_is_refused(name):
    for key, array in numeric(name).items():
        for kind, make in NO_NUMBERS.items():
            with pytest.raises(hc.InputError) as caught:
                result(name, **{key: make(array)})
            text = str(caught.value)
            assert text.endswith(".") and "\n" not in text and " must " in text, (key, kind, text)


CONVERTING = {
    *("real", "share", "fraction", "probability", "nonnegative", "nonnegative_or_infinite", "positive"),
    *("integer", "count", "vector", "probabilities", "real_array"),
}


def unkept(text: str) -> list[int]:
    """Lines of constructors that check an attribute and keep it as it was given."""
    lines = []
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef) and function.name == "__post_init__":
            for node in ast.walk(function):
                call = node.value if isinstance(node, ast.Expr) else None
                if (
                    isinstance(call, ast.Call)
                    and ast.unparse(call.func).removeprefix("checks.") in CONVERTING
                ):
                    lines.append(node.lineno)
    return lines


def test_values_keep_what_a_check_returns_and_not_what_was_given():
    package = Path(hc.__file__).parent
    wrong = {
        str(file.relative_to(package)): unkept(file.read_text("utf-8")) for file in package.rglob("*.py")
    }
    others = {
        "diagnosis/measuring/measured.py",
        "diagnosis/measuring/moments.py",
    }  # arrays of data, compared and read as they are
    assert {file for file, lines in wrong.items() if lines} <= others
    text = "class A:\n    def __post_init__(self):\n        checks.positive(self.a, 'a')\n"
    assert unkept(text) == [3] and unkept(text.replace("checks.", "x = checks.")) == []
