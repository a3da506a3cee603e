"""Devices, threads and the record of the environment."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from ferbench.errors import UserError
from ferbench.training import runtime


@pytest.fixture(autouse=True)
def as_before():
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:x", "meta"])
def test_a_device_that_is_not_there_is_a_user_error(name):
    with pytest.raises(UserError) as error:
        runtime.choose_device(name)
    assert "runtime.device" in error.value.message
    assert "cpu" in error.value.remedy


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_the_remedy_for_a_device_is_an_option_of_the_command_that_was_given(name):
    with pytest.raises(UserError) as error:
        runtime.choose_device(name, "--device")
    assert error.value.message.startswith(f"--device {name}")
    assert "runtime" not in error.value.remedy


def test_auto_is_the_best_there_is():
    assert runtime.choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_threads_are_those_asked_for_then_the_environments_then_the_cores(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    runtime.prepare(cpu, 3, deterministic=True)
    assert torch.get_num_threads() == 3
    runtime.prepare(cpu, None, deterministic=True)
    assert torch.get_num_threads() == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    runtime.prepare(cpu, None, deterministic=False)
    assert torch.get_num_threads() == runtime.available_cores()
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_mode_is_torchs_own_and_imports_no_compiler():
    """TorchInductor is told by the variable that it reads, or where it is there already."""
    code = (
        "import os, sys, torch\n"
        "from ferbench.training import runtime\n"
        "runtime.prepare(torch.device('cpu'), 1, deterministic=True)\n"
        "assert torch.are_deterministic_algorithms_enabled()\n"
        "assert not {'torch._dynamo', 'torch._inductor', 'torchvision', 'timm'} & set(sys.modules)\n"
        "import torch._inductor.config as config\n"
        "assert config.deterministic\n"
        "runtime.prepare(torch.device('cpu'), 1, deterministic=False)\n"
        "assert not config.deterministic and not torch.are_deterministic_algorithms_enabled()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_several_processes_share_the_threads():
    runtime.prepare(torch.device("cpu"), 6, deterministic=True, processes=4)
    assert torch.get_num_threads() == 1
    runtime.prepare(torch.device("cpu"), 6, deterministic=True, processes=2)
    assert torch.get_num_threads() == 3


def test_the_cpu_is_as_many_devices_as_one_likes():
    assert runtime.choose_devices("cpu", 3) == [torch.device("cpu")] * 3


@pytest.fixture
def two_gpus(monkeypatch):
    """What torch says on a machine with two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_rank_has_a_gpu(name, two_gpus):
    assert runtime.choose_devices(name, 2) == [torch.device("cuda:0"), torch.device("cuda:1")]


def test_more_devices_than_there_are_is_a_user_error_with_a_remedy(two_gpus):
    with pytest.raises(UserError) as error:
        runtime.choose_devices("auto", 3)
    assert error.value.message == "the run is over 3 devices, but torch sees 2 CUDA devices"
    assert "--devices 2" in error.value.remedy


def test_a_single_gpu_by_number_cannot_be_shared(two_gpus):
    with pytest.raises(UserError, match="is one device, but the run is over 2"):
        runtime.choose_devices("cuda:1", 2)


def test_seeding_repeats_every_generator():
    import random

    import numpy as np

    def draw():
        runtime.seed_everything(7)
        return random.random(), np.random.rand(), float(torch.rand(()))

    assert draw() == draw()


def test_the_environment_names_versions_and_machine():
    record = runtime.environment(torch.device("cpu"))
    assert record.packages["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert record.device == "cpu"
    assert record.cores >= 1
    assert record.cpu
