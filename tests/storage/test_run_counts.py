"""Of how many runs values are means: said by columns and names, asked where it may be something else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

VALUES = (1.0, 0.9, 0.83, 0.79)
STATED = 0.1


class Answer(NamedTuple):
    """Numbers of runs, None where nobody says, and by how many times the root of their number errors are smaller."""

    runs: float | None
    scatter_of: float = 1.0
    note: str = ""


def table(header, *beside):
    """Return a table of one column of values; `beside` holds what stands in further columns, the same or by row."""
    columns = [cells if isinstance(cells, tuple) else [cells] * len(VALUES) for cells in beside]
    return "\n".join(
        [header, *(";".join(map(str, (i, x, *(c[i] for c in columns)))) for i, x in enumerate(VALUES))]
    )


TAKEN, LEFT = "was taken for numbers of runs: say --columns '", "was left out: it counts samples"
READ = {
    # columns whose names say runs
    ("round;fid;std;seeds", STATED, 4): Answer(4, 4),
    ("round;fid;sem;seeds", STATED, 4): Answer(4),
    ("round;fid;error;n_seeds", STATED, 500): Answer(500),
    ("round;fid;std;num_seeds", STATED, 500): Answer(500, 500),
    ("round;fid;std;# runs", STATED, 9): Answer(9, 9),
    ("round;fid;std;no. of runs", STATED, 9): Answer(9, 9),
    ("round;fid;std;seed count", STATED, 9): Answer(9, 9),
    ("round;fid;std;n_trials", STATED, 9): Answer(9, 9),
    ("round;fid;std;Replicates", STATED, 9): Answer(9, 9),
    ("round;fid;std;repeats", STATED, 9): Answer(9, 9),
    ("round;fid;std;Wiederholungen", STATED, 9): Answer(9, 9),
    ("round;fid;std;fid_runs", STATED, 9): Answer(9, 9),
    # few of something, about as many in all rows
    ("round;fid;std;n", STATED, 4): Answer(4, 4, TAKEN),
    ("round;fid;sem;N", STATED, 30): Answer(30, 1, TAKEN),
    ("round;fid;error;n", STATED, 4): Answer(4, 1, TAKEN),
    ("round;fid;std (n=4);n", STATED, 4): Answer(4, 4, TAKEN),
    ("round;mean;sem;count", STATED, 5): Answer(5, 1, TAKEN),
    ("round;fid_mean;fid_sem;fid_count", STATED, 5): Answer(5, 1, TAKEN),
    ("round;fid;std;Anzahl", STATED, 9): Answer(9, 9, TAKEN),
    # columns whose names say samples, or that count what runs beside them do not
    ("round;fid;std;n_samples", STATED, 5): Answer(None, 1, LEFT),
    ("round;fid;std;num_images", STATED, 500): Answer(None, 1, LEFT),
    ("round;fid;std;Images", STATED, 50_000): Answer(None, 1, LEFT),
    ("round;fid;std;number of generated images", STATED, 500): Answer(None, 1, LEFT),
    ("round;fid;std;fid_samples", STATED, 500): Answer(None, 1, LEFT),
    ("round;fid;std;batch size", STATED, 64): Answer(None, 1, LEFT),
    ("round;fid;std;n;seeds", STATED, 500, 4): Answer(4, 4, LEFT),
    # names of values, beside errors that say nothing
    ("round;fid (n=4);std", STATED): Answer(4, 4),
    ("round;variance (n=4);sem", STATED): Answer(4),
    ("round;variance (n=4);error", STATED): Answer(4),
    ("round;variance (N = 4);std", STATED): Answer(4, 4),
    ("round;variance (4 seeds);std", STATED): Answer(4, 4),
    ("round;variance (4 runs);error", STATED): Answer(4),
    ("round;variance (mean of 4);std", STATED): Answer(4, 4),
    ("round;variance (avg over 4 seeds);std", STATED): Answer(4, 4),
    ("round;variance (average of four independent runs);std", STATED): Answer(4, 4),
    ("round;variance (4-seed mean);std", STATED): Answer(4, 4),
    ("round;variance (100 runs);std", STATED): Answer(100, 100),
    ("round;variance (n=1000, 4 seeds);std", STATED): Answer(4, 4),
    ("round;FID (50k, 4 seeds);std", STATED): Answer(4, 4),
    ("round;variance (n=4);std (n=4)", STATED): Answer(4, 4),
    ("round;FID (n=4)",): Answer(4),
    ("round;degree 2 (n=2);std", STATED): Answer(None),  # the degree
    ("round;degree 2 (n=4);std", STATED): Answer(4, 4),
    ("round;degree 2 (2 runs);std", STATED): Answer(2, 2),
    ("round;variance (1 seed);std", STATED): Answer(1),
    ("round;variance (n=5000);std", STATED): Answer(None),
    ("round;variance (n=100);sem", STATED): Answer(None),
    ("round;variance (100 samples);std", STATED): Answer(None),
    # names of errors
    ("round;fid;sem (4 seeds)", STATED): Answer(4),
    ("round;fid;sem (mean of 4)", STATED): Answer(4),
    ("round;fid;error (avg over 4 seeds)", STATED): Answer(4),
    ("round;fid;std (over 4 runs)", STATED): Answer(4, 4),
    ("round;fid;std (N = 4)", STATED): Answer(4, 4),
    ("round;fid;error (std over 4 seeds)", STATED): Answer(4, 4),
    ("round;fid;std (n=100)", STATED): Answer(None, 100),  # the root of their number, whatever they are
    ("round;FID (mean over 4 seeds);FID (std over 4 seeds)", STATED): Answer(4, 4),
    ("round;FID (mean of 4);FID (sem of 4)", STATED): Answer(4),
}


@pytest.mark.parametrize("case", READ, ids=lambda case: " ".join(map(str, case)))
def test_numbers_of_runs(tmp_path, case):
    (tmp_path / "c.csv").write_text(table(*case))
    curve, answer = read_curve(tmp_path / "c.csv"), READ[case]
    assert np.array_equal(curve.values[:, 0], VALUES)
    if answer.runs is None:
        assert curve.runs is None
    else:
        assert np.array_equal(curve.runs, np.full((len(VALUES), 1), answer.runs))
    if len(case) > 1:
        np.testing.assert_allclose(curve.standard_errors, STATED / answer.scatter_of**0.5, rtol=1e-12)
    assert answer.note in " ".join(curve.notes) and len(curve.notes) == bool(answer.note)


LONG = "round;metric;value;std\n0;FID (4 seeds);1;.1\n0;KID (9 seeds);2;.3\n1;FID (4 seeds);2;.1\n1;KID (9 seeds);3;.3"
IN_CELLS = "round;FID (mean ± std over 4 seeds)\n0;1 ± .1\n1;2 ± .1"


def test_numbers_of_runs_by_curve_by_row_and_in_cells(tmp_path):
    (tmp_path / "c.csv").write_text(LONG)
    curve = read_curve(tmp_path / "c.csv")
    assert curve.runs.tolist() == [[4, 9], [4, 9]]
    np.testing.assert_allclose(curve.standard_errors, [[0.05, 0.1]] * 2)
    (tmp_path / "c.csv").write_text(table("round;fid;std;n", STATED, (5, 5, 4, 4)))
    curve = read_curve(tmp_path / "c.csv")
    np.testing.assert_allclose(curve.standard_errors[:, 0], STATED / np.sqrt([5, 5, 4, 4]))
    (tmp_path / "c.csv").write_text(IN_CELLS)
    np.testing.assert_allclose(read_curve(tmp_path / "c.csv").standard_errors, 0.05)
    (tmp_path / "c.csv").write_text(table("round;variance 1 (n=4);std 1;variance 2 (n=9);std 2", 0.1, 2, 0.3))
    curve = read_curve(tmp_path / "c.csv")
    assert curve.runs[0].tolist() == [4, 9] and curve.columns["variance 2 (n=9)"] == "variance, 9 runs"
    np.testing.assert_allclose(curve.standard_errors, [[0.05, 0.1]] * 4)
    (tmp_path / "c.csv").write_text("round;seed;fid;n\n0;1;1;500\n0;2;1.1;500\n1;1;2;500\n1;2;2.2;500")
    assert np.all(read_curve(tmp_path / "c.csv").runs == 2.0)


MISSING = "No number of runs stands beside fid in round"
BY_ROW = {
    # column of errors, of numbers of runs -> numbers as read, and what is said of missing ones
    ("sem;seeds", STATED, (5, 5, "", 5)): (
        (5, 5, 5, 5),
        f"{MISSING} 2: 5, as in the other rounds, was taken.",
    ),
    ("sem;seeds", STATED, ("NA", 5, "", 5)): ((5, 5, 5, 5), f"{MISSING}s 0, 2: 5, as in the other rounds"),
    ("sem;n", STATED, (5, 5, 5, "")): ((5, 5, 5, 5), f"{MISSING} 3: 5, as"),
    ("sem;n", (0, 0.1, 0.1, 0.1), (1, 5, 5, 5)): ((1, 5, 5, 5), ""),
    ("sem;n", (0, 0.1, 0.1, 0.1), (1, 5, "", 5)): ((1, 5, 5, 5), f"{MISSING} 2: 5"),
    ("sem;n", ("", 0.1, 0.1, 0.1), (1, 5, 5, 5)): ((1, 5, 5, 5), ""),
    ("std;n", (0, 0.1, 0.1, 0.1), (50_000, 5, 5, 5)): ((5, 5, 5, 5), ""),  # of the data, which nobody needs
    ("sem;seeds", (0, 0.1, 0.1, 0.1), (0, 5, 5, 4)): ((np.inf, 5, 5, 4), ""),
    ("sem;seeds", (0, 0.1, 0.1, 0.1), ("", 5, 5, 4)): ((np.inf, 5, 5, 4), ""),
}


@pytest.mark.parametrize("case", BY_ROW, ids=lambda case: " ".join(map(str, case)))
def test_missing_numbers_and_those_of_the_data(tmp_path, case):
    (tmp_path / "c.csv").write_text(table(f"round;fid;{case[0]}", *case[1:]))
    curve, (runs, note) = read_curve(tmp_path / "c.csv"), BY_ROW[case]
    assert curve.runs[:, 0].tolist() == list(runs)
    said = " ".join(curve.notes)
    assert note in said and ("No number of runs" in said) == bool(note)


def test_a_curve_without_a_number_beside_one_that_has_it_is_said_to_be_exact(tmp_path):
    (tmp_path / "c.csv").write_text(table("round;variance 1 (n=4);std 1;variance 2;std 2", 0.1, 2, 0.3))
    curve = read_curve(tmp_path / "c.csv")
    assert curve.runs[0].tolist() == [4, np.inf]
    assert "Errors of variance 2 were taken as exact: the table does not say of how many" in curve.notes[-1]


ASKED = "whether 'n' counts the runs whose mean each value is, got {}: say --columns 'n=runs' if so, "
REFUSED = {
    ("round;fid;std;n", STATED, 500): ASKED.format("500"),
    ("round;fid;sem;n", STATED, 31): ASKED.format("31"),
    ("round;fid;std;n", STATED, 50_000): ASKED.format("50000"),
    ("round;fid;std;n", STATED, (1, 2, 3, 4)): ASKED.format("1, 2, 3, 4"),
    ("round;fid;std;n", STATED, (5, 5, 5, 20)): ASKED.format("5, 20"),
    ("round;fid;std;n", STATED, (50_000, 5, 5, 5)): ASKED.format("50000, 5"),
    ("round;fid;sem;n", (0, 0.1, 0.1, 0.1), 500): ASKED.format("500"),
    ("round;fid;sem;n", (0, 0.1, 0.1, 0.1), (1, 5, 20, 5)): ASKED.format("1, 5, 20"),
    (
        "round;fid;sem;seeds",
        STATED,
        (5, "", 4, 5),
    ): "for each value where the numbers differ, got none for fid in round 1 beside 4, 5",
    ("round;fid;std;n", STATED, 2.5): ASKED.format("2.5"),
    ("n;fid",): ASKED.format("0, 1, 2, 3") + "'n=round' if it numbers the rounds, or 'n=ignore'",
    (
        "round;fid;std;count",
        STATED,
        500,
    ): "whether 'count' counts the runs whose mean each value is, got 500: ",
    ("round;fid;std;sample_size", STATED, 500): "whether 'sample_size' counts the runs",
    (
        "round;fid;std;seeds",
        STATED,
        5000,
    ): "numbers of runs within 1 and 1000 in 'seeds', got '5000' in row 1",
    (
        "round;fid;std;seeds",
        STATED,
        (5, "", 5, 5),
    ): "wherever it has their scatter, got none for fid in row 2",
    ("round;fid;std;n", STATED, (5, "NA", 5, 5)): "wherever it has their scatter, got none for fid in row 2",
    (
        "round;fid (n=3);sem (n=5)",
        STATED,
    ): "one number of runs for each value, got 3 by 'fid (n=3)' and 5 by ",
    ("round;fid (3 seeds);std (n=5)", STATED): "got 3 by 'fid (3 seeds)' and 5 by 'std (n=5)' in row 1",
    ("round;fid (n=3);std;n", STATED, 4): "got 3 by 'fid (n=3)' and 4 by 'n' in row 1",
    ("round;fid (n=3);std;seeds", STATED, (3, 3, 4, 3)): "got 3 by 'fid (n=3)' and 4 by 'seeds' in row 3",
    ("round;fid (3 seeds, 5 runs);std", STATED): "got '5 runs beside 3'",
    (
        "round;fid (n=100);std",
        STATED,
    ): "whether 'fid (n=100)' counts the runs whose scatter 'std' is, got n = 100",
    ("round;fid;std (500 images)", STATED): "got 'a scatter of 500 images' in 'std (500 images)'",
    ("round;fid;std (n=500 samples)", STATED): "got 'a scatter of n=500 samples'",
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(map(str, case)))
def test_what_may_be_another_number_is_one_sentence(tmp_path, case):
    (tmp_path / "c.csv").write_text(table(*case))
    with pytest.raises(InputError) as problem:
        read_curve(tmp_path / "c.csv")
    assert REFUSED[case] in str(problem.value) and "\n" not in str(problem.value)


@pytest.mark.parametrize(("role", "scatter_of"), [("runs", 500), ("ignore", 1)])
def test_the_user_says_what_a_column_counts(tmp_path, role, scatter_of):
    (tmp_path / "c.csv").write_text(table("round;fid;std;n", STATED, 500))
    curve = read_curve(tmp_path / "c.csv", {"n": role})
    np.testing.assert_allclose(curve.standard_errors, STATED / scatter_of**0.5)
    assert not curve.notes and (curve.runs is None) == (role == "ignore")
