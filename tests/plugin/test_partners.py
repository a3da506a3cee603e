"""A loss and the model that it learns with: what one needs and the other gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ferbench.errors import UserError
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.partners import check_partners, dependent_options, needed, remedy_for, spec_fault, views_of
from ferbench.plugin.specs import LossSpec, ModelSpec

PLUGIN = """
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("centres", build="pair:loss", needs=("features",))
    yield ferbench.LossSpec("angles", build="pair:loss", needs=("cosine",))
    yield ferbench.LossSpec("maps", build="pair:loss", needs=("maps",))
    yield ferbench.LossSpec("nobody", build="pair:loss", needs=("features", "nowhere"))
    yield ferbench.LossSpec("flips", build="pair:loss", views=("drawn", "mirrored"))

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("bare", build="pair:model")
    yield ferbench.ModelSpec("twice", build="pair:model", views=("drawn", "drawn", "drawn"))

def loss(task):
    ...

def model(task, *, depth: int = 1):
    '''A model.

    Args:
        depth: layers; nowhere is among the outputs from 3 on.
    '''
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    file = tmp_path_factory.mktemp("pair") / "pair.py"
    file.write_text(PLUGIN)
    return load_registry([str(file)], environ={"FERBENCH_PLUGINS": ""})


def refused(registry, loss: str, model: str) -> UserError:
    with pytest.raises(UserError) as error:
        check_partners(registry.find("loss", loss), registry.find("model", model), registry)
    return error.value


def test_a_loss_whose_needs_the_model_does_not_give_is_refused_with_models_that_do(registry):
    error = refused(registry, "centres", "bare")
    assert error.message == "loss 'centres' needs features, which model 'bare' does not give"
    assert "choose a model that does: basic-cnn, " in error.remedy
    assert error.remedy.endswith("ModelSpec(gives=('features',))")
    assert refused(registry, "nobody", "basic-cnn").remedy == "no model here does"
    assert "needs nowhere, which" in refused(registry, "nobody", "basic-cnn").message


def test_a_loss_goes_with_a_model_that_gives_what_it_needs(registry):
    assert needed(registry.find("loss", "angles").spec) == ("cosine",)
    check_partners(registry.find("loss", "angles"), registry.find("model", "resnet9"), registry)
    check_partners(registry.find("loss", "cross-entropy"), registry.find("model", "bare"), registry)


def test_the_longer_views_count_where_they_begin_alike(registry):
    assert views_of(LossSpec("l", "a:b"), ModelSpec("m", "a:b", views=("drawn", "drawn"))) == ("drawn", "drawn")
    check_partners(registry.find("loss", "cross-entropy"), registry.find("model", "twice"), registry)
    assert "want other views of a sample: drawn, mirrored and" in refused(registry, "flips", "twice").message


def test_the_option_that_decides_is_named(registry):
    model = registry.find("model", "resnet9")
    assert remedy_for(model, "cosine") == "say --set model.head=cosine"
    assert remedy_for(model, "maps") == "say --set model.grid=1 --set model.units=0"
    timm = remedy_for(registry.find("model", "timm"), "maps")
    assert timm == "its option backbone says when it does: ferbench plugins show timm"
    assert dependent_options(registry.find("model", "bare"), "nowhere") == ["depth"]
    assert "ferbench.Outputs" in remedy_for(registry.find("model", "bare"), "features")


def test_models_that_could_are_named_with_the_settings_that_they_take(registry):
    angles = refused(registry, "angles", "linear").remedy
    assert angles.startswith("choose a model that does: basic-cnn, cnn4, ")
    assert angles.endswith(" more, with model.head=cosine")
    maps = refused(registry, "maps", "linear").remedy
    assert "cnn4 (model.units=0 and model.pool=mean), " in maps
    assert "resnet18, " in maps


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (LossSpec("l", "a:b", needs="features"), r"its needs are 'features', not a tuple"),  # type: ignore[arg-type]
        (ModelSpec("m", "a:b", gives=("a b",)), r"its gives are \('a b',\)"),
        (LossSpec("l", "a:b", views=("mirrored",)), r"its views are \('mirrored',\), not a tuple that begins"),
        (LossSpec("l", "a:b", views=()), "its views are"),
        (ModelSpec("m", "a:b", views=("drawn", "turned")), "its views are"),  # type: ignore[arg-type]
    ],
)
def test_specs_that_say_it_wrongly_are_refused(spec, said):
    import re

    assert re.search(said, spec_fault(spec) or "")
    assert spec_fault(LossSpec("l", "a:b", needs=("features",), views=("drawn", "mirrored"))) is None


def test_it_is_said_before_torch_is_loaded(tmp_path):
    (tmp_path / "pair.py").write_text(PLUGIN)
    said = f"""
import sys
from ferbench.cli import cli
from click.testing import CliRunner
done = CliRunner().invoke(cli, ["run", "--plugin", {str(tmp_path / "pair.py")!r}, "--loss", "centres", "--model",
                                "bare", "--results", {str(tmp_path / "results")!r}], prog_name="ferbench")
print(done.exit_code, "torch" in sys.modules, done.output)
"""
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2 False")
    assert "loss 'centres' needs features, which model 'bare' does not give" in done.stdout
    assert not (tmp_path / "results").exists()
