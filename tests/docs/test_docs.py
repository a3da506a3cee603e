"""The docs say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ferbench.audit.signatures import IDS
from ferbench.cli.audit import audit
from ferbench.cli.compare import compare
from ferbench.cli.doctor import doctor
from ferbench.cli.ensemble import ensemble
from ferbench.cli.evaluate import evaluate
from ferbench.cli.import_ import import_
from ferbench.cli.leaderboard import leaderboard
from ferbench.cli.plugins import plugins
from ferbench.cli.report import report
from ferbench.cli.runs import runs
from ferbench.experiment.recipe import Recipe
from ferbench.experiment.settings import read_recipe
from ferbench.kinds import DEFAULTS, WITH_RULES
from ferbench.metrics.measures import AFFECT_METRICS, HIGHER_IS_BETTER
from ferbench.ranking.filters import KEYS
from ferbench.report.board import Board

ROOT = Path(__file__).parents[2]
RECIPE_PAGE = (ROOT / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", ["data", "training", "evaluation", "runtime"])
def test_every_field_of_a_recipe_is_documented_with_its_default(section):
    """Add the field's row to the section's table in docs/reference/recipe.md."""
    text = RECIPE_PAGE.partition(f"## `[{section}]`")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|\s*([^|]*?)\s*\|", text, flags=re.MULTILINE))
    fields = Recipe.model_fields[section].annotation.model_fields
    assert list(rows) == list(fields)
    for name, field in fields.items():
        if isinstance(field.default, bool):
            assert rows[name] == f"`{str(field.default).lower()}`"
        elif field.default == ():
            assert rows[name] == "`[]`"
        elif name != "device" and field.default is not None:
            assert rows[name] == f"`{field.default}`"


def test_every_component_section_is_documented_with_its_default():
    rows = re.findall(r"^\| `\[(\w+)\]` \| `--(\w+)` \| `([\w-]+)` \|", RECIPE_PAGE, flags=re.MULTILINE)
    assert rows == [(section, section, default) for section, default in DEFAULTS.items()]


@pytest.mark.parametrize(
    "kind", ["preprocessing", "loss", "sampler", "augmentation", "optimizer", "schedule", "postprocessing"]
)
def test_every_built_in_component_is_described_with_its_options(kind):
    """Add a paragraph with the component's name as its heading to docs/reference/components.md."""
    from ferbench.plugin.discovery import load_registry

    page = (ROOT / "docs" / "reference" / "components.md").read_text(encoding="utf-8")
    common = {"warmup", "warmup_unit"}
    for component in (one for one in load_registry().components(kind) if one.distribution == "ferbench"):
        paragraph = page.partition(f"### `{component.name}`\n")[2].partition("\n#")[0]
        missing = [name for name in component.options().names if name not in common and f"`{name}`" not in paragraph]
        assert paragraph, component.name
        assert not missing, (component.name, missing)


def test_the_table_of_losses_has_all_of_them():
    from ferbench.plugin.discovery import load_registry

    page = (ROOT / "docs" / "reference" / "components.md").read_text(encoding="utf-8")
    names = re.findall(
        r"^\| `([\w-]+)` \|", page.partition("\n## Losses\n")[2].partition("\n### ")[0], flags=re.MULTILINE
    )
    built_in = [one.name for one in load_registry().components("loss") if one.distribution == "ferbench"]
    assert sorted(names) == sorted(built_in)


def test_every_metric_is_documented():
    from ferbench.metrics.affect import dimension_scores
    from ferbench.metrics.calibration import calibration_metrics
    from ferbench.metrics.classification import score

    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    names = {*HIGHER_IS_BETTER, *score(np.eye(2, dtype=np.int64)).summary()} - set(AFFECT_METRICS)
    names |= {"brier", "roc_auc", "pr_auc"}
    names |= set(calibration_metrics(np.zeros(1, dtype=np.int64), np.ones((1, 1))))
    names |= set(dimension_scores(np.zeros(1), np.zeros(1)))
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_selection_metric_is_documented():
    (row,) = [line for line in RECIPE_PAGE.splitlines() if line.startswith("| `select`")]
    assert all(f"`{metric}`" in row for metric in HIGHER_IS_BETTER)


def test_every_option_and_key_of_the_leaderboard_is_documented():
    page = (ROOT / "docs" / "reference" / "leaderboard.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[\w-]+)", page, flags=re.MULTILINE)
    assert sorted(rows) == sorted(option.opts[0] for option in leaderboard.params)
    (keys,) = re.findall(r"The keys are (.*?), and every stored setting", page, flags=re.DOTALL)
    assert re.findall(r"`(\w+)`", keys) == list(KEYS)
    columns = page.partition("## Columns")[2].partition("## Formats")[0]
    base = {*Board([], single=True).columns, *Board([], single=False).columns}
    assert [key for key in base if f"`{key}`" not in columns] == []


def test_every_option_of_a_report_is_documented():
    page = (ROOT / "docs" / "reference" / "report.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[\w-]+)", page, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in report.params if option.opts[0].startswith("--")]


@pytest.mark.parametrize("command", [evaluate, ensemble], ids=lambda command: command.name)
def test_every_option_of_evaluate_and_ensemble_is_documented(command):
    page = (ROOT / "docs" / "reference" / "evaluate.md").read_text(encoding="utf-8")
    section = page.partition(f"## `ferbench {command.name}`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--[\w-]+)", section, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in command.params if option.opts[0].startswith("--")]


@pytest.mark.parametrize(("command", "page"), [(compare, "compare"), (import_, "import")], ids=["compare", "import"])
def test_every_option_of_compare_and_import_is_documented(command, page):
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[\w-]+)", text, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in command.params if option.opts[0].startswith("--")]


@pytest.mark.parametrize("name", runs.commands)
def test_every_option_of_runs_is_documented(name):
    page = (ROOT / "docs" / "reference" / "runs.md").read_text(encoding="utf-8")
    section = page.partition(f"## `ferbench runs {name}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--[\w-]+)", section, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in runs.commands[name].params if option.opts[0].startswith("--")]


def test_every_option_of_the_doctor_is_documented():
    page = (ROOT / "docs" / "reference" / "doctor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[\w-]+)", page, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in doctor.params]


@pytest.mark.parametrize("name", sorted(audit.commands))
def test_every_option_of_an_audit_is_documented(name):
    page = (ROOT / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")
    section = page.partition(f"## `ferbench audit {name}`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--[\w-]+)", section, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in audit.commands[name].params if option.opts[0].startswith("--")]


def test_every_signature_of_a_published_table_is_documented():
    page = (ROOT / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")
    section = page.partition("### Signatures")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(\.\./examples/tables/([\w-]+)\.csv\) \|", section, flags=re.MULTILINE)
    assert sorted(rows) == sorted(zip(IDS, IDS, strict=True))


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_every_recipe_is_valid(path, transformers_plugin):
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import grid
    from ferbench.plugin.discovery import load_registry
    from ferbench.tuning.tune_settings import read_tune

    recipe, registry = read_recipe(path), load_registry(transformers_plugin[1:])
    read_tune(recipe.get("tune", {}), {})
    for settings in grid(recipe):
        resolve(settings, registry)


BENCHMARKS = [ROOT / "benchmarks" / name / "README.md" for name in ("recipes", "published")]
PAGES = [ROOT / "README.md", *BENCHMARKS, *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


DATASETS_PAGE = (ROOT / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")


def built_in_datasets():
    from ferbench.plugin.discovery import load_registry

    return load_registry(environ={"FERBENCH_PLUGINS": ""}).components("dataset")


@pytest.mark.parametrize("dataset", built_in_datasets(), ids=lambda component: component.name)
def test_every_dataset_is_documented_with_its_protocols_and_options(dataset):
    """Add a section to docs/reference/datasets.md, and a row to its table."""
    section = DATASETS_PAGE.partition(f"\n## `{dataset.name}`\n")[2].partition("\n## ")[0]
    assert all(f"`{protocol.name}`" in section for protocol in dataset.spec.protocols)
    assert f"\n| `{dataset.name}` |" in DATASETS_PAGE
    assert f"| `{dataset.spec.protocols[0].name}` |" in DATASETS_PAGE
    if not dataset.spec.synthetic:
        own = set(dataset.options().names) - {"size", "color", "fit"}
        assert {name for name in own if f"`{name}`" not in section} == set()


def test_every_option_of_a_union_is_documented():
    from ferbench.data.union import Union
    from ferbench.plugin.options import OptionSchema

    section = DATASETS_PAGE.partition("\n## Several datasets as one\n")[2]
    assert all(f"`{name}`" in section for name in OptionSchema.of(Union, given=1).names)


PLUGINS_PAGE = (ROOT / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")


def test_every_rule_of_the_conformance_kit_is_documented():
    from ferbench.testing.every import RULES
    from ferbench.testing.rules import rule_set

    text = PLUGINS_PAGE.partition("\n## The rules\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?)(?: \(for information\))? \|$", text, flags=re.MULTILINE)
    rules = [*RULES, *(rule for kind in WITH_RULES for rule in rule_set(kind).rules)]
    assert rows == [(rule.name, rule.summary) for rule in rules]


@pytest.mark.parametrize("command", ["check", "new"])
def test_every_option_of_check_and_new_is_documented(command):
    text = PLUGINS_PAGE.partition(f"\n## `ferbench plugins {command}`\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(--[\w-]+)", text, flags=re.MULTILINE)
    assert rows == [option.opts[0] for option in plugins.commands[command].params if option.opts[0].startswith("--")]
