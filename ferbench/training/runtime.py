"""The machine: device, threads, memory allocator, determinism, and the record of all that."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import random
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from ferbench import startup
from ferbench.data.images import available_cores
from ferbench.errors import UserError
from ferbench.experiment.device import check_device, device_given
from ferbench.plugin.source import digest_sources, is_editable, source_roots
from ferbench.records.environment import Environment, Gpu

#: Whose versions may change a result.
_PACKAGES = ("ferbench", "torch", "numpy", "pillow", "timm", "scikit-learn", "skops")

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed blocks instead of giving them back to the kernel after every step.

    Activations of a step are freed and asked for again at the next; by default glibc maps each large block anew and
    the kernel has to clear it. Without glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 << 20)):
            libc.mallopt(parameter, value)


def _asked_threads() -> int | None:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and len(asked) < 5 and int(asked) > 0 else None


def choose_device(name: str, option: str | None = None) -> torch.device:
    """The device of a name.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        option: that names it, for messages; None: ``runtime.device``.

    Raises:
        UserError: the name is not a device, or this machine has no such device.
    """
    check_device(name, option)
    given = device_given(name, option)
    cpu = "--set runtime.device=cpu" if option is None else f"{option} cpu"
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"{given}, but torch sees {torch.cuda.device_count()} CUDA devices",
            f"use {cpu}, or install a CUDA build of torch and check the driver",
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"{given}, but torch sees no Apple GPU here", f"use {cpu}")
    return device


def choose_devices(name: str, count: int) -> list[torch.device]:
    """The devices of a run over ``count`` of them: GPUs, or the CPU as often as that.

    Raises:
        UserError: ``runtime.device`` names a single device, or this machine has fewer.
    """
    device = choose_device(name)
    if count == 1 or device.type == "cpu":
        return [device] * count
    if device.type != "cuda" or device.index is not None:
        raise UserError(
            f"runtime.device = '{name}' is one device, but the run is over {count}",
            "use auto, cuda or cpu with --devices; CUDA_VISIBLE_DEVICES says which GPUs there are",
        )
    there = torch.cuda.device_count()
    if count > there:
        raise UserError(
            f"the run is over {count} devices, but torch sees {there} CUDA device{'s' if there != 1 else ''}",
            f"give --devices {there}" + (", or --set runtime.device=cpu for processes on the CPU"),
        )
    return [torch.device("cuda", index) for index in range(count)]


def prepare(device: torch.device, threads: int | None, deterministic: bool, processes: int = 1) -> None:
    """Set threads, allocator and determinism for the runs of this process, one of ``processes`` that share them."""
    keep_freed_memory()
    torch.set_num_threads(max(1, (threads or _asked_threads() or available_cores()) // processes))
    if deterministic and device.type == "cuda":
        # cuBLAS reads this when its first handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    _set_deterministic(deterministic)
    # It would write every new tensor once more, only to make reads of uninitialised memory repeatable.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    startup.done()


def _set_deterministic(deterministic: bool) -> None:
    """As ``torch.use_deterministic_algorithms`` does, which imports all of TorchInductor to tell it: more than half of
    what importing torch takes. It is told where it is there already, and by its variable for when a plugin asks for it.
    """
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(deterministic))
    if (config := sys.modules.get("torch._inductor.config")) is not None:
        setattr(config, "deterministic", deterministic)  # noqa: B010 - no attribute that a module is known to have


def seed_everything(seed: int) -> None:
    """Seed every generator that a model's initialisation or dropout may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def environment(device: torch.device, devices: int = 1) -> Environment:
    """Where this process computes on ``device``, one of ``devices`` that share the run."""
    environment = Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        machine=platform.machine(),
        cpu=_cpu_name(),
        cores=available_cores(),
        threads=torch.get_num_threads(),
        device=str(device),
        devices=devices,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        packages=_packages(),
    )
    if (source := _own_source()) is not None:
        environment.ferbench_source = source
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        environment.gpu = Gpu(
            name=properties.name,
            memory_bytes=properties.total_memory,
            capability=f"{properties.major}.{properties.minor}",
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
            tf32_convolutions=torch.backends.cudnn.allow_tf32,
        )
    return environment


@cache
def _packages() -> dict[str, str | None]:
    return {name: _version(name) for name in _PACKAGES}


@cache
def _own_source() -> str | None:
    """What this process has imported; None of a release, which is told by its version."""
    return digest_sources(source_roots("ferbench")) if is_editable("ferbench") else None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
