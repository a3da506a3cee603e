"""Python, torch, the devices, the browser that draws figures, and the plugins."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from ferbench.doctor.finding import Finding

#: What cuBLAS must be told for repeatable sums; ferbench says the first where nothing is said.
_REPEATABLE = (":4096:8", ":16:8")


def check_environment(*, computes: bool = False) -> Iterator[Finding]:
    """Look at the machine.

    Args:
        computes: import torch, and see whether it and the devices compute.
    """
    yield from _requirements()
    yield from _torch() if computes else _torch_by_its_files()
    yield _threads()
    yield _repeatable()
    yield from _browser()
    yield from _plugins()


def _requirements() -> Iterator[Finding]:
    """Whether the installed packages are those that ferbench asks for."""
    from packaging.requirements import Requirement

    wrong = []
    try:
        needed = importlib.metadata.requires("ferbench") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("problem", "ferbench runs from its source and is not installed", "pip install -e . in its folder")
        return
    for text in needed:
        asked = Requirement(text)
        if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
            continue
        try:
            there = importlib.metadata.version(asked.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{asked.name} is missing")
            continue
        if not asked.specifier.contains(there, prereleases=True):
            wrong.append(f"{asked.name} is {there}, not {asked.specifier}")
    versions = f"Python {platform.python_version()}, ferbench {_version('ferbench')}"
    if wrong:
        yield Finding("problem", f"{versions}: {'; '.join(wrong)}", "install ferbench again: pip install -U ferbench")
    else:
        yield Finding("ok", f"{versions} and all that it needs")


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding(
            "problem", f"torch cannot be imported: {error}", "install it again: pip install -U torch torchvision"
        )
        return
    try:
        import torchvision  # noqa: F401 - its operators are looked up when it is imported
    except (ImportError, OSError, RuntimeError) as error:
        what = f"torchvision {_version('torchvision')} does not go with torch {torch.__version__}: {error}"
        yield Finding("problem", what, "install both from one index: pip install -U torch torchvision")
    yield Finding("ok", f"torch {torch.__version__} can be imported")
    yield from _cuda()


def _torch_by_its_files() -> Iterator[Finding]:
    """Whether torch and torchvision are of one release, as far as that is known without importing them."""
    from packaging.requirements import Requirement

    there = _version("torch")
    try:
        needed = [Requirement(text) for text in importlib.metadata.requires("torchvision") or []]
    except importlib.metadata.PackageNotFoundError:
        return  # which is said of all that is missing
    for asked in needed:
        if asked.name == "torch" and not asked.specifier.contains(there.partition("+")[0], prereleases=True):
            what = f"torchvision {_version('torchvision')} is made for torch {asked.specifier}, not for {there}"
            yield Finding("problem", what, "install both from one index: pip install -U torch torchvision")
            return
    yield Finding("ok", f"torch {there}; 'ferbench doctor --torch' tries whether it and the GPUs compute")


def _threads() -> Finding:
    from ferbench.data.images import available_cores

    cores, asked = available_cores(), os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() and int(asked) > 0 else cores
    what = f"{threads} threads on {cores} cores"
    if threads > cores:
        return Finding("problem", f"{what}: they wait for each other", f"set OMP_NUM_THREADS={cores}, or unset it")
    return Finding("ok", what + (f" (OMP_NUM_THREADS={asked})" if asked else ""))


def _cuda() -> Iterator[Finding]:
    """Whether torch's build, the driver and the GPU go together: each must do a small product."""
    from torch import cuda, version

    driver = _driver()
    if version.cuda is None:
        if driver and version.hip is None:
            what = f"there is an NVIDIA GPU ({driver}), but this torch is a build without CUDA"
            yield Finding("problem", what, "install a CUDA build of torch (pytorch.org says how)")
        else:
            yield Finding("ok", "no NVIDIA GPU: training uses the CPU")
        return
    try:
        cuda.init()
    except (RuntimeError, AssertionError) as error:
        if driver:
            what = f"torch's CUDA {version.cuda} does not go with the driver ({driver}): {str(error).splitlines()[0]}"
            yield Finding("problem", what, "update the driver, or install a torch for an older CUDA")
        else:
            yield Finding("ok", f"no NVIDIA driver: training uses the CPU (torch is built for CUDA {version.cuda})")
        return
    for index in range(cuda.device_count()):
        about = cuda.get_device_properties(index)
        what = f"cuda:{index} {about.name}, {about.total_memory / 1e9:.0f} GB, CUDA {version.cuda}, {driver}"
        try:
            _product(f"cuda:{index}")
        except RuntimeError as error:
            remedy = "free the GPU, or install a torch that knows this one"
            yield Finding("problem", f"{what} does not compute: {str(error).splitlines()[0]}", remedy)
        else:
            yield Finding("ok", what)


def _product(device: str) -> None:
    import torch

    ones = torch.ones(8, 8, device=device)
    if float((ones @ ones).sum()) != 512.0:
        raise RuntimeError("8 × 8 ones multiplied do not add up to 512")


def _repeatable() -> Finding:
    setting = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    if setting is not None and setting not in _REPEATABLE:
        what = f"CUBLAS_WORKSPACE_CONFIG={setting} makes deterministic runs on a GPU fail"
        return Finding("problem", what, f"unset it, or set it to {_REPEATABLE[0]}")
    return Finding("ok", "deterministic mode can be kept")


def _driver() -> str:
    """The NVIDIA driver in words; empty where there is none."""
    try:
        first = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return "nvidia-smi is there" if shutil.which("nvidia-smi") else ""
    numbers = [part for part in first.split() if part[:1].isdigit() and "." in part]
    return f"driver {numbers[0]}" if numbers else "its version is not known"


def _browser() -> Iterator[Finding]:
    """The browser that ``ferbench report --figures`` draws with."""
    try:
        from choreographer.browsers.chromium import Chromium
    except ImportError as error:
        yield Finding("problem", f"kaleido cannot be imported: {error}", "install it again: pip install -U kaleido")
        return
    path = Chromium.find_browser(skip_local=False)
    if path and Path(path).exists():
        yield Finding("ok", f"figures are drawn by {path}")
    else:
        what = "no Chromium or Chrome: 'ferbench report --figures' cannot draw (pages need none)"
        yield Finding("note", what, "install one (Debian: apt-get install chromium), or set BROWSER_PATH")


def _plugins() -> Iterator[Finding]:
    from ferbench.errors import UserError
    from ferbench.plugin.discovery import load_registry

    try:
        registry = load_registry(warn=lambda line: None)
    except UserError as error:
        yield Finding("problem", error.message, error.remedy)
        return
    for record in registry.broken():
        remedy = "mend, update or uninstall it; FERBENCH_PLUGINS='' leaves it out meanwhile"
        yield Finding("problem", f"plugin {record.title} is broken: {record.error}", remedy)
    for kind, name in sorted(registry.ambiguous()):
        owners = [component.qualified_name for component in registry.components(kind) if component.name == name]
        yield Finding("note", f"{kind} '{name}' is offered by {len(owners)} plugins", f"say {' or '.join(owners)}")
    loaded = [
        f"{plugin.name} ({plugin.distribution} {plugin.version})"
        for plugin in registry.plugins
        if plugin.status == "ok"
    ]
    yield Finding("ok", f"plugins: {', '.join(loaded)}")
    if registry.excluded:
        yield Finding("note", f"left out by FERBENCH_PLUGINS: {', '.join(registry.excluded)}")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
