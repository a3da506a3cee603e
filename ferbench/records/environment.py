"""Where a run was computed."""

from __future__ import annotations

from ferbench.records.base import Count, Record


class Gpu(Record):
    """The accelerator of a run."""

    name: str
    """As its driver calls it."""
    memory_bytes: Count
    """Its memory, in bytes."""
    capability: str
    """Compute capability, such as ``9.0``."""
    cuda: str | None = None
    """Version of CUDA that torch was built with."""
    cudnn: int | None = None
    """Version of cuDNN, as torch gives it."""
    tf32_convolutions: bool | None = None
    """Convolutions may round to TF32."""


class Environment(Record):
    """What two runs must share to give the same bits, and what helps to read timings. It is in no id."""

    python: str | None = None
    """Version of Python."""
    platform: str | None = None
    """Operating system, kernel and C library."""
    machine: str | None = None
    """Architecture of the processor."""
    cpu: str | None = None
    """Its name."""
    cores: Count | None = None
    """CPU cores that the process might use."""
    threads: Count | None = None
    """CPU threads of torch, of one process."""
    device: str | None = None
    """``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
    devices: Count | None = None
    """How many devices shared the run."""
    deterministic: bool | None = None
    """Operations whose result may differ between two runs were refused."""
    packages: dict[str, str | None] = {}
    """Versions by distribution; null for one that is not installed."""
    ferbench_source: str | None = None
    """SHA-256 of ferbench's source, where it is installed editable; a release is told by its version."""
    gpu: Gpu | None = None
    """The accelerator, where there was one."""
