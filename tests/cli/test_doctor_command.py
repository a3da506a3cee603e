"""``ferbench doctor`` as a whole."""

from __future__ import annotations

import json
import os
import time

from made_runs import make_run


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
