"""Nothing that ferbench reads may execute: the code is scanned for what could load a program from a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for folder in ("ferbench", "plugins", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "tests" not in path.relative_to(ROOT).parts
]

#: Modules whose readers execute what they read, or that turn text into code.
FORBIDDEN = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml", "jsonpickle",
    "runpy", "code", "codeop",
}  # fmt: skip
#: What may be used of them: a writer whose output is only compared, and what says how many threads there are.
ALLOWED = {"marshal.dumps", "joblib.parallel_config"}
#: Calls that read pickles unless an argument has exactly this value.
GUARDED = {
    "torch.load": ("weights_only", True, False),
    "numpy.load": ("allow_pickle", False, True),
    "numpy.save": ("allow_pickle", False, True),
    "numpy.lib.format.read_array": ("allow_pickle", False, True),
    "numpy.lib.npyio.NpzFile": ("allow_pickle", False, True),
}
#: Never.
CALLS = {
    "eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "builtins.compile", "os.system",
    "os.popen", "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "pandas.read_pickle",
    "numpy.fromregex", "torch.hub.load_state_dict_from_url", "timm.models.load_checkpoint",
    "timm.models.load_state_dict", "skops.io.load",
}  # fmt: skip


def names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, dotted."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
    return found


def dotted(node: ast.AST, known: dict[str, str]) -> str:
    """``np.load`` as ``numpy.load``; empty for what is no plain name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, known)
        return f"{before}.{node.attr}" if before else ""
    return ""


def dangers(source: str) -> Iterator[str]:
    """What in a module could execute what it reads."""
    tree = ast.parse(source)
    known = names(tree)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                if not node.level and node.module.partition(".")[0] in FORBIDDEN and whole not in ALLOWED:
                    yield f"line {node.lineno}: {whole}"
        if isinstance(node, (ast.Name, ast.Attribute)) and not isinstance(parents.get(node), ast.Attribute):
            name = dotted(node, known)
            imported = name.partition(".")[0] in known.values()
            if imported and name.partition(".")[0] in FORBIDDEN and name not in ALLOWED:
                yield f"line {node.lineno}: {name}"
            if name in GUARDED and not (isinstance(parents.get(node), ast.Call) and parents[node].func is node):
                yield f"line {node.lineno}: {name} under another name"
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func, known)
        if name in CALLS:
            yield f"line {node.lineno}: {name}()"
        given = {one.arg: getattr(one.value, "value", ...) for one in node.keywords}
        if None in given and (name in GUARDED or name.endswith(".from_pretrained")):
            yield f"line {node.lineno}: {name}(**)"
        if name in GUARDED:
            keyword, safe, by_default = GUARDED[name]
            if given.get(keyword, safe if by_default else ...) is not safe or len(node.args) > 2:
                yield f"line {node.lineno}: {name}() without {keyword}={safe}"
        for keyword, unsafe in (("trust_remote_code", True), ("shell", True), ("allow_pickle", True)):
            if given.get(keyword) is unsafe:
                yield f"line {node.lineno}: {name}({keyword}={unsafe})"
        if name.endswith(".from_pretrained") and given.get("trust_remote_code", ...) is not False:
            yield f"line {node.lineno}: {name}() without trust_remote_code=False"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_can_execute_what_it_reads(path):
    """Read with safetensors, JSON, or numpy's arrays without pickle; extend ALLOWED only for what reads nothing."""
    assert list(dangers(path.read_text(encoding="utf-8"))) == []


def test_all_code_is_scanned():
    scanned = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    assert scanned == {"ferbench", "plugins", "benchmarks"}
    assert any(path.parent.name == "ferbench_transformers" for path in SOURCES)
    assert len(SOURCES) > 150


@pytest.mark.parametrize(
    "source",
    [
        "import pickle; pickle.load(f)",
        "import pickle as p; p.loads(b)",
        "from pickle import loads",
        "from pickle import Unpickler as U",
        "def f():\n    import pickle\n    return pickle.Unpickler",
        "import marshal; marshal.loads(b)",
        "import shelve; shelve.open('x')",
        "import joblib\njoblib.load('x')",
        "import yaml\nyaml.load(t)",
        "import torch; torch.load(p)",
        "import torch as t; t.load(p, weights_only=False)",
        "from torch import load; load(p)",
        "import torch; torch.load(p, weights_only=flag)",
        "import torch; torch.load(p, **options)",
        "import torch; read = torch.load",
        "import torch.hub; torch.hub.load('a', 'b')",
        "import numpy as np; np.load(p, allow_pickle=True)",
        "import numpy as np; np.load(p, allow_pickle=flag)",
        "import numpy; numpy.load(p, None, True)",
        "from numpy import load as l; l(p, allow_pickle=1)",
        "from numpy.lib.format import read_array; read_array(f, allow_pickle=True)",
        "import pandas as pd; pd.read_pickle(p)",
        "eval(t)",
        "exec(t)",
        "import builtins; builtins.exec(t)",
        "__import__(t)",
        "import subprocess; subprocess.run(t, shell=True)",
        "Model.from_pretrained(p, trust_remote_code=True)",
        "Model.from_pretrained(p)",
    ],
)
def test_the_scan_finds_what_it_is_for(source):
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        "import marshal; seen.add(marshal.dumps(value))",
        "import torch; torch.load(p, map_location='cpu', weights_only=True)",
        "import numpy as np; np.load(p)",
        "import numpy as np; np.load(p, mmap_mode='r', allow_pickle=False)",
        "model.eval(); re.compile('x'); code = 3; code.real",
        "import safetensors.torch; safetensors.torch.load(b)",
        "Model.from_pretrained(p, trust_remote_code=False)",
    ],
)
def test_the_scan_lets_pass_what_is_safe(source):
    assert list(dangers(source)) == []
