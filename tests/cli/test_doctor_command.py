"""``ferbench doctor`` as a whole."""

from __future__ import annotations

import json
import os
import time

from made_runs import make_run

from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces


def test_doctor_finds_mends_and_says_so_with_its_exit_code(ferbench_cli, tmp_path):
    run = make_run(tmp_path / "results", name="one")
    left = run.path / ".run.json.0a.tmp"
    left.write_bytes(b"half")
    then = time.time() - 3600
    os.utime(left, (then, then))

    found = ferbench_cli("doctor", "--cache", "cache")
    assert found.exit_code == 1
    assert "1 problem" in found.stdout.splitlines()[-1]
    assert "ferbench doctor --fix" in found.stdout
    assert left.exists()

    fixed = ferbench_cli("doctor", "--fix", "--quiet", "--cache", "cache")
    assert fixed.exit_code == 0
    assert "fixed" in fixed.stdout
    assert not left.exists()

    after = ferbench_cli("doctor", "--json", "--cache", "cache")
    assert after.exit_code == 0
    report = json.loads(after.stdout)
    assert report["problems"] == 0
    assert {one["area"] for one in report["findings"]} == {"environment", "cache", "results"}
    assert not (tmp_path / "cache").exists()


def test_a_deep_look_finds_changed_images(ferbench_cli, tmp_path):
    pack = pack_dataset(synthetic_faces(None, train=140, test=7, size=16), name="faces", cache=tmp_path / "cache")
    with (pack.path / "images.bin").open("r+b") as file:
        file.seek(256)  # of row 1, which an ordinary look passes over
        file.write(bytes(256))
    assert ferbench_cli("doctor", "--cache", "cache").exit_code == 0
    found = ferbench_cli("doctor", "--deep", "--quiet", "--cache", "cache")
    assert found.exit_code == 1
    assert "the image of row 1 has changed" in found.stdout
