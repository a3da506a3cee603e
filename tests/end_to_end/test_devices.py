"""One run on several devices: two processes on the CPU that exchange what they have over gloo."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import safetensors.numpy
import torch
from record_files import write_record
from shared_runs import (
    DROPOUT,
    EXACT,
    JOINED,
    LINEAR,
    NAMED,
    PLUGIN,
    arguments,
    command,
    ended,
    history,
    only_run,
    record_of,
)
from sklearn.metrics import accuracy_score, f1_score
from two_hosts import elsewhere, forget, library

from ferbench.runs.directory import RunDirectory


def in_a_fresh_process(args: list[str], results: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(args, results, cache), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, cache):
    """``pairs(args)``: directories of the same run on one device and on two, and what the second printed."""
    found = {}

    def run(args: list[str]):
        key = tuple(args)
        if key not in found:
            base = tmp_path_factory.mktemp("pair")
            one = ended(args, base / "one", cache)
            assert one.exit_code == 0, one.output
            two = ended([*args, "--devices", "2"], base / "two", cache)
            assert two.exit_code == 0, two.output
            found[key] = (only_run(base / "one"), only_run(base / "two"), two)
        return found[key]

    return run


def predictions(run: Path, split: str = "test") -> dict[str, np.ndarray]:
    (name,) = [name for name, one in record_of(run)["evaluations"].items() if one["split"] == split]
    with np.load(run / "evaluations" / name / "predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def flat(value, place=""):
    """What a record holds, by place."""
    if isinstance(value, dict):
        return {key: one for name, part in value.items() for key, one in flat(part, f"{place}.{name}").items()}
    if isinstance(value, list):
        return {key: one for i, part in enumerate(value) for key, one in flat(part, f"{place}.{i}").items()}
    return {place: value}


@pytest.mark.parametrize(
    ("args", "tolerance"),
    [(LINEAR, 1e-6), (EXACT, 2e-4), (NAMED, 2e-4)],
    ids=["linear", "everything", "named outputs of several views"],
)
def test_two_devices_learn_what_one_does(pairs, args, tolerance):
    """Everything: batch norm, Mixup and CutMix, a loss that is no mean over samples, accumulation, clipping, an average
    of weights, statistics of batch norms, a sampler and a schedule that hear scores, unused and frozen parameters."""
    one, two, _ = pairs(args)
    assert one.name == two.name, "the id does not depend on the number of devices"
    weights, theirs = (safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors") for run in (one, two))
    assert weights.keys() == theirs.keys()
    for name, values in weights.items():
        np.testing.assert_allclose(theirs[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("args", "tolerance"),
    [(LINEAR, 1e-6), (EXACT, 2e-4), (NAMED, 2e-4)],
    ids=["linear", "everything", "named outputs of several views"],
)
def test_the_history_is_of_all_samples(pairs, args, tolerance):
    one, two, _ = pairs(args)
    for epoch, theirs in zip(history(one), history(two), strict=True):
        expected, found = flat(epoch), flat(theirs)
        assert found.keys() == expected.keys()
        for place, value in expected.items():
            near = pytest.approx(value, rel=tolerance, abs=tolerance) if isinstance(value, float) else value
            assert found[place] == near, place


def test_two_devices_share_the_batch_that_a_last_sample_joined(pairs):
    one, two, _ = pairs(JOINED)
    assert [record_of(run)["training"]["last_batch"] for run in (one, two)] == [18, 18]
    weights, theirs = (safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors") for run in (one, two))
    for name, values in weights.items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("args", [LINEAR, EXACT], ids=["linear", "everything"])
def test_two_gpus_learn_what_one_does(pairs, args):
    one, two, _ = pairs([*args, "--set", "runtime.device=cuda"])
    weights, theirs = (safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors") for run in (one, two))
    for name, values in weights.items():
        np.testing.assert_allclose(theirs[name], values, rtol=1e-3, atol=1e-3, err_msg=name)
    assert record_of(two)["environment"]["devices"] == 2


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_sample_is_predicted_once_and_the_scores_are_theirs(pairs, split):
    one, two, _ = pairs(EXACT)
    found = predictions(two, split)
    assert found["ids"].tolist() == predictions(one, split)["ids"].tolist()
    assert len(set(found["ids"])) == len(found["ids"]) == sum(record_of(two)["data"]["counts"][split].values())
    (entry,) = [one for one in record_of(two)["evaluations"].values() if one["split"] == split]
    chosen = found["probabilities"].argmax(axis=1)
    assert entry["n"] == len(chosen)
    assert entry["metrics"]["accuracy"] == accuracy_score(found["truth"], chosen)
    macro = f1_score(found["truth"], chosen, labels=range(7), average="macro", zero_division=0)
    assert entry["metrics"]["macro_f1"] == pytest.approx(macro, abs=1e-12)


def test_one_process_predicts_the_same_with_those_weights_to_the_bit(pairs, cache, tmp_path):
    _, two, _ = pairs(EXACT)
    run = tmp_path / "results" / "runs" / two.name
    shutil.copytree(two, run)
    expected = predictions(two)
    record = record_of(run)
    shutil.rmtree(run / "evaluations")
    write_record(RunDirectory(run), {**record, "evaluations": {}})
    again = ended(EXACT, tmp_path / "results", cache)
    assert again.exit_code == 0, again.output
    found = predictions(run)
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
    assert record_of(run)["evaluations"].keys() == record["evaluations"].keys()
    for name, entry in record_of(run)["evaluations"].items():
        assert entry["metrics"] == record["evaluations"][name]["metrics"]


def test_the_effective_batch_is_stated(pairs):
    _, two, printed = pairs(EXACT)
    said = "batch of 17 on 2 devices: 9 or 8 each; 2 batches an update: effective batch 34"
    assert said in printed.stderr.splitlines()
    record = record_of(two)
    assert record["environment"]["devices"] == 2
    assert record["training"]["batch_size"] == 17
    assert record["training"]["effective_batch"] == 34
    assert sorted(record["training"]["shards"]) == [8, 9]


def test_only_one_process_speaks(pairs):
    _, _, printed = pairs(EXACT)
    assert len([line for line in printed.stderr.splitlines() if line.startswith("epoch ")]) == 3
    assert printed.stdout.count("accuracy") == 1


@pytest.fixture
def started(tmp_path, cache):
    """``started(args)`` starts a run and waits for the end of its first epoch."""
    processes = []

    def start(args: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(args, tmp_path / "results", cache), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        processes.append(process)
        for line in process.stderr:
            if line.startswith("epoch "):
                return process
        raise AssertionError(f"it ended with {process.wait()}")

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_run_that_was_terminated_goes_on_to_the_same_bits(started, whole, tmp_path, cache):
    """Dropout draws on each device for itself, and after a resumption the same again."""
    torn = started([*DROPOUT, "--devices", "2"])
    torn.send_signal(signal.SIGTERM)
    _, errors = torn.communicate(timeout=60)
    assert torn.returncode == 143, errors
    assert "Traceback" not in errors
    assert "interrupted: the same command goes on with run" in errors
    run = only_run(tmp_path / "results")
    assert record_of(run)["status"] == "interrupted"
    shutil.copytree(tmp_path / "results", tmp_path / "alone")

    last = ended(["resume", run.name, "--plugin", str(PLUGIN)], tmp_path / "results", cache)
    assert last.exit_code == 0, last.output
    assert "resumed at epoch" in last.stderr
    weights = [(one / "checkpoints" / "best.safetensors").read_bytes() for one in (run, whole)]
    assert weights[0] == weights[1]
    assert history(run) == history(whole)

    alone = ended(["resume", run.name, "--plugin", str(PLUGIN), "--devices", "1"], tmp_path / "alone", cache)
    assert alone.exit_code == 0, alone.output
    record = record_of(only_run(tmp_path / "alone"))
    assert record["status"] == "done"
    assert [len(history(only_run(tmp_path / "alone"))), record["environment"]["devices"]] == [4, 2]
    assert [one["environment"]["devices"] for one in record["resumed"]] == [1]


def ranks_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its ranks, the first of them first."""
    started = psutil.Process(process.pid).children(recursive=True)
    ranks = {one.environ()["RANK"]: one for one in started if "RANK" in one.environ()}  # torchrun itself has none
    return [rank for _, rank in sorted(ranks.items())]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_goes_on_to_the_same_bits_when_a_process_of_it_is_killed(rank, started, whole, tmp_path, cache):
    torn = started([*DROPOUT, "--devices", "2"])
    ranks_of(torn)[rank].kill()
    _, errors = torn.communicate(timeout=120)
    assert torn.returncode == 0, errors
    assert "resumed at epoch" in errors
    assert "Traceback" not in errors
    run = only_run(tmp_path / "results")
    assert record_of(run)["status"] == "done"
    assert len(record_of(run)["resumed"]) == 1
    weights = [(one / "checkpoints" / "best.safetensors").read_bytes() for one in (run, whole)]
    assert weights[0] == weights[1]
    assert history(run) == history(whole), "no sample was seen twice, and none left out"


@pytest.mark.parametrize(
    ("first", "second", "code"), [("SIGINT", "SIGINT", 130), ("SIGHUP", "SIGTERM", 129)], ids=["Ctrl-C twice", "others"]
)
def test_a_first_device_that_hangs_ends_at_the_second_ctrl_c_alone(started, first, second, code):
    torn = started([*LONG, "--devices", "2"])
    hanging = ranks_of(torn)
    hanging[0].suspend()
    torn.send_signal(getattr(signal, first))
    time.sleep(1)
    torn.send_signal(getattr(signal, second))
    if second != "SIGINT":
        with pytest.raises(subprocess.TimeoutExpired):
            torn.wait(2)
        hanging[0].resume()
    _, errors = torn.communicate(timeout=60)
    assert torn.returncode == code, errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(hanging, timeout=20)
    assert not alive


def test_a_first_device_that_another_host_took_over_from_ends_in_two_lines(tmp_path, cache):
    preloaded = library(tmp_path)
    if preloaded is None:
        pytest.skip("nothing can be preloaded here")
    args = arguments("training.epochs=4", "runtime.checkpoint_every=1", model="linear")
    first = subprocess.Popen(
        command([*args, "--devices", "2"], tmp_path, cache),
        env=elsewhere(preloaded, "alpha"),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any(line.startswith("epoch ") for line in first.stderr)
        ranks = ranks_of(first)
        ranks[0].suspend()
        forget(only_run(tmp_path))
        other = command(args, tmp_path, cache)
        assert subprocess.run(other, env=elsewhere(preloaded, "beta"), capture_output=True).returncode == 0
        ranks[0].resume()
        _, errors = first.communicate(timeout=60)
    finally:
        first.kill()
    assert first.returncode == 2
    wrong, remedy = errors.strip().splitlines()[-2:]
    assert "was taken over by another process" in wrong
    assert remedy.startswith("  → this one has written nothing since")
    assert record_of(only_run(tmp_path))["status"] == "done"
    assert not any(rank.is_running() for rank in ranks)


LONG = arguments("training.epochs=100000", model="linear")


def test_a_second_command_keeps_off_and_no_process_outlives_the_first(started, tmp_path, cache):
    first = started([*LONG, "--devices", "2"])
    begun = time.monotonic()
    second = ended([*LONG, "--devices", "2"], tmp_path / "results", cache)
    assert second.exit_code == 2
    assert "another process is at work on run" in second.stderr
    assert time.monotonic() - begun < 30
    assert len(ranks_of(first)) == 2
    started = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


def test_an_error_on_one_device_ends_the_run_as_an_error_of_the_run(tmp_path, cache):
    args = [*arguments("training.epochs=2", model="breaks"), "--devices", "2"]
    failed = in_a_fresh_process(args, tmp_path / "results", cache)
    assert failed.returncode == 1
    assert "RankFailed: device 2 of 2: model 'breaks' of plugin " in failed.stderr
    assert "raised ZeroDivisionError: a bug on the second device" in failed.stderr
    assert "in forward" in failed.stderr
    record = record_of(only_run(tmp_path / "results"))
    assert record["status"] == "failed"
    said = record["error"]["message"]
    assert said.startswith("device 2 of 2: model 'breaks' of plugin ")
    assert said.endswith(" raised ZeroDivisionError: a bug on the second device")
    assert "in forward" in record["error"]["traceback"]


def test_a_process_that_is_killed_ends_the_run(tmp_path, cache):
    args = [*arguments("training.epochs=2", model="dies"), "--devices", "2"]
    failed = ended(args, tmp_path / "results", cache)
    assert failed.exit_code == 2
    first, second = failed.stderr.splitlines()[-2:]
    assert first == "error: device 2 of 2: the process ended with SIGKILL"
    assert second.startswith("  → memory may have run out, ")
    assert second.endswith("; the same command goes on from the last checkpoint")
    record = record_of(only_run(tmp_path / "results"))
    assert record["status"] == "failed"
    assert record["error"]["message"].startswith("device 2 of 2: the process ended with SIGKILL")


def test_little_memory_on_one_device_makes_the_pieces_of_all_smaller(tmp_path, cache):
    args = arguments("training.epochs=1", "optimizer.name=sgd", model="hungry")
    two = ended([*args, "--devices", "2"], tmp_path / "results", cache)
    assert two.exit_code == 0, two.output
    record = record_of(only_run(tmp_path / "results"))
    assert record["training"]["micro_batch"] == 5  # 9 were too many
    assert record["training"]["batch_size"] == 17
    assert [epoch["micro_batch"] for epoch in history(only_run(tmp_path / "results"))] == [5]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["training.batch_size=1"], "leaves some of 2 devices without samples"),
        (["runtime.device=cuda:99"], "runtime.device = 'cuda:99'"),
    ],
)
def test_what_cannot_be_shared_is_refused(ferbench_cli, settings, said, cache, tmp_path):
    args = [*arguments(*settings, model="linear"), "--devices", "2", "--results", tmp_path, "--cache", cache]
    refused = ferbench_cli(*args)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_a_dry_run_says_how_a_batch_is_shared(ferbench_cli, cache):
    args = [*arguments("training.batch_size=32", model="linear"), "--devices", "2", "--cache", cache, "--dry-run"]
    assert "\nbatch of 32 on 2 devices: 16 each\n" in ferbench_cli(*args).stdout
    (entry,) = json.loads(ferbench_cli(*args, "--json").stdout)
    assert entry["batch"] == {"devices": 2, "size": 32, "shards": [16, 16], "effective": 32}


def test_a_search_and_an_evaluation_refuse_several_devices(ferbench_cli, cache):
    args = [*arguments(model="linear")[1:-1], "--set", "runtime.devices=2", "--cache", cache]
    refused = ferbench_cli("tune", *args, "--trials", "1")
    assert refused.exit_code == 2
    assert "--workers N" in refused.stderr
