"""Discovery through real distributions: each folder of fixtures/ is like a site-packages with one of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import ferbench
from ferbench import UserError
from ferbench.kinds import BY_NAME
from ferbench.plugin import hookspecs
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.loading import HOOKS

FIXTURES = Path(__file__).with_name("fixtures")

BROKEN = {
    "import_error": "ImportError: the moon is in the wrong phase",
    "missing_dependency": "missing dependency: no module named 'no_such_dependency'",
    "missing_module": "No module named 'missing_module_plugin'",
    "system_exit": "SystemExit(3)",
    "exiting_hook": "SystemExit('enough')",
    "raising_hook": "RuntimeError: no more models today",
    "wrong_hook": "unknown hook 'ferbench_model': did you mean 'ferbench_models'?",
    "unmarked_hook": "ferbench_models lacks the decorator @ferbench.hookimpl",
    "hook_with_parameter": "config",
    "no_hook": "it implements none of the hooks",
    "names_nothing": "model 'never-seen' names nothing to build",
    "not_a_spec": "ferbench_models yields dict, not ModelSpec",
    "wrong_kind": "ferbench_models yields LossSpec, not ModelSpec",
    "invalid_name": "invalid model name 'Never Seen'",
    "same_name_twice": "two model specs are named 'never-seen'",
    "not_iterable": "ferbench_models returns one ModelSpec",
    "malformed": "malformed entry_points.txt",
    "old_api": "version 0 of the plugin interface, this ferbench speaks 1 and 2: look for a newer release of it",
    "new_api": "version 99 of the plugin interface, this ferbench speaks 1 and 2: update ferbench",
    "unclear_api": "its FERBENCH_API is str, not a whole number such as 2",
}


@pytest.fixture
def install(monkeypatch):
    """``install("working")`` puts fixture distributions on ``sys.path`` for the length of a test."""

    def put_on_path(*names: str) -> None:
        for name in names:
            assert (FIXTURES / name).is_dir()
            monkeypatch.syspath_prepend(str(FIXTURES / name))

    yield put_on_path
    for name, module in list(sys.modules.items()):
        if str(FIXTURES) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


def record_of(registry, name):
    [record] = [record for record in registry.plugins if record.name in (name, name.replace("_", "-"))]
    return record


def names(registry, kind="model"):
    return [component.name for component in registry.components(kind)]


def test_every_hook_has_a_spec_and_every_spec_a_hook():
    declared = {name for name in vars(hookspecs) if name.startswith("ferbench_")}
    assert declared == set(HOOKS)
    assert tuple(HOOKS[hook].kind for hook in HOOKS) == tuple(BY_NAME)


def test_the_built_ins_come_through_the_entry_point():
    record = record_of(load_registry(), "builtin")
    assert (record.status, record.distribution, record.origin) == (
        "ok",
        "ferbench",
        "ferbench_builtin.plugin",
    )
    assert "basic-cnn" in names(load_registry())


def test_an_installed_plugin_offers_its_components(install):
    install("working")
    component = load_registry().find("model", "probe-net")
    assert (component.qualified_name, component.version) == ("working:probe-net", "1.0")
    assert component.options().names == ("hidden", "bias")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_a_record_with_its_cause_and_one_warning(install, capsys, name):
    install(name)
    registry = load_registry()
    record = record_of(registry, name)
    assert record.status == "broken"
    assert BROKEN[name] in record.error
    assert record.components == ()
    assert "basic-cnn" in names(registry)
    assert "half-seen" not in names(registry)
    [warning] = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: plugin {record.title} is broken")
    assert warning.endswith(record.error)


def test_every_breakage_has_a_test():
    sound = {"working", "twin_a", "twin_b", "noisy", "late", "slow", "added", "api1"}
    assert {folder.name for folder in FIXTURES.iterdir() if folder.name != "__pycache__"} == sound | set(BROKEN)


def test_one_broken_plugin_leaves_the_others_alone(install):
    install("working", *BROKEN)
    registry = load_registry(warn=lambda line: None)
    assert len(registry.broken()) == len(BROKEN)
    assert "probe-net" in names(registry)


def test_asking_a_broken_plugin_for_a_component_prints_its_cause(install):
    install("missing_dependency")
    registry = load_registry(warn=lambda line: None)
    for name in ("missing-dependency:some-net", "Missing_Dependency:some-net", "missing_dependency"):
        with pytest.raises(UserError, match="no module named 'no_such_dependency'"):
            registry.find("model", name)


def test_an_unknown_name_suggests_the_nearest_and_lists_the_choices():
    with pytest.raises(UserError) as caught:
        load_registry().find("model", "basic-cn")
    assert caught.value.message == "unknown model 'basic-cn'"
    assert caught.value.remedy.startswith("did you mean 'basic-cnn'? choices: basic-cnn, ")


def test_an_unknown_name_may_belong_to_a_broken_plugin(install):
    install("import_error")
    with pytest.raises(UserError) as caught:
        load_registry(warn=lambda line: None).find("model", "moon-net")
    assert "the moon is in the wrong phase" in caught.value.remedy


def test_a_name_of_another_kind_is_told(install):
    with pytest.raises(UserError) as caught:
        load_registry().find("model", "cross-entropy")
    assert "'cross-entropy' is a loss" in caught.value.remedy


def test_a_name_in_two_plugins_is_an_error_that_names_both(install):
    install("twin_a", "twin_b")
    with pytest.raises(UserError) as caught:
        load_registry().find("model", "twin-net")
    assert "twin-a 1.0 (twin_a_plugin) and twin-b 1.0 (twin_b_plugin)" in caught.value.message
    assert caught.value.remedy == "say 'twin-a:twin-net' or 'twin-b:twin-net'"


@pytest.mark.parametrize("which", ["a", "b"])
def test_distribution_and_name_tell_twins_apart(install, which):
    install("twin_a", "twin_b")
    component = load_registry().find("model", f"twin-{which}:twin-net")
    assert component.options().names == (f"from_{which}",)


def test_a_distribution_is_named_as_loosely_as_by_pip(install):
    install("twin_a", "twin_b")
    assert load_registry().find("model", "Twin_A:twin-net").distribution == "twin-a"


def test_a_name_in_two_kinds_is_found_by_kind(install):
    install("working")
    registry = load_registry()
    assert registry.find("tracker", "probe-net").kind == "tracker"
    with pytest.raises(UserError, match="model and tracker") as caught:
        registry.find(None, "probe-net")
    assert caught.value.remedy == "say --kind model or --kind tracker"


LATE = {
    "lacks-package": "missing dependency: no module named 'no_such_dependency'",
    "lacks-function": "module 'late_plugin' has no 'tiny_nett' (did you mean 'tiny_net'?)",
    "not-callable": "'late_plugin:NUMBER' is int, not a function or class",
    "takes-anything": "takes **options: name each option as a keyword-only parameter",
    "not-keyword-only": "takes 'width' by position, where the harness gives 1",
    "bad-range": "option 'rate': the search range 0 to 1 lies outside the option (x > 0)",
}


@pytest.mark.parametrize("name", LATE)
def test_a_component_that_cannot_be_used_names_its_plugin_and_the_cause(install, name):
    install("late")
    component = load_registry().find("model", name)
    with pytest.raises(UserError) as caught:
        component.options()
    assert caught.value.message.startswith(f"model '{name}' of plugin 'late' (late 1.0) cannot be used: ")
    assert LATE[name] in caught.value.message


def test_what_a_plugin_prints_when_imported_goes_to_stderr(install, capsys):
    install("noisy")
    load_registry()
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hello from the noisy plugin\n")


def test_interrupting_an_import_interrupts_the_command(tmp_path):
    plugin = tmp_path / "interrupted.py"
    plugin.write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    with pytest.raises(KeyboardInterrupt):
        load_registry([str(plugin)])


# FERBENCH_PLUGINS


def test_plugins_unset_loads_all(install):
    install("working", "twin_a")
    assert {"probe-net", "twin-net", "basic-cnn"} <= set(names(load_registry(environ={})))


@pytest.mark.parametrize("text", ["", " ", ","])
def test_plugins_empty_loads_the_built_ins_alone(install, text):
    install("working", "import_error")
    registry = load_registry(environ={"FERBENCH_PLUGINS": text})
    assert {record.distribution for record in registry.plugins} == {"ferbench"}
    assert "basic-cnn" in names(registry)


@pytest.mark.parametrize("text", ["working,twin-a", " twin_a , working", "Working,TWIN.A,ferbench"])
def test_plugins_loads_these_and_the_built_ins(install, text):
    install("working", "twin_a", "twin_b", "import_error")
    registry = load_registry(environ={"FERBENCH_PLUGINS": text})
    assert {record.distribution for record in registry.plugins} == {"ferbench", "twin-a", "working"}


def test_plugins_with_an_unknown_name_is_an_error(install):
    install("working")
    with pytest.raises(UserError, match="FERBENCH_PLUGINS names the plugin 'wroking'") as caught:
        load_registry(environ={"FERBENCH_PLUGINS": "wroking"})
    assert "did you mean 'working'?" in caught.value.remedy


def test_asking_for_what_plugins_leaves_out_tells_so(install):
    install("working")
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    for name in ("probe-net", "working:probe-net"):
        with pytest.raises(UserError) as caught:
            registry.find("model", name)
        assert "FERBENCH_PLUGINS leaves" in str(caught.value)
        assert "working" in str(caught.value)


def test_strict_mode_makes_a_broken_plugin_an_error(install):
    install("import_error")
    with pytest.raises(UserError, match="the moon is in the wrong phase"):
        load_registry(environ={"FERBENCH_STRICT_PLUGINS": "1"})


def test_strict_mode_makes_one_name_in_two_plugins_an_error(install):
    install("twin_a", "twin_b")
    with pytest.raises(UserError, match="model 'twin-net' is offered by 2 plugins: twin-a"):
        load_registry(environ={"FERBENCH_STRICT_PLUGINS": "1"})


def test_strict_mode_has_nothing_against_sound_plugins(install):
    install("working", "slow")
    assert load_registry(environ={"FERBENCH_STRICT_PLUGINS": "1"}).find("model", "slow-net")


def test_a_plugin_for_this_interface_is_loaded(tmp_path):
    path = local_file(tmp_path)
    path.write_text(f"FERBENCH_API = {ferbench.API_VERSION}\n{path.read_text()}")
    assert load_registry([str(path)]).find("loss", "my-loss")


# --plugin

LOCAL = """
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("my-loss", build="{module}:my_loss")

def my_loss(task, *, gamma: float = {gamma}): ...
"""


def local_file(folder: Path, name: str = "my_file_of_losses", gamma: float = 2.0) -> Path:
    path = folder / f"{name}.py"
    path.write_text(LOCAL.format(module=name, gamma=gamma))
    return path


def test_a_local_file_builds_what_it_holds(tmp_path):
    path = local_file(tmp_path)
    component = load_registry([str(path)]).find("loss", "my-loss")
    assert component.options().validate({}, "loss") == {"gamma": 2.0}
    assert (component.qualified_name, component.version) == ("my_file_of_losses:my-loss", "local")
    assert component.plugin.origin == str(path)


@pytest.mark.parametrize("name", ["random", "torch", "my-file"])
def test_a_local_file_finds_itself_though_its_name_is_taken_or_no_identifier(tmp_path, name):
    import random

    component = load_registry([str(local_file(tmp_path, name))]).find("loss", "my-loss")
    assert component.options().names == ("gamma",)
    assert sys.modules["random"] is random


def test_a_local_file_leaves_the_import_path_alone(tmp_path):
    before = list(sys.path)
    load_registry([str(local_file(tmp_path))])
    assert sys.path == before


def test_a_changed_local_file_is_read_anew(tmp_path):
    load_registry([str(local_file(tmp_path, gamma=2.0))])
    component = load_registry([str(local_file(tmp_path, gamma=3.0))]).find("loss", "my-loss")
    assert component.options().validate({}, "loss") == {"gamma": 3.0}


def test_the_same_local_file_twice_is_one_plugin(tmp_path, monkeypatch):
    path = local_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_registry([str(path), path.name]).find("loss", "my-loss")


def test_a_local_file_that_is_installed_too_is_no_clash(install):
    install("working")
    registry = load_registry([str(FIXTURES / "working" / "working_plugin.py"), "working_plugin"])
    assert registry.find("model", "probe-net").distribution == "working"


def test_a_local_module_is_imported_by_name(tmp_path, monkeypatch):
    local_file(tmp_path, "my_module_of_losses")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_registry(["my_module_of_losses"]).find("loss", "my-loss").builder()


def test_a_local_plugin_is_loaded_though_the_environment_leaves_others_out(tmp_path):
    assert load_registry([str(local_file(tmp_path))], {"FERBENCH_PLUGINS": ""}).find("loss", "my-loss")


def test_the_working_directory_is_never_searched(tmp_path, monkeypatch, ferbench_cli):
    local_file(tmp_path, "lies_here")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    with pytest.raises(UserError, match="there is no module") as caught:
        load_registry(["lies_here"])
    assert "--plugin lies_here.py" in caught.value.remedy


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_dependency", "missing dependency"),
        ("1 +", "SyntaxError"),
        ("", "implements none of the hooks"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_a_local_plugin_that_fails_is_an_error_at_once(tmp_path, source, cause):
    path = tmp_path / "failing.py"
    path.write_text(source)
    with pytest.raises(UserError, match=cause) as caught:
        load_registry([str(path)])
    assert "failing.py" in caught.value.message


@pytest.mark.parametrize("name", ["nowhere.py", "no_such_module", "a folder/", "not a module", ".relative"])
def test_a_local_plugin_that_is_not_there_is_an_error(name):
    with pytest.raises(UserError, match=f"--plugin {name}"):
        load_registry([name])


# source_hash


def test_a_local_file_is_identified_by_its_content_not_its_place(tmp_path):
    def digest(folder: str, gamma: float) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        path = local_file(tmp_path / folder, gamma=gamma)
        return load_registry([str(path)]).find("loss", "my-loss").source_hash()

    assert digest("here", 2.0) == digest("there", 2.0) != digest("there", 3.0)


def test_the_default_environment_is_the_process_s(install, monkeypatch):
    install("working")
    monkeypatch.setitem(os.environ, "FERBENCH_PLUGINS", "")
    assert "probe-net" not in names(load_registry())
