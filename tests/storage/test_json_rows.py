"""Frames in the JSON of pandas: the same curve whatever their orientation."""

from __future__ import annotations

import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.curves import read_curve

FRAMES = {
    "columns": '{"round":{"0":0,"1":1,"2":2},"fid":{"0":5,"1":6,"2":7}}',
    "columns in another order": '{"round":{"2":0,"5":1,"10":2},"fid":{"5":6,"2":5,"10":7}}',
    "index": '{"0":{"round":0,"fid":5},"1":{"round":1,"fid":6},"2":{"round":2,"fid":7}}',
    "split": '{"columns":["round","fid"],"index":[0,1,2],"data":[[0,5],[1,6],[2,7]]}',
    "table": '{"schema":{"fields":[]},"data":[{"index":0,"round":0,"fid":5},{"index":1,"round":1,"fid":6},'
    '{"index":2,"round":2,"fid":7}]}',
    "records": '[{"round":0,"fid":5},{"round":1,"fid":6},{"round":2,"fid":7}]',
}


@pytest.mark.parametrize("orient", FRAMES)
def test_frames_of_pandas(tmp_path, orient):
    (tmp_path / "c.json").write_text(FRAMES[orient])
    curve = read_curve(tmp_path / "c.json")
    assert curve.rounds.tolist() == [0, 1, 2] and curve.values.ravel().tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    "text",
    [
        '{"fid":{"0":5,"3":6,"10":7}}',
        '{"0":{"fid":5},"3":{"fid":6},"10":{"fid":7}}',
        '{"columns":["fid"],"index":[0,3,10],"data":[[5],[6],[7]]}',
    ],
)
def test_labels_that_may_be_rounds_are_asked_for(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match="got 'index': say what it is with --columns 'index=ROLE'"):
        read_curve(tmp_path / "c.json")
    curve = read_curve(tmp_path / "c.json", {"index": "round"})
    assert curve.rounds.tolist() == [0, 3, 10] and curve.values.ravel().tolist() == [5, 6, 7]
