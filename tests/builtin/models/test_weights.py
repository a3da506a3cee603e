import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ferbench import Task, UserError
from ferbench_builtin.models.cnn4 import cnn4
from ferbench_builtin.models.weights import load_state, read_state

STATE = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def small(classes: int = 3, width: int = 4, affect: bool = False) -> nn.Module:
    task = Task(tuple(f"class{k}" for k in range(classes)), 1, 16, 16, (1,) * classes, has_affect=True)
    return cnn4(task, widths=(width, 4, 4, 4), units=4, affect=affect)


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_safetensors_are_read_without_a_question(tmp_path, capsys):
    save_file(STATE, tmp_path / "w.safetensors")
    assert equal(read_state(str(tmp_path / "w.safetensors"), allow_pickled=False), STATE)
    assert capsys.readouterr().err == ""


def test_a_pickle_is_refused_unless_it_is_allowed(tmp_path, capsys):
    torch.save(STATE, tmp_path / "w.pth")
    with pytest.raises(UserError, match="pickle") as refused:
        read_state(str(tmp_path / "w.pth"), allow_pickled=False)
    assert "allow_pickled_weights=true" in refused.value.remedy
    assert equal(read_state(str(tmp_path / "w.pth"), allow_pickled=True), STATE)
    assert "warning: reading pickled weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "args": {"lr": 0.1}},
        {f"module.{key}": value for key, value in STATE.items()},
        {"model_state_dict": {f"_orig_mod.{key}": value for key, value in STATE.items()}},
    ],
    ids=["state_dict", "model", "data-parallel", "compiled"],
)
def test_weights_are_found_in_what_training_programs_save(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    assert equal(read_state(str(tmp_path / "w.pth"), allow_pickled=True), STATE)


class Arbitrary:
    pass


@pytest.mark.parametrize("content", [Arbitrary(), [1, 2], {"a": "text"}], ids=["object", "list", "text"])
def test_a_pickle_of_anything_but_tensors_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UserError, match="more than tensors"):
        read_state(str(tmp_path / "w.pth"), allow_pickled=True)


def test_a_pickled_module_runs_no_code(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(UserError, match="more than tensors"):
        read_state(str(tmp_path / "w.pth"), allow_pickled=True)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_damaged_file_is_a_plain_error(name, tmp_path):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(UserError):
        read_state(str(tmp_path / name), allow_pickled=True)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "w.txt").write_text("x")
    with pytest.raises(UserError, match="no file of weights"):
        read_state(str(tmp_path / "w.txt"), allow_pickled=True)


def test_the_first_misfits_are_named():
    state = small().state_dict()
    del state["backbone.0.0.bias"]
    state["backbone.9.weight"] = torch.zeros(1)
    with pytest.raises(UserError, match=r"lacks backbone\.0\.0\.bias; it has backbone\.9\.weight besides"):
        load_state(small(), state, "w")


def test_another_width_is_no_fit():
    with pytest.raises(UserError, match=r"backbone\.0\.0\.weight is of shape \(8, 1, 3, 3\), not \(4, 1, 3, 3\)"):
        load_state(small(), small(width=8).state_dict(), "w")


@pytest.mark.parametrize(("has", "wants"), [(True, False), (False, True)])
def test_an_affect_head_may_be_there_or_not(has, wants, capsys):
    source, model = small(affect=has), small(affect=wants)
    load_state(model, source.state_dict(), "w")
    assert torch.equal(model.heads.expression.weight, source.heads.expression.weight)
    assert "warning: heads.affect of w is left out or missing" in capsys.readouterr().err


def test_a_linear_classifier_is_none_for_a_cosine_head(capsys):
    model, plain = small(), small()
    model = cnn4(Task(("a", "b", "c"), 1, 16, 16, (1, 1, 1)), widths=(4, 4, 4, 4), units=4, head="cosine")
    before = model.heads.expression.weight.clone()
    load_state(model, plain.state_dict(), "file")
    assert torch.equal(model.heads.expression.weight, before)
    assert "heads.expression of file is left out or missing" in capsys.readouterr().err


def test_a_perfect_fit_warns_of_nothing(capsys):
    source, model = small(), small()
    load_state(model, source.state_dict(), "w")
    assert equal(model.state_dict(), source.state_dict())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("zipped", [True, False])
def test_whatever_is_damaged_in_a_pickle_is_a_plain_error(tmp_path, zipped):
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "w.pth").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(content), 60).tolist():
        for damaged in (content[:place], content[:place] + rng.bytes(8) + content[place + 8 :]):
            (tmp_path / "w.pth").write_bytes(damaged)
            try:
                read_state(str(tmp_path / "w.pth"), allow_pickled=True)
            except UserError:
                refused += 1
    assert refused > 60
