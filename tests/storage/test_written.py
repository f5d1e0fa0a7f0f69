"""Digests of finished work: edited files are refused, killed processes leave nothing that is."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage import written
from hermite_collapse.storage.written import DIGESTS, WrittenFiles


def lines(folder) -> list[str]:
    return (folder / DIGESTS).read_text().splitlines()


def test_an_edited_file_is_refused_and_a_removed_one_is_not(tmp_path):
    files = WrittenFiles(tmp_path)
    files.write("a.txt", b"one")
    files.write("b c.txt", b"two")
    WrittenFiles(tmp_path).require_unedited()
    (tmp_path / "b c.txt").write_bytes(b"tWo")
    with pytest.raises(InputError, match=r"^folder must be empty or hold .* with b c\.txt edited since"):
        WrittenFiles(tmp_path).require_unedited()
    (tmp_path / "b c.txt").unlink()
    WrittenFiles(tmp_path).require_unedited("out")
    (tmp_path / "other.txt").write_bytes(b"nobody's")
    WrittenFiles(tmp_path).require_unedited("out")


def test_digests_are_those_of_sha256sum(tmp_path):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum")
    WrittenFiles(tmp_path).write("a.txt", b"one")
    check = subprocess.run(["sha256sum", "--check", DIGESTS], cwd=tmp_path, capture_output=True, text=True)
    assert check.stdout == "a.txt: OK\n"


@pytest.mark.parametrize("cut", [1, 10, 70])
def test_a_line_that_was_cut_off_is_written_again(cut, tmp_path):
    files = WrittenFiles(tmp_path)
    files.write("a.txt", b"one")
    files.write("b.txt", b"two")
    whole = (tmp_path / DIGESTS).read_bytes()
    (tmp_path / DIGESTS).write_bytes(whole[:-cut])
    (tmp_path / "b.txt").unlink()  # it comes after its line
    other = WrittenFiles(tmp_path)
    other.require_unedited()
    other.write("b.txt", b"two")
    assert (tmp_path / DIGESTS).read_bytes() == whole


def test_a_damaged_line_says_nothing(tmp_path):
    files = WrittenFiles(tmp_path)
    files.write("a.txt", b"one")
    files.write("b.txt", b"two")
    whole = (tmp_path / DIGESTS).read_bytes()
    (tmp_path / DIGESTS).write_bytes(bytes([whole[0] ^ 128]) + whole[1:])
    (tmp_path / "a.txt").write_bytes(b"other")
    WrittenFiles(tmp_path).require_unedited()
    (tmp_path / "b.txt").write_bytes(b"other")
    with pytest.raises(InputError, match="with b.txt edited since"):
        WrittenFiles(tmp_path).require_unedited()


def test_a_file_is_what_it_was_or_what_it_becomes_whenever_the_process_ends(tmp_path, monkeypatch):
    WrittenFiles(tmp_path).write("a.txt", b"one")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(written, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            WrittenFiles(tmp_path).write("a.txt", b"two")
    assert (tmp_path / "a.txt").read_bytes() == b"one"
    files = WrittenFiles(tmp_path)
    files.require_unedited()
    files.write("a.txt", b"two")
    WrittenFiles(tmp_path).require_unedited()
    assert len(lines(tmp_path)) == 2


def test_particles_that_were_edited_are_not_continued(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    options = {"particles": 40, "degree": 2, "device": "cpu", "rounds": 3, "folder": tmp_path}
    advance = "hermite_collapse.simulation.rounds._Rounds._one_round"
    from hermite_collapse.simulation.rounds import _Rounds

    whole = _Rounds._one_round

    def stopped(self, index, advance):
        if index == 2:
            raise KeyboardInterrupt
        whole(self, index, advance)

    with monkeypatch.context() as patch:
        patch.setattr(advance, stopped)
        with pytest.raises(KeyboardInterrupt):
            hc.simulation.simulate(recursion, **options)
    file = tmp_path / "particles-00001.npy"
    content = file.read_bytes()
    particles = np.load(file)
    particles[0, 0, 0] += 1e-3
    np.save(file, particles)
    with pytest.raises(InputError, match="with particles-00001.npy edited since"):
        hc.simulation.simulate(recursion, **options)
    file.write_bytes(content)
    record = hc.simulation.simulate(recursion, **options)
    alone = hc.simulation.simulate(recursion, **{**options, "folder": None})
    assert np.array_equal(record.coefficients, alone.coefficients)
    names = [line.split("  ")[1] for line in lines(tmp_path)]
    assert names == [
        *(name for i in range(3) for name in (f"particles-{i:05d}.npy", f"round-{i:05d}.npz")),
        "round-00003.npz",
        "record.npz",
        "record.json",
    ]
