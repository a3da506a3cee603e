"""Arguments that no file can be called and no number can be, wherever a command takes one."""

from __future__ import annotations

import pytest
from made_runs import make_run

from ferbench.cli import main
from ferbench.cli.mistakes import mistake_of, shortened

LONG = "x" * 300
FACES = ["--dataset", "folder", "--model", "linear", "--cache", "cache"]
DIGITS = "9" * 5000
THOUSAND = ",".join(map(str, range(1, 1001)))

COMMANDS = [
    ["run", LONG],
    ["run", f"{LONG}.toml"],
    ["run", *FACES, "--data", LONG],
    ["run", *FACES, "--data", f"folder={LONG}"],
    ["run", *FACES, "--data", "~nobody-has-this-name/faces"],
    ["run", *FACES, "--results", LONG],
    ["run", *FACES, "--cache", LONG],
    ["run", *FACES, "--plugin", LONG],
    ["run", *FACES, "--plugin", f"{LONG}.py"],
    ["run", *FACES, "--plugin", "~nobody-has-this-name/own.py"],
    ["run", *FACES, "--name", LONG],
    ["run", *FACES, "--model", LONG],
    ["run", "--dataset", LONG],
    ["run", *FACES, "--tracker", LONG],
    ["run", *FACES, "--from", LONG],
    ["run", *FACES, "--from", f"{LONG}@best"],
    ["run", *FACES, "--set", f"data.path={LONG}"],
    ["run", *FACES, "--set", LONG],
    ["run", *FACES, "--set", f"training.epochs={LONG}"],
    ["run", *FACES, "--set", f"training.epochs={DIGITS}"],
    ["run", *FACES, "--seed", DIGITS],
    ["run", "digits.toml"],
    ["run", "nul.toml"],
    ["tune", LONG],
    ["tune", *FACES, "--data", LONG],
    ["tune", *FACES, "--search", f"training.epochs={DIGITS}"],
    ["tune", *FACES, "--seeds", DIGITS],
    ["tune", "status", LONG],
    ["tune", "report", LONG],
    ["resume", LONG],
    ["evaluate", LONG],
    ["evaluate", "one", "--dataset", "folder", "--data", LONG],
    ["lineage", LONG],
    ["ensemble", LONG, "one"],
    ["import", LONG, "--like", "one", "--name", "x"],
    ["import", "digits.toml", "--like", LONG],
    ["predict", LONG, "face.png"],
    ["predict", "one", LONG],
    ["timeline", LONG, "v.mp4"],
    ["timeline", "one", LONG],
    ["timeline", "one", "frames", "--fps", DIGITS],
    ["timeline", "one", "frames", "--fps", "nan"],
    ["report", LONG],
    ["report", "one", "--output", LONG],
    ["report", "one", "--tables", LONG],
    ["leaderboard", "--results", LONG],
    ["leaderboard", "--where", LONG],
    ["leaderboard", "--where", f"model={LONG}"],
    ["leaderboard", "--published", LONG],
    ["compare", "one", LONG],
    ["runs", "show", LONG],
    ["runs", "rm", LONG],
    ["runs", "verify", LONG],
    ["runs", "list", "--results", f"{LONG}/b"],
    ["audit", "table", LONG],
    ["audit", "data", "--dataset", "folder", "--data", LONG],
    ["plugins", "show", LONG],
    ["plugins", "check", LONG],
    ["plugins", "list", "--plugin", LONG],
    [LONG],
    ["export", "one", "--predictions", f"{LONG}.csv"],
    ["compare", "one", "one", "--csv", LONG],
    ["compare", "one", "one", "--draws", "1000000000000"],
    ["report", "one", "--figures", LONG],
    ["report", "one", "--slice", "part", "--slice-table", LONG],
    ["leaderboard", "--without", LONG],
    ["audit", "data", "synthetic-faces", "--write-exclusions", LONG],
    ["timeline", "one", "frames", "--output", LONG],
    ["plugins", "new", "model", "own", "--output", LONG],
    ["draw-faces", LONG],
    ["run", *FACES, "--folds", "1000000"],
    ["run", *FACES, "--folds", DIGITS],
    ["run", *FACES, "--set", "training.folds=1000000"],
    ["run", *FACES, "--set", f"training.folds={'9' * 40}"],
    ["run", *FACES, "--grid", f"training.epochs={THOUSAND}", "--grid", f"training.batch_size={THOUSAND}"],
    ["run", "grid.toml"],
    ["run", *FACES, "--set", "training.batch_size=1000000000000"],
    ["run", *FACES, "--set", "runtime.threads=1000000"],
    ["run", *FACES, "--devices", "1000000"],
    ["run", *FACES, "--set", f"data.fold=1/{'9' * 40}"],
    ["run", *FACES, "--set", f"data.fold=1/{DIGITS}"],
    ["run", *FACES, "--set", f"model.any={'9' * 40}"],
    ["run", *FACES, "--set", f"optimizer.lr={'9' * 4000}"],
    ["run", *FACES, "--set", "data.image_size=1000000"],
    ["tune", *FACES, "--workers", "1000000"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda given: " ".join(one[:20] for one in given))
def test_what_cannot_be_is_said_in_two_lines(tmp_path, monkeypatch, capsys, arguments):
    make_run(tmp_path / "results", name="one")
    (tmp_path / "digits.toml").write_text(f"[training]\nepochs = {DIGITS}\n")
    (tmp_path / "nul.toml").write_text('[dataset]\nname = "folder"\n[data]\npath = "a\\u0000b"\n')
    (tmp_path / "grid.toml").write_text(f'[grid]\n"training.seed" = [{THOUSAND}]\n"data.split_seed" = [{THOUSAND}]\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    first, second = [line for line in said.splitlines() if not line.startswith("warning: ")][-2:]
    assert first.startswith("error: ")
    assert second.startswith("  → ")
    assert len(first) < 700


def test_only_what_no_word_is_is_cut():
    assert shortened("a path /tmp/" + "d/" * 100) == "a path /tmp/" + "d/" * 100
    assert shortened(f"no '{LONG}' here") == f"no '{'x' * 79}…{'x' * 39}' here"


def test_a_grid_says_how_large_it_is_and_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(
            ["run", *FACES, "--grid", f"training.batch_size={THOUSAND}", "--folds", "10", "--seed", "0", "--seed", "1"]
        )
    said = capsys.readouterr().err
    assert "a grid of 20,000 combinations, 1,000 values of training.batch_size among them: 10,000" in said


def test_too_little_memory_is_no_traceback():
    mistake = mistake_of(MemoryError("Unable to allocate 7.28 TiB"))
    assert mistake is not None
    assert mistake.message == "memory ran out: Unable to allocate 7.28 TiB"
