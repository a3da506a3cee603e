"""The list of kinds: a kind that stands in it is there wherever kinds matter, with nothing else changed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

from ferbench import kinds
from ferbench.plugin import hookspecs, specs

#: Loads the list with one kind more, its spec and its hook, and says where that kind then appears.
PROBE = r'''
import json, sys, types
from pathlib import Path

folder = Path(sys.argv[1])
source = Path(sys.argv[2]).read_text()
made_up = """
KINDS = (
    Kind(
        name="face", hook="ferbench_faces", spec="FaceSpec", noun="face finder", given=0, default="whole", in_ids=True,
        in_labels=True, rules="face_rules", scaffold=Scaffold("finder"),
    ),"""
assert source.count("\nKINDS = (") == 1
module = types.ModuleType("ferbench.kinds")
sys.modules["ferbench.kinds"] = module
exec(compile(source.replace("\nKINDS = (", made_up), "kinds.py", "exec"), module.__dict__)

import dataclasses
from typing import ClassVar
from ferbench.plugin import specs

@dataclasses.dataclass(frozen=True, slots=True)
class FaceSpec(specs.Spec):
    kind: ClassVar[str] = "face"

specs.FaceSpec = FaceSpec
from ferbench.plugin import hookspecs

@hookspecs.hookspec
def ferbench_faces():
    "Face finders."

hookspecs.ferbench_faces = ferbench_faces

import face_plugin
import ferbench
from made_packs import make_pack
from ferbench.cli import cli
from ferbench.cli.check import check
from ferbench.cli.new_plugin import new_plugin
from ferbench.cli.run import run
from ferbench.experiment.differences import of_recipe, title
from ferbench.experiment.prepare import Preparer
from ferbench.experiment.settings import grid, read_recipe
from ferbench.experiment.toml import recipe_toml
from ferbench.plugin.discovery import load_registry
from ferbench.ranking.filters import KEYS
from ferbench.report.leaderboard_columns import SHARED
from ferbench.scaffold.plugin import _hook
from ferbench.testing.rules import rules_of
from ferbench.tuning.space import SEARCHED

registry = load_registry(["face_plugin"], environ={"FERBENCH_PLUGINS": ""})
counts = {part: {"angry": 20, "happy": 20} for part in ("train", "test")}
preparer = Preparer(registry, lambda resolved: make_pack(counts, classes=("angry", "happy")))
recipe = folder / "recipe.toml"
recipe.write_text('[face]\nname = "boxes"\nmargin = 0.5\n')

def plan_of(**asked):
    (settings,) = grid(read_recipe(recipe), **asked)
    return settings, preparer.prepare(settings)

settings, plan = plan_of()
_, other = plan_of(sets=["face.margin=0.25"])
_, default = plan_of(components={"face": ["whole"]})
options = {option.opts[0]: option.help for option in run.params if option.opts[0].startswith("--")}
print("\n" + json.dumps({
    "components": [component.name for component in registry.components("face")],
    "identity": plan.identity["components"]["face"]["options"],
    "ids": len({plan.training_id, other.training_id, default.training_id}),
    "record": plan.resolved.describe()["face"].name,
    "default": default.resolved.components["face"].component.name,
    "title": title(of_recipe(settings, module.DEFAULTS)),
    "flag": options["--face"],
    "kinds": [list(next(p for p in command.params if p.name == "kind").type.choices)[0]
              for command in (check, new_plugin)],
    "scaffold": "ferbench.FaceSpec(" in _hook("face", "my-face", "my_face.finder"),
    "rules": [rule.name for rule in rules_of("face")][-1],
    "elsewhere": ["face" in names for names in (KEYS, SHARED, SEARCHED)],
}))
'''

PLUGIN = """
import ferbench
from ferbench.plugin.specs import FaceSpec

@ferbench.hookimpl
def ferbench_faces():
    return [FaceSpec("whole", build="face_plugin:whole"), FaceSpec("boxes", build="face_plugin:boxes")]

def whole(): ...

def boxes(*, margin: float = 0.1): ...
"""

RULES = '''
from ferbench.testing.rules import RuleSet

RULES = RuleSet(lambda subject: subject)

@RULES.rule()
def finds_faces(bench):
    """It finds faces."""
'''


def test_a_new_kind_is_wherever_kinds_matter(tmp_path):
    (tmp_path / "face_plugin.py").write_text(PLUGIN)
    (tmp_path / "face_rules.py").write_text(RULES)
    (tmp_path / "probe.py").write_text(textwrap.dedent(PROBE))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "probe.py"), str(tmp_path), str(kinds.__file__)],
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(entry for entry in sys.path if entry)}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "components": ["boxes", "whole"],
        "identity": {"margin": 0.5},
        "ids": 3,
        "record": "boxes",
        "default": "whole",
        "title": "boxes × synthetic-faces × basic-cnn × cross-entropy × shuffled, seed 0",
        "flag": "Face finder plugin. Repeat any of these flags to make a grid.",
        "kinds": ["face", "face"],
        "scaffold": True,
        "rules": "finds-faces",
        "elsewhere": [True, True, True],
    }


def test_every_kind_names_its_spec_its_hook_and_its_rules():
    for kind in kinds.KINDS:
        assert getattr(specs, kind.spec).kind == kind.name
        assert hasattr(hookspecs, kind.hook)
    declared = {one for one in vars(specs).values() if isinstance(one, type) and issubclass(one, specs.Spec)}
    assert declared - {specs.Spec} == {getattr(specs, kind.spec) for kind in kinds.KINDS}
    assert set(kinds.WITH_RULES) == set(kinds.WITH_SCAFFOLD) == {*kinds.SECTIONS, "tracker", "metric", "estimator"}
