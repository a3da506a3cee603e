"""Wrong labels that are put into training samples on purpose."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_packs import make_pack

from ferbench.data.label_noise import changes, noisy_labels, read_confusion
from ferbench.data.splits import SplitRequest, cut
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol
from ferbench.runs.agreement import disagreements
from ferbench.runs.directory import RunDirectory

CLASSES = ("angry", "happy", "sad")
COUNTS = {"train": {"angry": 40, "happy": 100, "sad": 60}, "test": {"angry": 10, "happy": 20, "sad": 10}}
PROTOCOLS = (Protocol("folders", ("train",), ("test",), ("validation",), cut_if_missing=True),)

LABELS = np.arange(4000) % 4
IDS = np.array([f"sample-{n}" for n in range(4000)])


def confusion_file(tmp_path, text):
    path = tmp_path / "confusion.csv"
    path.write_text(text)
    return str(path)


def test_each_other_class_is_as_likely_and_the_true_one_is_none_of_them():
    noisy = noisy_labels(LABELS, IDS, 4, 0.3, seed=0)
    counted = np.array(changes(LABELS, noisy, 4))
    assert np.diag(counted).tolist() == [700] * 4
    others = counted[~np.eye(4, dtype=bool)]
    assert abs(others - 100).max() < 4 * np.sqrt(300 * 1 / 3 * 2 / 3)


def test_a_confusion_matrix_says_what_a_class_is_taken_for():
    odds = np.array([[50, 3, 1, 0], [0, 9, 0, 0], [0, 0, 0, 1], [1.0, 1, 1, 1]])
    counted = np.array(changes(LABELS, noisy_labels(LABELS, IDS, 4, 0.4, seed=1, confusion=odds), 4))
    assert counted[0, [0, 3]].tolist() == [600, 0]
    assert abs(counted[0, 1] - 300) < 4 * np.sqrt(400 * 0.75 * 0.25)
    assert counted[1].tolist() == [0, 1000, 0, 0]  # is mistaken for nothing
    assert counted[2].tolist() == [0, 0, 600, 400]
    assert abs(counted[3, :3] - 400 / 3).max() < 4 * np.sqrt(400 * 2 / 9)


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    shares=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    seed=st.integers(0, 2**63 - 1),
)
def test_it_is_that_share_of_each_class_whatever_the_order_and_more_noise_keeps_what_less_made(labels, shares, seed):
    labels, ids = np.array(labels), np.array([f"é {n}" for n in range(len(labels))])
    less, more = (noisy_labels(labels, ids, 3, share, seed) for share in sorted(shares))
    for k in range(3):
        assert (less[labels == k] != k).sum() == round(min(shares) * (labels == k).sum())
    assert (more[less != labels] == less[less != labels]).all()
    back = np.random.default_rng(0).permutation(len(labels))
    assert (noisy_labels(labels[back], ids[back], 3, max(shares), seed) == more[back]).all()


def test_another_seed_makes_other_labels_wrong():
    first, second = (noisy_labels(LABELS, IDS, 4, 0.3, seed) for seed in (0, 1))
    assert 0.05 < ((first != LABELS) & (second != LABELS)).mean() < 0.13  # 0.3 × 0.3


def test_what_is_validated_and_tested_on_stays_true_and_votes_of_wrong_labels_are_left_out():
    pack = make_pack(COUNTS, classes=CLASSES)
    plain, noisy = (cut(pack, PROTOCOLS, SplitRequest(label_noise=share)) for share in (0.0, 0.25))
    for rows in ("train", "validation", "test"):
        assert (getattr(plain, rows) == getattr(noisy, rows)).all()
    assert (noisy.labels[noisy.train] != plain.labels[plain.train]).sum() == 40  # a quarter of 32, 80 and 48
    evaluated = np.concatenate([noisy.validation, noisy.test])
    assert (noisy.labels[evaluated] == plain.labels[evaluated]).all()
    assert (noisy.validation_digest, noisy.test_digest) == (plain.validation_digest, plain.test_digest)
    assert noisy.train_digest != plain.train_digest
    assert plain.noised is None
    assert [sum(row) - row[k] for k, row in enumerate(noisy.noised.changes)] == [8, 20, 12]
    assert noisy.counts(noisy.train) == {
        name: sum(row[k] for row in noisy.noised.changes) for k, name in enumerate(CLASSES)
    }


def test_confusions_are_read_by_class_in_any_order_and_spelling(tmp_path):
    rows = ["true,SAD,anger,happy,other", "happy,1,2,3,9", "Angry,0.5,0,0.25,9", "sad,7,8,9,9", "other,1,1,1,1"]
    path = confusion_file(tmp_path, "\n".join(rows))
    assert read_confusion(path, CLASSES).tolist() == [[0, 0.25, 0.5], [2, 3, 1], [8, 9, 7]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("true,angry,happy\nangry,1,2\nhappy,1,2\n", "its first column has no class 'sad'"),
        ("true,angry,happy,sad\nangry,1,2,3\nhappy,1,2,3\nsad,1,2,3\nsad,1,2,3\n", "has the class 'sad' twice"),
        ("true,angry,happy,sad\nangry,1,-2,3\nhappy,1,2,3\nsad,1,2,3\n", "line 2: '-2' is no number from 0 on"),
        ("true,angry,happy,sad\nangry,1,nan,3\nhappy,1,2,3\nsad,1,2,3\n", "'nan' is no number"),
        ("true,angry,happy,sad\nangry,1,inf,3\nhappy,1,2,3\nsad,1,2,3\n", "'inf' is no number"),
        ("true,angry,happy,sad\nangry,1,0,0\nhappy,0,1,0\nsad,0,0,0\n", "takes no class for another"),
        ("true\nangry\nhappy\nsad\n", "its header has no class 'angry'"),
        ("", "no rows"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        read_confusion(confusion_file(tmp_path, text), CLASSES)


def test_a_run_says_everywhere_that_its_labels_are_wrong(ferbench_cli, tmp_path):
    sizes = ["--set", "dataset.train=120", "--set", "dataset.test=35", "--set", "training.epochs=1"]
    command = ["run", "--model", "linear", *sizes, "--results", "r", "--cache", "c"]
    done = ferbench_cli(*command, "--set", "data.label_noise=0.3")
    assert done.exit_code == 0, done.stderr
    (said,) = re.findall(r"label noise 0\.3: \d+ of \d+ training labels are wrong on purpose", done.stdout)
    assert "label_noise 0.3, seed 0" in done.stdout  # what the run is called
    run = done.stdout.split()[0]
    assert said in ferbench_cli("runs", "show", run, "--results", "r").stdout
    (report,) = (tmp_path / "r" / "reports").glob("*.html")
    assert f"L{said[1:]}" in report.read_text()
    ranked = ferbench_cli("leaderboard", "--results", "r").stdout
    assert "Learnt from labels of which 0.3 are wrong on purpose" in ranked
    assert "1 whole" in ferbench_cli("runs", "verify", "--results", "r").stdout
    record = RunDirectory(tmp_path / "r" / "runs" / run).load()
    assert list(disagreements(record)) == []
    for other in ({"share": 0.2}, {"seed": 1}, {"confusion": True}, {"changes": [[1] * 7] * 7}):
        spoilt = record.model_copy(deep=True)
        spoilt.data.label_noise = record.data.label_noise.model_copy(update=other)
        assert list(disagreements(spoilt)), other
    shown = ferbench_cli("evaluate", run, "--split", "train", "--results", "r", "--cache", "c", "--json")
    assert shown.exit_code == 0, shown.stderr


def test_a_confusion_without_noise_is_refused(ferbench_cli):
    refused = ferbench_cli("run", "--set", "data.label_confusion=x.csv")
    assert refused.exit_code == 2
    assert "data.label_noise = 0 makes none" in refused.stderr
