"""Classes and functions of a notebook as plugins."""

from __future__ import annotations

import builtins
import sys
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest
from cells import Kernel

from ferbench.api.notebook import plugin_of
from ferbench.errors import UserError
from ferbench.plugin.discovery import load_registry
from ferbench.task import Task

TASK = Task(("a", "b", "c"), 1, 24, 24, (5, 5, 5))

NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, {takes}):
            super().__init__()
            self.head = nn.Linear(4, {classes})

        def forward(self, images):
            return self.head(images.flatten(1)[:, :4])
"""


def component(kind: str, thing: Any, folder):
    name, path = plugin_of(kind, thing, folder)
    return load_registry([str(path)], environ={"FERBENCH_PLUGINS": ""}).find(kind, name)


@pytest.mark.parametrize(
    ("takes", "classes"),
    [("task", "task.num_classes"), ("num_classes", "num_classes"), ("num_classes=7", "num_classes"), ("", "3")],
)
def test_a_model_takes_the_task_or_the_number_of_classes_or_nothing(tmp_path, takes, classes):
    found = component("model", Kernel().run(NET.format(takes=takes, classes=classes))["Net"], tmp_path)
    assert found.builder()(TASK).head.out_features == 3


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("model", {"gives": ("features",), "views": ("drawn", "mirrored")}),
        ("loss", {"needs": ("features", "maps"), "views": ("drawn", "drawn")}),
        ("sampler", {"per_sample": True}),
        ("optimizer", {"closure": True}),
    ],
)
def test_a_class_says_what_its_spec_would_say(tmp_path, kind, fields):
    lines = "\n".join(f"    {name} = {value!r}" for name, value in fields.items())
    cell = f"class Own:\n{lines}\n    def __init__(self, task, given=None, /, *, seed=0): ...\n"
    cell = cell.replace("task, given=None, /", "labels, task" if kind == "sampler" else "task")
    found = component(kind, Kernel().run(cell)["Own"], tmp_path)
    assert {name: getattr(found.spec, name) for name in fields} == fields


def test_options_are_keyword_only_parameters_with_their_docs(tmp_path):
    cell = '''
        from __future__ import annotations
        from typing import Annotated, Literal
        import ferbench as fb
        from torch import nn

        class Net(nn.Module):
            """A net.

            Args:
                width: of the layer.
            """

            image_size, channels = 32, 3
            mean = (0.5, 0.5, 0.5)

            def __init__(
                self, num_classes, *, width: Annotated[int, fb.Tunable(2, 8)] = 4, way: Literal["a b"] = "a b"
            ):
                super().__init__()
                self.head = nn.Linear(width, num_classes)
    '''
    found = component("model", Kernel().run(cell)["Net"], tmp_path)
    width, way = found.options().fields
    assert (width.name, width.default, width.description, width.tunable.high) == ("width", 4, "of the layer.", 8)
    assert way.type == "'a b'"
    assert found.builder()(TASK, width=6, way="a b").head.in_features == 6
    spec = found.spec
    assert (spec.summary, spec.mean) == ("A net.", (0.5, 0.5, 0.5))


def test_a_loss_may_be_a_function_of_outputs_and_targets_with_options(tmp_path):
    import torch

    import ferbench

    cell = """
        import torch.nn.functional as F

        def my_loss(outputs, targets, *, factor: float = 1.0):
            return factor * F.cross_entropy(outputs.logits, targets.labels)
    """
    found = component("loss", Kernel().run(cell)["my_loss"], tmp_path)
    assert found.options().names == ("factor",)
    given = ferbench.Outputs(torch.zeros(2, 3)), ferbench.Targets(torch.tensor([0, 1]))
    once, twice = (found.builder()(TASK, factor=factor)(*given) for factor in (1.0, 2.0))
    assert twice == 2 * once


def test_what_is_used_of_other_cells_goes_along(tmp_path, monkeypatch):
    kernel = Kernel()
    shell = SimpleNamespace(user_ns={"In": kernel.cells})
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)  # of classes without methods
    kernel.run(
        "import math\nfrom torch import nn\nWIDTH = {'first': [2, 3]}\nunused = object()",
        "def even(n): return n % 2 == 0\ndef odd(n): return not even(n) and twice(n) == 2 * n",
        "twice = lambda n: 2 * n",
        "def twice(n): return even(n) * 0 + 2 * n",
        "class Base(nn.Module):\n    size = WIDTH['first'][0]",
        "class Net(Base):\n    def __init__(self, *, a: int = 1):\n        super().__init__()\n"
        "        self.known = (self.size, odd(3), math.pi)",
    )
    model = component("model", kernel.names["Net"], tmp_path).builder()(TASK)
    assert model.known == (2, True, 3.141592653589793)
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    assert "unused" not in text
    assert text.count("def even") == 1


def test_the_same_source_is_the_same_plugin_and_an_edited_one_another(tmp_path):
    kernel = Kernel()
    cell = "def helper(): return 1\ndef loss(outputs, targets): return outputs.logits.sum() * helper()\n"
    first = plugin_of("loss", kernel.run(cell)["loss"], tmp_path)
    assert plugin_of("loss", kernel.run("x = 1", cell)["loss"], tmp_path) == first
    assert plugin_of("loss", Kernel().run(cell)["loss"], tmp_path) == first
    kernel.run("def helper(): return 2")
    edited = plugin_of("loss", kernel.names["loss"], tmp_path)
    assert edited[0] != first[0]
    assert edited[1] != first[1]
    assert len(list(tmp_path.iterdir())) == 2
    kernel.run("def helper(): return 1")
    assert plugin_of("loss", kernel.names["loss"], tmp_path) == first


def test_of_an_importable_module_the_import_is_written(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(textwrap.dedent(NET.format(takes="task", classes="3")))
    monkeypatch.syspath_prepend(tmp_path)
    import my_nets

    found = component("model", my_nets.Net, tmp_path / "kept")
    assert "from my_nets import Net" in found.plugin.file.read_text()
    before = found.source_hash()
    (tmp_path / "my_nets.py").write_text(textwrap.dedent(NET.format(takes="task", classes="task.num_classes")))
    assert component("model", my_nets.Net, tmp_path / "kept").source_hash() != before
    del sys.modules["my_nets"]


REFUSED = {
    "a lambda": ("loss = lambda outputs, targets: 0", "is a lambda"),
    "inside a function": (
        "def make():\n    def loss(o, t): return 0\n    return loss\nloss = make()",
        "inside another",
    ),
    "an object": ("class L:\n    def __call__(self, o, t): return 0\nloss = L()", "no name, class or function"),
    "a number": ("loss = 3", "an int is no name|a int is no name"),
    "a tensor": ("import torch\nW = torch.ones(3)\ndef loss(o, t): return o.logits @ W", "'W', a Tensor"),
    "infinity": ("W = float('inf')\ndef loss(o, t): return W", "'W', a float"),
    "a name that is not there": ("def loss(o, t): return nothing(o)", "'nothing', which is not defined"),
    "an option by position": ("class loss:\n    def __init__(self, task, width=3): pass", "takes 'width' by position"),
    "an option in place of the task": (
        "class loss:\n    def __init__(self, width=3): pass",
        "takes 'width' by position",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_identified_is_refused_with_a_remedy(tmp_path, case):
    cell, message = REFUSED[case]
    with pytest.raises(UserError, match=message) as caught:
        plugin_of("loss", Kernel().run(cell)["loss"], tmp_path)
    assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_without_source_it_is_refused(tmp_path):
    names: dict[str, Any] = {"__name__": "typed"}
    exec("def loss(outputs, targets): return 0", names)  # noqa: S102
    with pytest.raises(UserError, match="loss has no source"):
        plugin_of("loss", names["loss"], tmp_path)


@pytest.mark.parametrize(
    ("name", "called"), [("MyNet", "my-net"), ("BasicCNN", "basic-cnn"), ("__Net2", "net2"), ("Нет", "model")]
)
def test_names_are_words_with_hyphens(tmp_path, name, called):
    cell = NET.format(takes="task", classes="3").replace("class Net", f"class {name}")
    assert component("model", Kernel().run(cell)[name], tmp_path).name == called


def test_a_sampler_is_built_by_its_contract(tmp_path):
    cell = "class S:\n    def __init__(self, labels, task, *, seed: int, sharp: float = 1.0): self.sharp = sharp\n"
    assert component("sampler", Kernel().run(cell)["S"], tmp_path).options().names == ("sharp",)
    with pytest.raises(UserError, match="takes 1 arguments by position, where the harness gives 2"):
        plugin_of("sampler", Kernel().run("def s(labels, *, seed: int): return 0")["s"], tmp_path)
