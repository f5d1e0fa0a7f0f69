"""Measured curves: their joint covariance against histories sampled by hand, parts of them, and the file."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.measuring.clipping import Clipping
from hermite_collapse.diagnosis.measuring.measured import FORMAT, Measured
from hermite_collapse.diagnosis.measuring.moments import Moments
from hermite_collapse.recursion.sampling_error import carried_covariances


def made(*, rounds=(1, 2, 3), kinds=("variance", "factor"), seed=0, **changes) -> Measured:
    rng = np.random.default_rng(seed)
    r, c = len(rounds), len(kinds)
    roots = rng.normal(size=(r, c, c))
    fields = {
        "names": tuple(f"{kind} {i}" for i, kind in enumerate(kinds)),
        "kinds": kinds,
        "numbers": np.arange(1.0, c + 1),
        "rounds": np.array(rounds),
        "labels": tuple(f"gen_{i}" for i in rounds),
        "values": 1.0 + rng.random((r, c)),
        "noise": roots @ roots.swapaxes(1, 2),
        "samples": np.full(r, 50),
        "data": np.ones(c),
        "data_covariance": np.zeros((c, c)),
        "data_scatter": np.eye(c),
        "data_samples": 100,
        "units": "numbers as they are",
        "clipping": Clipping(np.array([-1.0, np.nan]), np.zeros((r + 1, 2)), np.zeros((r, c))),
        "notes": ("one", "two"),
    }
    return Measured(**(fields | changes))


def test_particles_passed_on_are_carried_as_in_the_theory():
    measured = made()
    rate = np.array([0.5, 0.7])
    carried = carried_covariances(
        list(measured.noise), mixing=[np.eye(i + 1)[i] for i in range(2)], actions=[np.diag(rate)] * 2
    )
    np.testing.assert_allclose(
        measured.covariance(rate), carried.transpose(0, 2, 1, 3).reshape(6, 6), rtol=1e-13
    )


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("training", [40, 120])
@pytest.mark.parametrize("rounds", [(2, 4), (1, 3)])
def test_the_covariance_is_that_of_many_histories(training, rounds, apart):
    """Means through training sets of T, fresh ones drawn anew; 40 of each generation are measured in some rounds."""
    rng = np.random.default_rng(training + rounds[0])
    trials, count, share, scale, spread = 20_000, 40, 0.7, 0.9, 1.5
    old = round(share * training)
    law = scale * spread * rng.standard_normal(trials) / np.sqrt(training)
    curves = []
    for i in range(1, 5):
        part = rng.standard_normal((trials, min(count, old))).mean(axis=1)  # measured and trained on
        only_measured = rng.standard_normal((trials, max(count - old, 1))).mean(axis=1)
        only_trained = rng.standard_normal((trials, max(old - count, 1))).mean(axis=1)
        if i in rounds:
            both = min(count, old)
            measured = (both * part + (count - both) * only_measured) / count
            if apart:
                measured = rng.standard_normal((trials, count)).mean(axis=1)
            curves.append(law + measured)
        drawn = (min(count, old) * part + max(old - count, 0) * only_trained) / old
        fresh = spread * rng.standard_normal(trials) / np.sqrt(training - old)
        law = scale * (share * (law + drawn) + (1 - share) * fresh)
    expected = np.cov(np.array(curves))
    own = made(
        rounds=rounds,
        kinds=("factor",),
        noise=np.full((2, 1, 1), 1.0 / count),
        samples=np.full(2, count),
        training_samples=training,
        apart=apart,
        data_scatter=np.full((1, 1), spread**2),
    )
    predicted = own.covariance(share * scale, slope=scale)
    error = np.sqrt((predicted**2 + np.outer(*[np.diagonal(predicted)] * 2)) / trials)
    assert np.all(np.abs(expected - predicted) < 4 * error)
    for wrong in (
        own.covariance(share * scale),
        own.covariance(0.0, slope=scale),
        own.replace(training_samples=2 * training).covariance(share * scale, slope=scale),
        own.replace(training_samples=None).covariance(share * scale),
        own.replace(apart=not apart).covariance(share * scale, slope=scale),
    ):
        assert np.any(np.abs(expected - wrong) > 4 * error)


def test_samples_passed_on_begin_with_those_of_the_data():
    """Where the data are unseen, the first round inherits the error of as many of them as were measured."""
    own = made(kinds=("factor",), noise=np.full((3, 1, 1), 0.02), data_covariance=np.full((1, 1), 0.01))
    joint = own.covariance(0.5)
    first = 0.5**2 * 0.01 * 100 / 50
    assert joint[0, 0] == pytest.approx(first + 0.02) and joint[1, 0] == pytest.approx(0.5 * joint[0, 0])


@pytest.mark.parametrize("training", [40, None])
def test_noise_goes_with_the_square_of_the_law_and_not_of_its_mean(training):
    """Variances of rounds in which each sample passes on the value that its law really has, over many histories."""
    rng = np.random.default_rng(0)
    trials, count, share, scale, rounds = 200_000, 30, 0.7, 0.95, 4
    drawn = lambda number: rng.chisquare(number, trials) / number  # noqa: E731
    number = count if training is None else round(share * training)
    law = scale * drawn(training) if training else np.full(trials, scale)
    curves = []
    for _ in range(rounds):
        # Measured samples are those that train, or 2 of 30 do not.
        passed, apart = drawn(min(number, count)), drawn(max(count - number, 1))
        curves.append(law * (min(number, count) * passed + max(count - number, 0) * apart) / count)
        fresh = drawn(training - number) if training else 1.0
        law = scale * (share * law * passed + (1.0 - share) * fresh)
    joint, means = np.cov(curves), np.mean(curves, axis=1)
    own = made(
        rounds=tuple(range(1, rounds + 1)),
        kinds=("variance",),
        values=means[:, None],
        noise=2.0 / count * np.square(means)[:, None, None],
        samples=np.full(rounds, count),
        training_samples=training,
        data_scatter=np.full((1, 1), 2.0),
    )
    predicted = own.covariance(share * scale, means[:, None], slope=scale)
    error = np.sqrt((predicted**2 + np.outer(*[np.diagonal(predicted)] * 2)) / trials)
    assert np.all(np.abs(joint - predicted) < 4 * error)
    assert np.max(np.abs(joint - own.covariance(share * scale, slope=scale)) / error) > 10


def test_contraction_may_change_from_round_to_round():
    measured = made(rounds=(1, 3))
    steps = np.array([[0.9, 0.9], [0.5, 0.6], [0.2, 0.3]])
    joint = measured.covariance(steps).reshape(2, 2, 2, 2)
    np.testing.assert_allclose(joint[1, :, 0], (steps[1] * steps[2])[:, None] * measured.noise[0])
    assert np.all(np.linalg.eigvalsh(measured.covariance(steps)) > 0)
    with pytest.raises(
        InputError, match=r"contraction must be a number, \(2,\) or \(3, 2\), got shape \(2, 2\)"
    ):
        measured.covariance(steps[:2])


def test_noise_of_variances_goes_with_the_value_and_that_of_factors_does_not():
    measured = made()
    doubled = measured.covariance(0.0, 2.0 * measured.values).reshape(3, 2, 3, 2)
    for i in range(3):
        np.testing.assert_allclose(doubled[i, :, i], measured.noise[i] * [[4.0, 2.0], [2.0, 1.0]])
    with pytest.raises(InputError, match=r"values must have shape \(3, 2\)"):
        measured.covariance(0.0, np.ones(2))


def test_a_part_has_the_covariance_of_its_curves():
    measured = made(kinds=("variance", "factor", "variance", "power"))
    moments = Moments(np.arange(3.0), np.diag([3.0, 2.0, 1.0]))
    assert measured.replace(moments=moments).only(np.array([1, 2])).moments == moments.leading(np.array([1]))
    part = measured.part("variance")
    assert part.names == ("variance 0", "variance 2") and not part.clipping.is_biased
    index = np.array([0, 2, 4, 6, 8, 10])
    np.testing.assert_array_equal(part.covariance(0.4), measured.covariance(0.4)[np.ix_(index, index)])
    with pytest.raises(InputError, match="did you mean 'factor'"):
        measured.part("factors")
    with pytest.raises(InputError, match="kinds must name curves that were measured, got power"):
        part.part("power")


@pytest.mark.parametrize("sheet", [None, np.arange(4 * 2 * 3 * 3, dtype=np.uint8).reshape(4, 2, 3, 3)])
def test_what_is_saved_is_loaded(tmp_path, sheet):
    moments = None if sheet is None else Moments(np.arange(3.0), np.diag([3.0, 2.0, 1.0]), 40)
    trained = {} if sheet is None else {"training_samples": 70, "apart": True}
    measured = made(sheet=sheet, moments=moments, **trained)
    measured.save(tmp_path / "m.nc")
    assert Measured.load(tmp_path / "m.nc") == measured == Measured.load(tmp_path)
    dataset = measured.to_dataset()
    assert dataset["value"].sel(curve="factor 1").shape == (3,)


def test_other_files_are_refused_in_one_sentence(tmp_path):
    import xarray

    with pytest.raises(InputError, match=r"path \(.*none.nc\) must name an existing file"):
        Measured.load(tmp_path / "none.nc")
    with pytest.raises(
        InputError, match="path must be a folder that measure wrote, with one .nc file, got .* with 0"
    ):
        Measured.load(tmp_path)
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(InputError, match="must be a readable .nc file"):
        Measured.load(tmp_path / "text.nc")
    xarray.Dataset({"kind": ("x", np.ones(3))}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"must hold the variable kind by \(curve\), got \(x\)"):
        Measured.load(tmp_path / "other.nc")
    dataset = made().to_dataset().assign_attrs(format=7)
    dataset.to_netcdf(tmp_path / "newer.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=f"format {FORMAT}, got format 7"):
        Measured.load(tmp_path / "newer.nc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ()}, "names and labels must name at least one curve"),
        ({"names": "ab"}, "names must be a sequence"),
        ({"kinds": ("variance", "power ")}, "did you mean 'power'"),
        ({"values": np.ones((2, 2))}, r"values must have shape \(3, 2\), got \(2, 2\)"),
        ({"noise": np.full((3, 2, 2), np.nan)}, "noise must be finite"),
        ({"rounds": np.array([1, 3, 3])}, r"rounds must increase from 0 or more, got \[1, 3, 3\]"),
        ({"rounds": np.array([-1, 0, 1])}, "rounds must increase from 0"),
        ({"samples": np.array([1, 0, 1])}, "samples must be at least 1, got 0"),
        ({"data_samples": 0}, "data_samples must be an integer >= 1"),
        ({"training_samples": 1}, "training_samples must be an integer >= 2"),
        ({"clipping": None}, "clipping must be a Clipping, got None"),
        ({"moments": np.eye(2)}, "moments must be a Moments"),
        (
            {"kinds": ("variance",) * 2, "moments": Moments(np.zeros(1), np.eye(1))},
            "moments must have an axis for each of 2 directions, got 1",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        made(**change)


def test_a_damaged_file_is_one_sentence(tmp_path):
    """Bytes lost or changed anywhere: the file as it was, or an InputError."""
    measured = made()
    measured.save(tmp_path / "m.nc")
    whole = (tmp_path / "m.nc").read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(150):
        data = bytearray(whole)
        if trial % 3 == 0:
            del data[rng.integers(len(data)) :]
        else:
            data[rng.integers(len(data))] = rng.integers(256)
        (tmp_path / "m.nc").write_bytes(bytes(data))
        try:
            Measured.load(tmp_path / "m.nc")
        except InputError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
