"""The files of a new plugin, filled in from the templates beside this module."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from ferbench.errors import UserError
from ferbench.kinds import BY_NAME, Scaffold
from ferbench.plugin.loading import NAME
from ferbench.plugin.registry import Registry
from ferbench.storage import writing
from ferbench.version import API_VERSION, __version__
from ferbench.wording import one_line

_TEMPLATES = Path(__file__).with_name("templates")
_LONGEST_NAME = 40


def package_files(kind: str, name: str) -> dict[str, str]:
    """Texts by path, relative to the package's folder: pyproject, light ``plugin.py``, implementation, test, README."""
    values = _values(kind, name)
    package, module = values["package"], values["module"]
    test = "test_dataset.py" if _scaffold(kind).needs_data else "test.py"
    return {
        "pyproject.toml": _filled("pyproject.toml", values),
        "README.md": _filled("README.md", values),
        f"{package}/__init__.py": f'"""{values["title"]}: a {kind} for ferbench."""\n',
        f"{package}/plugin.py": _filled("plugin.py", {**values, "hook": _hook(kind, name, f"{package}.{module}")}),
        f"{package}/{module}.py": _filled(f"{kind}.py", {**values, "hook": ""}),
        f"tests/test_{package.removeprefix('ferbench_')}.py": _filled(test, values),
    }


def single_file(kind: str, name: str) -> tuple[str, str]:
    """Name and text of the file that ``--plugin`` takes: description and implementation in one."""
    stem = name.replace("-", "_")
    hook = _hook(kind, name, stem)
    if "\nimport ferbench\n" not in _template(f"{kind}.py"):
        hook = f"\nimport ferbench\n{hook}"
    return f"{stem}.py", _filled(f"{kind}.py", {**_values(kind, name), "hook": hook})


def check_name(kind: str, name: str, registry: Registry) -> None:
    """Refuse what cannot be a component's name, or is one already.

    Raises:
        UserError: naming the rule, or the plugin that has the name.
    """
    if not NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"'{one_line(name)[:80]}' is no name for a {kind}",
            f"take lower-case words of letters and digits, joined by hyphens, such as my-net; {_LONGEST_NAME} at most",
        )
    for component in registry.components(BY_NAME[kind].section or kind):
        if component.name == name:
            raise UserError(
                f"{kind} '{name}' is there already: {component.distribution} {component.version} offers it",
                "choose another name; with two of one name, each must be called DISTRIBUTION:NAME",
            )


def write_plugin(kind: str, name: str, folder: Path, single: bool) -> list[Path]:
    """Write a new plugin into ``folder``: all of it, or nothing.

    Args:
        kind: one of `ferbench.kinds.WITH_SCAFFOLD`.
        name: of the component, which `check_name` let pass.
        folder: an existing directory.
        single: one file instead of a package in a folder of its own.

    Returns:
        What was written, the plugin's folder (or its file) first.

    Raises:
        UserError: something of that name exists, or the directory cannot be written.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no directory", "make it first, or name another with --output")
    if single:
        file, text = single_file(kind, name)
        files, target = {"": text}, folder / file
    else:
        files, target = package_files(kind, name), folder / name
    if os.path.lexists(target):
        raise UserError(f"{target} exists already", "remove it, choose another name, or name a directory with --output")
    temporary = folder / f".{target.name}.{secrets.token_hex(6)}.tmp"
    with writing(folder):
        try:
            for path, text in files.items():
                (temporary / path).parent.mkdir(parents=True, exist_ok=True)
                (temporary / path).write_text(text, encoding="utf-8")
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)
            raise
    return [target] if single else [target, *(target / path for path in files)]


def data_flag(kind: str) -> str:
    """What a command line says of the files of a component of a kind, after a blank; empty where it needs none."""
    return " --data DIR" if _scaffold(kind).needs_data else ""


def chosen_by(kind: str, name: str) -> str:
    """The options of ``ferbench run`` that choose a component."""
    return f"--set evaluation.metrics={name}" if kind == "metric" else f"--{BY_NAME[kind].section or kind} {name}"


def _scaffold(kind: str) -> Scaffold:
    scaffold = BY_NAME[kind].scaffold
    assert scaffold is not None
    return scaffold


def _values(kind: str, name: str) -> dict[str, str]:
    data = data_flag(kind)
    return {
        "kind": kind,
        "name": name,
        "title": name.replace("-", " ").capitalize(),
        "camel": "".join(part.capitalize() for part in name.split("-")),
        "distribution": f"ferbench-{name}",
        "package": f"ferbench_{name.replace('-', '_')}",
        "module": _scaffold(kind).module,
        "version": __version__,
        "check": data,
        "run": f"{chosen_by(kind, name)}{data}",
    }


def _hook(kind: str, name: str, module: str) -> str:
    """The lines that describe the component, for a module that has imported ferbench."""
    hook, spec, about = BY_NAME[kind].hook, BY_NAME[kind].spec, _scaffold(kind)
    more = "".join(f"\n            {argument}," for argument in about.arguments)
    return f"""
#: The version of ferbench's plugin interface that this is written for.
FERBENCH_API = {API_VERSION}


@ferbench.hookimpl
def {hook}() -> list[ferbench.{spec}]:
    return [
        ferbench.{spec}(
            "{name}",
            build="{module}:{about.attribute}",
            summary="{name.replace("-", " ").capitalize()}",{more}
        )
    ]
"""


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template(_template(template)).substitute(values)


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")
