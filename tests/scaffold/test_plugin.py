"""``ferbench plugins new``: what it writes works as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ferbench import UserError
from ferbench.kinds import WITH_SCAFFOLD as KINDS
from ferbench.scaffold.plugin import check_name, package_files, write_plugin


def install(package: Path, site: Path) -> None:
    """What pip leaves of a package: its modules on the path, and the entry points of its pyproject."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    about = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "\n".join(f"{name} = {module}" for name, module in project["entry-points"]["ferbench"].items())
    (about / "entry_points.txt").write_text(f"[ferbench]\n{entries}\n")
    (modules,) = tomllib.loads((package / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]
    (site / modules).symlink_to(package / modules)


def environment(*paths: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *filter(None, sys.path)])}


#: Why rules say nothing of what is generated: of samplers three, of optimisers and estimators one.
BESIDE_THE_POINT = {
    "it gives indices",
    "all epochs are of one length",
    "its spec does not ask for single samples",
    "it is given its gradients",
    "its fit() takes no sample_weight",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> tuple[Path, Path]:
    """A folder with a package of each kind, and a site where they are installed."""
    folder, site = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("site")
    for kind in KINDS:
        install(write_plugin(kind, f"my-{kind}", folder, single=False)[0], site)
    return folder, site


def test_the_tests_of_every_generated_package_pass_as_generated(packages):
    folder, site = packages
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-rs", "."]
    done = subprocess.run(command, cwd=folder, env=environment(site), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"^SKIPPED .*?:\d+: (.*)$", done.stdout, re.MULTILINE)) == BESIDE_THE_POINT


def test_every_generated_package_is_found_and_described(packages):
    _, site = packages
    command = [sys.executable, "-c", "from ferbench.cli import main; main()", "plugins", "list", "--json"]
    done = subprocess.run(command, env=environment(site), capture_output=True, text=True, check=True)
    found = {one["qualified_name"]: one["status"] for one in json.loads(done.stdout)["components"]}
    assert all(found[f"ferbench-my-{kind}:my-{kind}"] == "ok" for kind in KINDS)
    assert done.stderr == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_keeps_the_rules(ferbench_cli, tmp_path, kind):
    done = ferbench_cli("plugins", "new", kind, f"my-{kind}", "--single-file")
    assert done.exit_code == 0, done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [f"my_{kind}.py"]
    checked = ferbench_cli("plugins", "check", f"my-{kind}", "--plugin", f"my_{kind}.py")
    assert checked.exit_code == 0, checked.stdout


def test_generated_code_is_tidy(tmp_path):
    for kind in KINDS:
        write_plugin(kind, "a-name-that-is-rather-long-as-names-go", tmp_path, single=False)
        (tmp_path / "a-name-that-is-rather-long-as-names-go").rename(tmp_path / kind)
        write_plugin(kind, f"file-{kind}", tmp_path, single=True)
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--select", "E,F,I,B,UP,N,PTH,SIM,RUF"]
    for command in (["check", *rules], ["format", "--check"]):
        arguments = [*ruff, *command, "--isolated", "--line-length", "120", str(tmp_path)]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_generated_model_trains(ferbench_cli):
    ferbench_cli("plugins", "new", "model", "tiny", "--single-file")
    small = ["dataset.size=16", "dataset.train=35", "dataset.test=14", "training.epochs=1", "data.image_size=16"]
    flags = [part for one in small for part in ("--set", one)]
    done = ferbench_cli("run", "--plugin", "tiny.py", "--model", "tiny", *flags, "--quiet", "--cache", "cache")
    assert done.exit_code == 0, done.stderr
    assert "macro average" in done.stdout


def test_the_command_lists_what_it_wrote(ferbench_cli, tmp_path):
    done = ferbench_cli("plugins", "new", "model", "my-net")
    assert done.exit_code == 0
    target, *rest = done.stdout.splitlines()
    listed = [line.strip() for line in rest[: rest.index("Next:")]]
    written = [str(path.relative_to(tmp_path / target)) for path in (tmp_path / target).rglob("*") if path.is_file()]
    assert target == "my-net"
    assert sorted(listed) == sorted(written) == sorted(package_files("model", "my-net"))


HOSTILE = ["", "My-Net", "my_net", "-net", "net-", "a--b", "../net", "a/b", "net.py", "né", "a b", 'x"y', "x\ny", "$x"]
HOSTILE += ["a" * 41, "\x1b[31mred", "{x}", "..", "con:1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_refused_and_nothing_written(ferbench_cli, tmp_path, name):
    done = ferbench_cli("plugins", "new", "--", "model", name)
    assert done.exit_code == 2
    assert "is no name for a model" in done.stderr
    assert "\x1b" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["class", "3d-net", "torch", "build", "ferbench", "none-such"])
def test_names_that_mean_something_to_python_do_no_harm(ferbench_cli, name):
    ferbench_cli("plugins", "new", "schedule", name, "--single-file")
    file = f"{name.replace('-', '_')}.py"
    checked = ferbench_cli("plugins", "check", name, "--kind", "schedule", "--plugin", file)
    assert checked.exit_code == 0, checked.stdout + checked.stderr


def test_the_name_of_an_existing_component_is_refused(ferbench_cli, tmp_path):
    done = ferbench_cli("plugins", "new", "model", "basic-cnn")
    assert done.exit_code == 2
    assert "model 'basic-cnn' is there already: ferbench 0.1.0 offers it" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [(), ("--single-file",)])
def test_what_exists_is_left_as_it_is(ferbench_cli, tmp_path, flags):
    target = tmp_path / ("my_net.py" if flags else "my-net")
    target.mkdir()
    (target / "mine").write_text("precious")
    done = ferbench_cli("plugins", "new", "model", "my-net", *flags)
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name]
    assert (target / "mine").read_text() == "precious"


def test_a_place_that_is_not_there_is_refused(ferbench_cli, tmp_path):
    done = ferbench_cli("plugins", "new", "loss", "my-loss", "--output", "nowhere")
    assert done.exit_code == 2
    assert "nowhere is no directory" in done.stderr


def test_a_failure_in_between_leaves_nothing(tmp_path, monkeypatch):
    def full(self, text, encoding):
        if self.name == "README.md":
            raise OSError(28, "No space left on device")
        return len(self.write_bytes(text.encode()) and text)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left"):
        write_plugin("model", "my-net", tmp_path, single=False)
    assert list(tmp_path.iterdir()) == []


def test_names_of_other_kinds_are_free():
    from ferbench.plugin.discovery import load_registry

    check_name("loss", "basic-cnn", load_registry())
