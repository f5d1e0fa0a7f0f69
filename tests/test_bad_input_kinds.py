"""Every kind of array, tensor, frame and number: its numbers, or one sentence.

A row makes one kind from a list of numbers.  Each is tried as the samples of a law, the samples of a measurement, the
weights and the means of a mixture; each kind of single number as a parameter.
"""

from __future__ import annotations

import array
import collections
import ctypes
import enum
import io
import mmap
import types
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import hermite_collapse as hc

NUMBERS, WHOLE = [0.25, 0.75], [0, 1]
REFUSED = object()

Make = Callable[[types.ModuleType, list], object]


class Subclass(np.ndarray):
    """An array that is more than one."""


class WithArray:
    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values


class FailingArray:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("on another\ndevice")


class WithInterface:
    def __init__(self, values):
        self.values = np.asarray(values)
        self.__array_interface__ = self.values.__array_interface__


class Exchanged:
    """All that the array standard asks for."""

    def __init__(self, values, device=None):
        self.values, self.device = np.asarray(values), device

    def __dlpack__(self, **options):
        if self.device:
            raise BufferError("no memory of the host")
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device or self.values.__dlpack_device__()


class Sequence:
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]


class Number:
    def __init__(self, result):
        self.result = result

    def __float__(self):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Index:
    def __index__(self):
        return 1


class Unshowable:
    def __repr__(self):
        raise RuntimeError


def of_type(dtype: str) -> Make:
    return lambda _, values: np.array(values, dtype)


def structured(_, values):
    return np.array([(value,) for value in values], dtype=[("a", "f8")])


def deep(depth: int) -> object:
    inner: object = 0.25
    for _ in range(depth):
        inner = [inner]
    return inner


def itself() -> list:
    inner: list = []
    inner.append(inner)
    return inner


def behind(_, values):
    """Masked where the last number stands."""
    return np.ma.array(values, mask=[*[False] * (len(values) - 1), True])


def with_last(value: object) -> Make:
    return lambda _, values: [*values[:-1], value]


def objects(*last: object) -> Make:
    return lambda _, values: np.array([*values[: len(values) - len(last)], *last], dtype=object)


# name: (how it is made, the numbers it holds or REFUSED); the library is the word before a colon.
ARRAYS: dict[str, tuple[Make, object]] = {
    **{
        f"NumPy {t}": (of_type(t), WHOLE)
        for t in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u2"]
    },
    **{f"NumPy {t}": (of_type(t), NUMBERS) for t in ["f2", "f4", "f8", "longdouble", ">f2", ">f4", ">f8"]},
    **{f"NumPy {t}": (of_type(t), REFUSED) for t in ["?", "c8", "c16", "clongdouble", ">c16", "U8", "S8"]},
    "durations": (lambda _, v: np.array([1] * len(v), "m8[s]"), REFUSED),
    "raw": (lambda _, v: np.zeros(len(v), "V8"), REFUSED),
    "dates": (lambda _, v: np.array(["2020-01-01"] * len(v), "M8[D]"), REFUSED),
    "texts of any length": (lambda _, v: np.array(["0.25"] * len(v), np.dtypes.StringDType()), REFUSED),
    "structured": (structured, REFUSED),
    "records": (lambda _, v: structured(_, v).view(np.recarray), REFUSED),
    "objects: floats": (objects(), NUMBERS),
    "objects: integers": (objects(), WHOLE),
    "objects: booleans": (objects(True), REFUSED),
    "objects: None": (objects(None), REFUSED),
    "objects: text": (objects("0.75"), REFUSED),
    "objects: complex": (objects(0.75 + 0j), REFUSED),
    "objects: NaN": (objects(float("nan")), REFUSED),
    "objects: beyond the doubles": (objects(10**400), REFUSED),
    "objects: arrays": (lambda _, v: np.array([np.zeros(1), np.zeros(2)], dtype=object), REFUSED),
    "NaN": (with_last(float("nan")), REFUSED),
    "infinity": (with_last(np.inf), REFUSED),
    "an extended number beyond the doubles": (with_last(np.longdouble("1e4000")), REFUSED),
    "masked, nothing": (lambda _, v: np.ma.array(v), NUMBERS),
    "masked, no entry": (lambda _, v: np.ma.array(v, mask=[False] * len(v)), NUMBERS),
    "masked, one entry": (behind, REFUSED),
    "masked, all": (lambda _, v: np.ma.array(v, mask=True), REFUSED),
    "a list with a boolean": (with_last(True), REFUSED),
    "a list with one of NumPy's": (with_last(np.True_), REFUSED),
    "a tuple with a boolean": (lambda _, v: (*v[:-1], True), REFUSED),
    "nested, with a boolean": (lambda _, v: [*([x] for x in v[:-1]), [False]], REFUSED),
    "a list of arrays, one of booleans": (
        lambda _, v: [*(np.array([x]) for x in v[:-1]), np.array([True])],
        REFUSED,
    ),
    "a list with the masked constant": (with_last(np.ma.masked), REFUSED),
    "a list of masked arrays": (lambda _, v: [behind(_, v), behind(_, v)], REFUSED),
    "a tuple of masked arrays": (lambda _, v: (np.ma.array(v), behind(_, v)), REFUSED),
    "matrix": (lambda _, v: np.asmatrix(v).T, "column"),
    "subclass": (lambda _, v: np.array(v).view(Subclass), NUMBERS),
    "memory": (lambda _, v: np.frombuffer(np.array(v).tobytes()), NUMBERS),
    "every other": (lambda _, v: np.repeat(v, 2)[::2], NUMBERS),
    "backwards": (lambda _, v: np.array(v[::-1])[::-1], NUMBERS),
    "Fortran's order": (lambda _, v: np.asfortranarray(np.array(v)[:, None]), "column"),
    "read-only": (lambda _, v: hc.core.value.read_only(np.array(v)), NUMBERS),
    "repeated without memory": (lambda _, v: np.broadcast_to(np.float64(0.5), (len(v),)), [0.5, 0.5]),
    "odd addresses": (lambda _, v: np.frombuffer(b"x" + np.array(v).tobytes(), "f8", offset=1), NUMBERS),
    "windows": (lambda _, v: np.lib.stride_tricks.sliding_window_view(v, 1), "column"),
    "no axes": (lambda _, v: np.array(0.25), REFUSED),
    "empty": (lambda _, v: np.array([]), REFUSED),
    "rows of nothing": (lambda _, v: np.zeros((len(v), 0)), REFUSED),
    "flat iterator": (lambda _, v: np.array(v).flat, NUMBERS),
    "__array__": (lambda _, v: WithArray(v), NUMBERS),
    "__array__ that fails": (lambda _, v: FailingArray(), REFUSED),
    "__array_interface__": (lambda _, v: WithInterface(v), NUMBERS),
    "__dlpack__": (lambda _, v: Exchanged(v), NUMBERS),
    "__dlpack__ of another device": (lambda _, v: Exchanged(v, device=(2, 0)), REFUSED),
    "list": (lambda _, v: list(v), NUMBERS),
    "tuple": (lambda _, v: tuple(v), NUMBERS),
    "nested": (lambda _, v: [[x] for x in v], "column"),
    "ragged": (lambda _, v: [[0.25], [0.75, 1.0]], REFUSED),
    "nested 100 deep": (lambda _, v: deep(100), REFUSED),
    "a list in itself": (lambda _, v: itself(), REFUSED),
    "NumPy's numbers": (lambda _, v: [np.float32(x) for x in v], NUMBERS),
    "decimals": (lambda _, v: [Decimal(x) for x in v], NUMBERS),
    "a decimal NaN that signals": (with_last(Decimal("snan")), REFUSED),
    "fractions": (lambda _, v: [Fraction(x) for x in v], NUMBERS),
    "complex": (with_last(0.75 + 0j), REFUSED),
    "None in it": (with_last(None), REFUSED),
    "text in it": (with_last("0.75"), REFUSED),
    "an integer beyond the doubles": (with_last(10**400), REFUSED),
    "objects with __float__": (lambda _, v: [Number(x) for x in v], REFUSED),
    "range": (lambda _, v: range(len(v)), WHOLE),
    "deque": (lambda _, v: collections.deque(v), NUMBERS),
    "named tuple": (lambda _, v: collections.namedtuple("P", [f"x{i}" for i in range(len(v))])(*v), NUMBERS),
    "sequence": (lambda _, v: Sequence(v), NUMBERS),
    "generator": (lambda _, v: (x for x in v), REFUSED),
    "iterator": (lambda _, v: iter(v), REFUSED),
    "map": (lambda _, v: map(float, v), REFUSED),
    "set": (lambda _, v: set(v), REFUSED),
    "dictionary": (lambda _, v: dict(enumerate(v)), REFUSED),
    "its values": (lambda _, v: dict(enumerate(v)).values(), REFUSED),
    "a word": (lambda _, v: np.str_("0.25"), REFUSED),
    "bytes": (lambda _, v: b"ab", REFUSED),
    "view of memory": (lambda _, v: memoryview(np.array(v)), NUMBERS),
    "array.array": (lambda _, v: array.array("d", v), NUMBERS),
    "array.array of letters": (lambda _, v: array.array("u", "ab"), REFUSED),
    "ctypes": (lambda _, v: (ctypes.c_double * len(v))(*v), NUMBERS),
    "None": (lambda _, v: None, REFUSED),
    "object": (lambda _, v: object(), REFUSED),
    "class": (lambda _, v: int, REFUSED),
    "unshowable": (lambda _, v: Unshowable(), REFUSED),
    "a law": (lambda _, v: hc.presets.load("grid_2d"), REFUSED),
    "file": (lambda _, v: io.BytesIO(b"ab"), REFUSED),
    **{
        f"torch:{t}": (lambda torch, v, t=t: torch.tensor(v).to(getattr(torch, t)), NUMBERS)
        for t in ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
    },
    **{
        f"torch:{t}": (lambda torch, v, t=t: torch.tensor(v).to(getattr(torch, t)), WHOLE)
        for t in ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
    },
    **{
        f"torch:{t}": (lambda torch, v, t=t: torch.tensor(v).to(getattr(torch, t)), REFUSED)
        for t in ["bool", "complex32", "complex64", "complex128"]
    },
    "torch:with gradients": (lambda torch, v: torch.tensor(v, requires_grad=True), NUMBERS),
    "torch:parameter": (lambda torch, v: torch.nn.Parameter(torch.tensor(v)), NUMBERS),
    "torch:negative view": (lambda torch, v: torch._neg_view(-torch.tensor(v)), NUMBERS),
    "torch:conjugate view": (lambda torch, v: torch.tensor([1j, *v]).conj()[1:], REFUSED),
    "torch:part of a conjugate": (lambda torch, v: (-1j * torch.tensor(v)).conj().imag, NUMBERS),
    "torch:repeated": (lambda torch, v: torch.tensor(0.5).expand(len(v)), [0.5, 0.5]),
    "torch:no axes": (lambda torch, v: torch.tensor(0.25), REFUSED),
    "torch:empty": (lambda torch, v: torch.tensor([]), REFUSED),
    "torch:sparse": (lambda torch, v: torch.tensor(v).to_sparse(), REFUSED),
    "torch:meta": (lambda torch, v: torch.empty(len(v), device="meta"), REFUSED),
    "torch:list": (lambda torch, v: [torch.tensor(x) for x in v], NUMBERS),
    "torch:list with gradients": (lambda torch, v: [torch.tensor(x, requires_grad=True) for x in v], REFUSED),
    "pandas:Series": (lambda pd, v: pd.Series(v), NUMBERS),
    "pandas:Index": (lambda pd, v: pd.Index(v), NUMBERS),
    "pandas:column": (lambda pd, v: pd.DataFrame({"a": v}), "column"),
    "pandas:column under two names": (lambda pd, v: pd.DataFrame({("a", "b"): v}), "column"),
    "pandas:Float64": (lambda pd, v: pd.Series(v, dtype="Float64"), NUMBERS),
    "pandas:Int64": (lambda pd, v: pd.Series(v, dtype="Int64"), WHOLE),
    "pandas:Int64, NA": (lambda pd, v: pd.Series([0, *[None] * (len(v) - 1)], dtype="Int64"), REFUSED),
    "pandas:Float64, NA": (lambda pd, v: pd.Series([*v[:-1], None], dtype="Float64"), REFUSED),
    "pandas:boolean, NA": (lambda pd, v: pd.Series([None] * len(v), dtype="boolean"), REFUSED),
    "pandas:a list with NA": (lambda pd, v: [*v[:-1], pd.NA], REFUSED),
    "pandas:sparse": (lambda pd, v: pd.Series(pd.arrays.SparseArray(v)), NUMBERS),
    "pandas:categories of numbers": (lambda pd, v: pd.Series(v, dtype="category"), NUMBERS),
    "pandas:categories of words": (lambda pd, v: pd.Series(["a"] * len(v), dtype="category"), REFUSED),
    "pandas:words": (lambda pd, v: pd.Series(["0.25"] * len(v)), REFUSED),
    "pandas:dates": (lambda pd, v: pd.Series(pd.date_range("2020", periods=len(v))), REFUSED),
    "pandas:dates with a zone": (
        lambda pd, v: pd.Series(pd.date_range("2020", periods=len(v), tz="UTC")),
        REFUSED,
    ),
    "pandas:durations": (lambda pd, v: pd.Series(pd.to_timedelta(v, "s")), REFUSED),
    "pandas:periods": (lambda pd, v: pd.Series(pd.period_range("2020", periods=len(v), freq="D")), REFUSED),
    "pandas:several levels": (lambda pd, v: pd.MultiIndex.from_tuples([(0, 1)] * len(v)), REFUSED),
    "pandas:numbers and words": (lambda pd, v: pd.DataFrame({"a": v, "b": ["x"] * len(v)}), REFUSED),
    "pandas:empty": (lambda pd, v: pd.DataFrame(), REFUSED),
    "xarray:DataArray": (lambda xr, v: xr.DataArray(v), NUMBERS),
    "xarray:Dataset": (lambda xr, v: xr.Dataset({"a": ("x", v)}), REFUSED),
    "dask.array:chunks": (lambda da, v: da.from_array(np.array(v), chunks=1), NUMBERS),
    "dask.array:unknown lengths": (
        lambda da, v: (lambda x: x[x > 0.0])(da.from_array(np.array(v), chunks=1)),
        NUMBERS,
    ),
    "dask.array:masked": (lambda da, v: da.ma.masked_greater(da.from_array(np.array(v)), 0.5), REFUSED),
    "dask.array:fails": (lambda da, v: da.from_array(np.array(v)).map_blocks(failing, dtype="f8"), REFUSED),
    "scipy.sparse:matrix": (lambda sparse, v: sparse.csr_matrix(np.array(v)[:, None]), REFUSED),
    "scipy.sparse:vector": (lambda sparse, v: sparse.coo_array(np.array(v)), REFUSED),
    "mpmath:numbers": (lambda mpmath, v: [mpmath.mpf(x) for x in v], NUMBERS),
    "mpmath:complex": (lambda mpmath, v: [mpmath.mpc(x) for x in v], REFUSED),
    "polars:series": (lambda pl, v: pl.Series(v), NUMBERS),
    "polars:a missing value": (lambda pl, v: pl.Series([*v[:-1], None]), REFUSED),
    "polars:not computed yet": (lambda pl, v: pl.LazyFrame({"a": v}), REFUSED),
    "pyarrow:array": (lambda pa, v: pa.array(v), NUMBERS),
    "pyarrow:a missing value": (lambda pa, v: pa.array([*v[:-1], None]), REFUSED),
    "array_api_strict:array": (lambda xp, v: xp.asarray(v), NUMBERS),
    "ml_dtypes:bfloat16": (lambda ml, v: np.array(v, ml.bfloat16), NUMBERS),
    "jax.numpy:bfloat16": (lambda jnp, v: jnp.asarray(v, jnp.bfloat16), NUMBERS),
}
LIBRARIES = (
    "torch pandas xarray dask.array scipy.sparse mpmath polars pyarrow array_api_strict ml_dtypes jax.numpy"
)


class Share(float, enum.Enum):
    QUARTER = 0.25


SINGLE: dict[str, tuple[Callable[[types.ModuleType], object], object]] = {
    **{f"NumPy {t}": (lambda _, t=t: np.dtype(t).type(0.25), 0.25) for t in ["f2", "f4", "f8", "longdouble"]},
    **{f"NumPy {t}": (lambda _, t=t: np.dtype(t).type(1), 1.0) for t in ["i1", "i8", "u8"]},
    **{
        f"NumPy {t}": (lambda _, t=t: np.dtype(t).type(1), REFUSED)
        for t in ["?", "c8", "c16", "m8", "U", "S"]
    },
    "no axes": (lambda _: np.array(0.25), 0.25),
    "no axes, byte order": (lambda _: np.array(0.25, ">f8"), 0.25),
    "no axes, object": (lambda _: np.array(0.25, object), 0.25),
    "no axes, boolean": (lambda _: np.array(True), REFUSED),
    "no axes, boolean object": (lambda _: np.array(True, object), REFUSED),
    "no axes, text": (lambda _: np.array("0.25"), REFUSED),
    "no axes, bytes": (lambda _: np.array(b"0.25"), REFUSED),
    "no axes, text object": (lambda _: np.array("0.25", object), REFUSED),
    "no axes, complex": (lambda _: np.array(0.25 + 0j), REFUSED),
    "no axes, masked": (lambda _: np.ma.array(0.25, mask=True), REFUSED),
    "no axes, not masked": (lambda _: np.ma.array(0.25), 0.25),
    "one entry": (lambda _: np.array([0.25]), REFUSED),
    "matrix": (lambda _: np.asmatrix(0.25), REFUSED),
    "masked": (lambda _: np.ma.masked, REFUSED),
    "list": (lambda _: [0.25], REFUSED),
    "int": (lambda _: 1, 1.0),
    "enumeration": (lambda _: Share.QUARTER, 0.25),
    "True": (lambda _: True, REFUSED),
    "None": (lambda _: None, REFUSED),
    "complex": (lambda _: 0.25 + 0j, REFUSED),
    "text": (lambda _: "0.25", REFUSED),
    "bytes": (lambda _: b"0.25", REFUSED),
    "bytearray": (lambda _: bytearray(b"0.25"), REFUSED),
    "view of text": (lambda _: memoryview(b"0.25"), REFUSED),
    "mapped text": (lambda _: mmap.mmap(-1, 4), REFUSED),
    "Decimal": (lambda _: Decimal("0.25"), 0.25),
    "Decimal NaN": (lambda _: Decimal("nan"), REFUSED),
    "Decimal NaN that signals": (lambda _: Decimal("snan"), REFUSED),
    "Fraction": (lambda _: Fraction(1, 4), 0.25),
    "a fraction beyond the doubles": (lambda _: Fraction(10**400), REFUSED),
    "an integer beyond the doubles": (lambda _: 10**400, REFUSED),
    "an integer too long to show": (lambda _: -(10**5000), REFUSED),
    "extended, beyond the doubles": (lambda _: np.longdouble("1e4000"), REFUSED),
    "__float__": (lambda _: Number(0.25), 0.25),
    "__float__ that fails": (lambda _: Number(RuntimeError("no\nnumber")), REFUSED),
    "__float__ of text": (lambda _: Number("0.25"), REFUSED),
    "__index__": (lambda _: Index(), 1.0),
    "unshowable": (lambda _: Unshowable(), REFUSED),
    "estimate": (lambda _: hc.Estimate(0.25, 0.1), 0.25),
    "torch:float32": (lambda torch: torch.tensor(0.25), 0.25),
    "torch:bfloat16": (lambda torch: torch.tensor(0.25, dtype=torch.bfloat16), 0.25),
    "torch:with gradients": (lambda torch: torch.tensor(0.25, requires_grad=True), 0.25),
    "torch:bool": (lambda torch: torch.tensor(True), REFUSED),
    "torch:complex64": (lambda torch: torch.tensor(0.25 + 0j), REFUSED),
    "torch:complex32": (lambda torch: torch.tensor(0.25 + 0j).to(torch.complex32), REFUSED),
    "torch:meta": (lambda torch: torch.empty((), device="meta"), REFUSED),
    "torch:one entry": (lambda torch: torch.tensor([0.25]), REFUSED),
    "pandas:NA": (lambda pd: pd.NA, REFUSED),
    "pandas:Series": (lambda pd: pd.Series([0.25]), REFUSED),
    "pandas:Timedelta": (lambda pd: pd.Timedelta(1), REFUSED),
    "xarray:no axes": (lambda xr: xr.DataArray(0.25), 0.25),
    "xarray:boolean": (lambda xr: xr.DataArray(True), REFUSED),
    "dask.array:no axes": (lambda da: da.from_array(np.array(0.25)), 0.25),
    "mpmath:number": (lambda mpmath: mpmath.mpf("0.25"), 0.25),
    "mpmath:complex": (lambda mpmath: mpmath.mpc("0.25"), REFUSED),
}


def failing(block):
    raise ZeroDivisionError("in a\nblock")


def library(name: str) -> types.ModuleType | None:
    word, colon, _ = name.partition(":")
    return pytest.importorskip(word) if colon and word in LIBRARIES.split() else None


def answer(call: Callable[[], object]) -> object:
    """What a call returns, or REFUSED after one sentence; warnings and other exceptions fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return call()
        except hc.InputError as error:
            text = str(error)
            assert text.endswith(".") and "\n" not in text and " must " in text and ", got " in text, text
            return REFUSED


def made(make: Callable[..., object], *arguments: object) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated, and still handed over
        return make(*arguments)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    make, expected = ARRAYS[name]
    module = library(name)
    start = WHOLE if expected is WHOLE else NUMBERS
    numbers = NUMBERS if expected == "column" else expected
    for means in (False, True):
        if means or expected != "column":
            value = made(make, module, start)
            law = answer(
                lambda value=value, means=means: hc.GaussianMixture(
                    [0.5, 0.5] if means else value, value if means else [0.0, 1.0], 1.0
                )
            )
            result = (law.means[:, 0] if means else law.weights).tolist() if law is not REFUSED else law
            assert result == numbers or (result is REFUSED and sum(numbers) != 1.0), means
    law = answer(lambda: hc.EmpiricalLaw(made(make, module, start), scale=1.0))
    if numbers is REFUSED:
        assert law is REFUSED
    else:
        assert law.samples.tolist() == [[x] for x in numbers]

    many = [start[0], *start] * 12
    measured = answer(lambda: hc.measure(made(make, module, many), [made(make, module, many[1:])], scale=1.0))
    if numbers is REFUSED or len(set(numbers)) == 1:  # or data without spread
        assert measured is REFUSED
    else:
        plain = list(map(float, range(36) if name == "range" else [numbers[0], *numbers] * 12))
        generation = plain[:-1] if name == "range" else plain[1:]
        assert np.array_equal(
            measured.values, hc.measure(plain, [generation], scale=1.0).values, equal_nan=True
        )


@pytest.mark.parametrize("name", SINGLE)
def test_single_numbers(name):
    make, expected = SINGLE[name]
    value = made(make, library(name))
    result = answer(lambda: hc.attenuation(1, fresh_fraction=value, truncation_time=0.1))
    if expected is REFUSED:
        assert result is REFUSED
    else:
        assert result == hc.attenuation(1, fresh_fraction=expected, truncation_time=0.1)


@pytest.mark.parametrize("name", SINGLE)
def test_seeds(name):
    value = made(SINGLE[name][0], library(name))
    drawn = answer(lambda: hc.presets.load("grid_2d").sample(3, rng=value))
    if name in ("int", "__index__", "NumPy i1", "NumPy i8", "NumPy u8"):
        assert np.array_equal(drawn, hc.presets.load("grid_2d").sample(3, rng=1))
    elif name not in ("None", "an integer beyond the doubles"):  # the first is a seed of the system
        assert drawn is REFUSED


def test_seeds_of_several_numbers_are_those_of_numpy():
    law = hc.presets.load("grid_2d")
    for seed in ([1, 2**100], np.array([3, 4], np.uint32), (5,)):
        assert np.array_equal(law.sample(3, rng=seed), law.sample(3, rng=np.random.default_rng(seed)))


def test_how_many_kinds_there_are():
    assert len(ARRAYS) >= 90 and len(SINGLE) >= 40
