"""``ferbench plugins list|show`` and shell completion, with third-party distributions on the path."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "plugin" / "fixtures"


def path_with(*names: str) -> dict[str, str]:
    """An environment in which the fixture distributions are installed."""
    folders = [str(FIXTURES / name) for name in names]
    return {"PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}


# list


def test_list_shows_every_component_and_its_plugin(ferbench_cli):
    done = ferbench_cli("plugins", "list")
    assert done.exit_code == 0
    header, *rows = done.stdout.splitlines()
    assert header.split() == [
        *("name", "kind", "distribution", "version", "origin", "status", "cause,", "or", "summary")
    ]
    [row] = [row for row in rows if row.startswith("basic-cnn ")]
    assert row.split()[:6] == ["basic-cnn", "model", "ferbench", "0.1.0", "ferbench_builtin.plugin", "ok"]


def test_list_of_one_kind_shows_no_other(ferbench_cli):
    done = ferbench_cli("plugins", "list", "--kind", "loss", "--json")
    assert {component["kind"] for component in json.loads(done.stdout)["components"]} == {"loss"}


def test_list_survives_every_broken_plugin_and_shows_the_cause(ferbench_cli):
    names = sorted(folder.name for folder in FIXTURES.iterdir() if folder.is_dir())
    done = ferbench_cli("plugins", "list", env=path_with(*names), fresh=True)
    assert done.exit_code == 0
    assert "probe-net" in done.stdout
    [row] = [row for row in done.stdout.splitlines() if row.startswith("import_error ")]
    assert row.split()[:6] == ["import_error", "—", "import-error", "1.0", "import_error_plugin", "broken"]
    assert "broken: 'import_error' (import-error 1.0): ImportError: the moon" in done.stdout
    assert len([line for line in done.stderr.splitlines() if "import-error" in line]) == 1
    assert "\x1b" not in done.stdout + done.stderr


def test_list_marks_names_that_clash(ferbench_cli):
    done = ferbench_cli("plugins", "list", env=path_with("twin_a", "twin_b"), fresh=True)
    assert [row.split()[5] for row in done.stdout.splitlines() if row.startswith("twin-net")] == ["clash"] * 2
    assert "say twin-a:twin-net or twin-b:twin-net" in done.stdout


def test_list_names_a_slow_plugin_with_its_seconds(ferbench_cli):
    done = ferbench_cli("plugins", "list", env=path_with("slow"), fresh=True)
    (row,) = [row for row in done.stdout.splitlines() if row.startswith("slow-net")]
    assert re.search(r"\bslow +takes \d+\.\d s to load$", row)
    assert re.search(r"^slow: 'slow' \(slow 1\.0\) takes \d+\.\d s to load", done.stdout, flags=re.MULTILINE)


def test_list_as_json_has_the_cause_of_each_status(ferbench_cli):
    done = ferbench_cli("plugins", "list", "--json", env=path_with("slow", "twin_a", "twin_b", "old_api"), fresh=True)
    listed = json.loads(done.stdout)
    causes = {one["qualified_name"]: (one["status"], one["cause"]) for one in listed["components"]}
    assert causes["ferbench:basic-cnn"] == ("ok", None)
    assert causes["twin-a:twin-net"] == ("clash", "twin-b has this name too; say twin-a:twin-net")
    assert causes["slow:slow-net"][0] == "slow"
    (old,) = [one for one in listed["plugins"] if one["name"] == "old_api"]
    assert (old["status"], old["version"]) == ("broken", "1.0")
    assert "version 0 of the plugin interface" in old["cause"]


@pytest.mark.parametrize(
    "command", [("leaderboard",), ("plugins", "show", "cosine"), ("run", "--model", "linear", "--dry-run"), ("--help",)]
)
def test_no_plugin_however_broken_stops_another_command(ferbench_cli, command):
    # A malformed entry_points.txt fails `import torch` itself, whoever imports it.
    left_out = {"__pycache__"} | ({"malformed"} if command[0] == "run" else set())
    names = sorted(folder.name for folder in FIXTURES.iterdir() if folder.name not in left_out)
    done = ferbench_cli(*command, env={**path_with(*names), "FERBENCH_CACHE": "cache"}, fresh=True)
    assert done.exit_code == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_strict_mode_makes_a_broken_plugin_a_users_mistake(ferbench_cli):
    environment = {**path_with("old_api"), "FERBENCH_STRICT_PLUGINS": "1"}
    done = ferbench_cli("plugins", "list", env=environment, fresh=True)
    assert done.exit_code == 2
    assert "plugin 'old_api' (old-api 1.0) is broken" in done.stderr


def test_list_as_json_stays_json_though_a_plugin_prints(ferbench_cli):
    done = ferbench_cli("plugins", "list", "--json", env=path_with("noisy", "import_error"), fresh=True)
    listed = json.loads(done.stdout)
    statuses = {plugin["name"]: plugin["status"] for plugin in listed["plugins"]}
    assert statuses.items() >= {"builtin": "ok", "import_error": "broken", "noisy": "ok"}.items()
    assert "noisy:noisy-net" in {component["qualified_name"] for component in listed["components"]}


def test_list_cuts_no_name_in_a_pipe(ferbench_cli, tmp_path):
    name = "-".join(["long"] * 60)
    (tmp_path / "long.py").write_text(
        "import ferbench\n@ferbench.hookimpl\n"
        f"def ferbench_losses():\n    yield ferbench.LossSpec('{name}', 'x:y', summary='{'word ' * 80}')\n"
    )
    done = ferbench_cli("plugins", "list", "--plugin", "long.py", env={"COLUMNS": "40"})
    [row] = [row for row in done.stdout.splitlines() if name in row]
    assert row.endswith("word")


def test_list_says_what_the_environment_leaves_out(ferbench_cli):
    done = ferbench_cli("plugins", "list", env={**path_with("working"), "FERBENCH_PLUGINS": ""}, fresh=True)
    assert re.search(r"^left out by FERBENCH_PLUGINS: .*\bworking\b", done.stdout, flags=re.MULTILINE)
    assert "probe-net" not in done.stdout


# show


def test_show_prints_the_options(ferbench_cli):
    done = ferbench_cli("plugins", "show", "basic-cnn")
    assert done.exit_code == 0
    [row] = [row for row in done.stdout.splitlines() if row.startswith("dropout ")]
    assert row.split("  ")[0:1] == ["dropout"]
    assert "float" in row
    assert "0 ≤ x < 1" in row
    assert "0 … 0.6" in row


def test_show_prints_the_layers_of_a_model(ferbench_cli):
    # Keras' summary of the published model: 118,531 parameters at three classes.
    done = ferbench_cli("plugins", "show", "basic-cnn", "--classes", "3")
    assert "118,531 parameters" in done.stdout


def test_show_tells_what_a_model_gives_and_a_loss_needs(ferbench_cli, tmp_path):
    (tmp_path / "mirror.py").write_text(
        "import ferbench\n\n@ferbench.hookimpl\ndef ferbench_losses():\n"
        "    yield ferbench.LossSpec('mirror', build='mirror:loss', needs=('maps',), views=('drawn', 'mirrored'))\n\n"
        "def loss(task): ...\n"
    )
    assert "gives        logits, features, classifier, cosine, maps\n" in ferbench_cli("plugins", "show", "cnn4").stdout
    shown = ferbench_cli("plugins", "show", "mirror", "--plugin", str(tmp_path / "mirror.py"))
    assert [line for line in shown.stdout.splitlines() if line.startswith(("needs", "views"))] == [
        "needs              logits, maps",
        "views of a sample  drawn, mirrored",
    ]
    record = json.loads(
        ferbench_cli("plugins", "show", "mirror", "--plugin", str(tmp_path / "mirror.py"), "--json").stdout
    )
    assert (record["needs"], record["views"]) == (["maps"], ["drawn", "mirrored"])


def test_show_tells_what_a_sampler_hears_of(ferbench_cli):
    hears = {
        name: next(line for line in ferbench_cli("plugins", "show", name).stdout.splitlines() if "hears of" in line)
        for name in ("adaptive", "hard-examples")
    }
    assert hears["adaptive"].split(maxsplit=2)[2] == "each class"
    assert hears["hard-examples"].split(maxsplit=2)[2] == "each class and each sample"
    shown = json.loads(ferbench_cli("plugins", "show", "hard-examples", "--json").stdout)
    assert shown["per_sample"] is True
    assert {option["name"] for option in shown["options"]} == {"pressure", "final_pressure"}


@pytest.mark.parametrize(
    ("name", "passes", "closure"), [("sam", "about 2: it calls a closure, ", True), ("sgd", "1", False)]
)
def test_show_tells_how_many_passes_a_step_of_an_optimiser_takes(ferbench_cli, name, passes, closure):
    (line,) = [line for line in ferbench_cli("plugins", "show", name).stdout.splitlines() if line.startswith("passes")]
    assert line.removeprefix("passes a step").strip().startswith(passes)
    assert json.loads(ferbench_cli("plugins", "show", name, "--json").stdout)["closure"] is closure


def test_show_computes_the_layers_with_the_settings(ferbench_cli, monkeypatch):
    monkeypatch.syspath_prepend(str(FIXTURES / "working"))
    done = ferbench_cli(
        *("plugins", "show", "probe-net", "--kind", "model", "--set", "hidden=2", "--set", "bias=false"),
        *("--classes", "5", "--image-size", "4", "--json"),
    )
    shown = json.loads(done.stdout)
    assert shown["options_used"] == {"hidden": 2, "bias": False}
    assert shown["layers"]["parameters"] == 4 * 4 * 2 + 2 * 5
    assert [layer["name"] for layer in shown["layers"]["rows"]] == ["0", "1", "2"]


def test_show_prints_the_protocols_of_a_dataset(ferbench_cli):
    done = ferbench_cli("plugins", "show", "fer2013")
    [row] = [row for row in done.stdout.splitlines() if row.startswith("official (default)")]
    assert row.split()[2:5] == ["Training", "PublicTest", "PrivateTest"]


def test_show_without_a_required_option_says_how_to_get_the_layers(ferbench_cli):
    done = ferbench_cli("plugins", "show", "sized-net", env=path_with("working"), fresh=True)
    assert done.exit_code == 0
    assert "For the layers say --set hidden=…" in done.stdout


def test_show_of_a_component_without_options_says_so(ferbench_cli):
    done = ferbench_cli("plugins", "show", "probe-loss", env=path_with("working"), fresh=True)
    assert "It has no options." in done.stdout


MISTAKES = {
    ("basic-cn",): ("unknown component 'basic-cn'", "did you mean 'basic-cnn'?"),
    ("basic-cnn", "--set", "drpout=1"): (
        "unknown option 'drpout' for model 'basic-cnn'",
        "did you mean 'dropout'?",
    ),
    ("basic-cnn", "--set", "dropout=1.5"): (
        "model.dropout = 1.5: must be less than 1",
        "set model.dropout to a number, at least 0 and less than 1,",
    ),
    ("basic-cnn", "--set", "dropout"): ("--set 'dropout' is not option=value", "for example"),
    ("shuffled", "--set", "x=1"): ("sampler 'shuffled' has no layers", "leave --set"),
    ("basic-cnn", "--plugin", "nowhere.py"): (
        "--plugin nowhere.py: the file does not exist",
        "give the path",
    ),
    ("probe-net",): (
        "'probe-net' names components of several kinds",
        "--kind model or --kind tracker",
    ),
    ("twin-net",): ("offered by 2 plugins", "say 'twin-a:twin-net' or 'twin-b:twin-net'"),
    ("import-error:x",): ("ImportError: the moon is in the wrong phase", "where an import fails"),
    ("lacks-package",): (
        "missing dependency: no module named 'no_such_dependency'",
        "install the missing package",
    ),
}


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_two_lines_and_exit_code_2(ferbench_cli, arguments, monkeypatch):
    for name in ("working", "twin_a", "twin_b", "import_error", "late"):
        monkeypatch.syspath_prepend(str(FIXTURES / name))
    done = ferbench_cli("plugins", "show", *arguments)
    message, remedy = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    said, advised = MISTAKES[arguments]
    assert (done.exit_code, done.stdout) == (2, "")
    assert message.startswith("error: ")
    assert said in message
    assert remedy.startswith("  → ")
    assert advised in remedy


# completion


def complete(ferbench_cli, *words: str, env: dict[str, str] | None = None) -> list[str]:
    done = ferbench_cli(
        env={
            "COMP_WORDS": " ".join(["ferbench", *words]),
            "COMP_CWORD": str(len(words)),
            "_FERBENCH_COMPLETE": "bash_complete",
            **(env or {}),
        },
        fresh=True,
    )
    assert done.stderr == ""
    return [line.split(",", 1)[1] for line in done.stdout.splitlines()]


def test_commands_complete(ferbench_cli):
    assert complete(ferbench_cli, "plu") == ["plugins"]


def test_component_names_complete_and_broken_plugins_keep_quiet(ferbench_cli):
    environment = path_with("working", "import_error", "noisy", "system_exit")
    assert complete(ferbench_cli, "plugins", "show", "probe", env=environment) == ["probe-net", "probe-loss"]


def test_completion_heeds_kind_and_plugin(ferbench_cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import ferbench\n@ferbench.hookimpl\n"
        "def ferbench_losses():\n    yield ferbench.LossSpec('basic-loss', build='mine:loss')\n"
    )
    words = ("plugins", "show", "--plugin", "mine.py", "--kind")
    assert complete(ferbench_cli, *words, "loss", "basic") == ["basic-loss"]
    assert complete(ferbench_cli, *words, "model", "basic") == ["basic-cnn"]


def test_names_that_clash_complete_with_their_distribution(ferbench_cli):
    found = complete(ferbench_cli, "plugins", "show", "twin", env=path_with("twin_a", "twin_b"))
    assert found == ["twin-a:twin-net", "twin-b:twin-net"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(ferbench_cli, shell):
    done = ferbench_cli("completion", shell)
    assert done.exit_code == 0
    assert f"_FERBENCH_COMPLETE={shell}_complete" in done.stdout


def test_show_says_which_other_sizes_a_model_is_made_for(ferbench_cli):
    assert "64×64, gray; made for 48, 96 too" in ferbench_cli("plugins", "show", "basic-cnn").stdout
