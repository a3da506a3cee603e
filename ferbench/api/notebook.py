"""A class or function of a notebook cell, of a script or of the REPL as a plugin.

What is given becomes a file by itself in ``results/plugins``: its source, that of the functions and classes of the same
place that it uses, constants, and imports. That file is an ordinary local plugin: its content enters the ids, it can be
trained on several devices, and any command takes it later with ``--plugin``.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import linecache
import re
import symtable
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ferbench.bounded import read_file
from ferbench.errors import UserError
from ferbench.experiment.known import is_known, remember
from ferbench.kinds import BY_NAME
from ferbench.storage import is_file, replace_file

#: Where the files are kept, below the results directory.
FOLDER = "plugins"

#: Kinds whose objects may be less than a builder: a model may take the number of classes or nothing, and a function of
#: outputs and targets is a loss itself.
_ADAPTED = ("model", "loss")
_NUMBER_OF_CLASSES = ("num_classes", "n_classes", "classes")

#: Fields of the spec that a class may say of itself, by kind.
_FIELDS = {
    "model": ("image_size", "channels", "mean", "std", "affect", "gives", "views"),
    "loss": ("needs", "views"),
    "sampler": ("per_sample",),
    "optimizer": ("closure",),
}


def plugin_of(kind: str, thing: Any, folder: Path = Path("results", FOLDER)) -> tuple[str, Path]:
    """Write a class or function as a plugin of its own.

    A builder of the kind's contract will do (docs/reference/hooks.md), its keyword-only parameters are options. Beyond
    that, a model's class or function may take the number of classes (``num_classes``) or nothing instead of the task,
    and say ``image_size``, ``channels``, ``mean``, ``std`` as attributes of the class; a loss may be a function of
    ``(outputs, targets)``, or a class that takes nothing. What a class needs, gives or wants to hear it says so too:
    ``needs``, ``gives``, ``views``, ``per_sample``, ``closure``.

    Args:
        kind: of the component, such as ``model``.
        thing: the class or function.
        folder: where its file goes.

    Returns:
        What recipes call the component, ``distribution:name``, and the plugin's file. Of the same source it is the same
        file, of another source another one.

    Raises:
        UserError: it is no class or function, has no source, or uses what has none.
    """
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        raise UserError(
            f"{kind}={_brief(thing)} is no name, class or function",
            f"give the name of a {kind}, or the class or function that builds it, not what it has built",
        )
    what = f"{kind} {thing.__qualname__}"
    if thing.__qualname__ != thing.__name__ or thing.__name__ == "<lambda>":
        raise UserError(
            f"{what} is made inside another function or is a lambda: its source does not say all of it",
            "define it with 'class' or 'def' in a cell, not indented",
        )
    module = _Module(thing, what)
    module.add(thing.__name__, thing)
    body = "\n".join([*module.lines(), *_builder(kind, thing, what)])
    digest = hashlib.sha256(body.encode()).hexdigest()
    name = _component_name(thing.__name__, kind)
    stem = f"{name.replace('-', '_')}_{digest[:12]}"
    path = folder / f"{stem}.py"
    text = body.replace(_STEM, stem)
    remember("code", text)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text.encode())
    return f"{stem}:{name}", path


class _Module:
    """A module that is being written: a definition and all that it needs of the place where it stands.

    Args:
        thing: the class or function that is wanted.
        what: what to call it in messages.
    """

    def __init__(self, thing: Any, what: str) -> None:
        self._what = what
        self._home = thing.__module__
        self._globals = _globals_of(thing)
        self._imports: set[str] = set()
        self._constants: dict[str, str] = {}
        self._definitions: list[str] = []
        self._written: dict[str, Any] = {}
        self._future = False

    def lines(self) -> Iterator[str]:
        """The module so far: imports, constants, definitions in an order in which they can be executed."""
        yield f'"""Written by ferbench: {self._what}, with what it uses of the place where it was defined."""\n'
        if self._future:
            yield "from __future__ import annotations\n"
        yield from ["import ferbench as _ferbench", *sorted(self._imports), ""]
        yield from (f"{name} = {value}" for name, value in sorted(self._constants.items()))
        yield from (f"\n\n{source}" for source in self._definitions)

    def add(self, name: str, value: Any) -> None:
        """Make ``name`` mean ``value`` in the module.

        Raises:
            UserError: nothing that can be written down gives that value.
        """
        if name in self._written:
            if self._written[name] is not value:
                raise UserError(
                    f"{self._what} uses two things that are called '{name}'", "give one of them another name"
                )
            return
        self._written[name] = value
        if (literal := _literal(value)) is not None:
            self._constants[name] = literal
        elif isinstance(value, ModuleType):
            self._import_module(name, value)
        elif self._is_at_home(value):
            self._define(name, value)
        elif (line := _import_line(name, value)) is not None:
            self._imports.add(line)
        else:
            raise UserError(
                f"{self._what} uses '{name}', {_brief(value)}, which has no source that could be kept",
                "make it inside the class or function, or from numbers, texts and lists",
            )

    def _import_module(self, name: str, module: ModuleType) -> None:
        if module.__name__ == self._home or sys.modules.get(module.__name__) is not module:
            raise UserError(
                f"{self._what} uses '{name}', a module that cannot be imported", "put it in a file of its own"
            )
        alias = "" if module.__name__ == name else f" as {name}"
        self._imports.add(f"import {module.__name__}{alias}")

    def _is_at_home(self, value: Any) -> bool:
        """Whether a value is a class or function of the place that is no importable module."""
        if not (inspect.isclass(value) or inspect.isfunction(value)) or value.__module__ != self._home:
            return False
        return self._home == "__main__" or self._home not in sys.modules

    def _define(self, name: str, value: Any) -> None:
        own = value.__name__
        if name != own:
            self.add(own, value)
            self._definitions.append(f"{name} = {own}")
            return
        source, future = _source(value, self._what)
        self._future |= future
        needed, mentioned = _names_in(source)
        for other in sorted(name for name in needed | mentioned if not name.startswith("__")):
            if other in self._globals:
                if other in needed or _can_be_written(self._globals[other]):
                    self.add(other, self._globals[other])
            elif other in needed and not hasattr(builtins, other):
                raise UserError(
                    f"{self._what} uses '{other}', which is not defined", "run the cell that defines it first"
                )
        self._definitions.append(source)


def _names_in(source: str) -> tuple[set[str], set[str]]:
    """Names that a definition takes from around it: those that it needs, and those of annotations alone."""
    tree = ast.parse(source)
    (top,) = tree.body
    assert isinstance(top, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    mentioned = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            mentioned |= _names_of_annotation(annotation)
    needed = set(_taken(symtable.symtable(source, "<cell>", "exec"))) - {top.name}
    # What stands in annotations alone is looked up, where it is at all, when options are read.
    bare = _WithoutAnnotations().visit(ast.parse(source))
    needed &= {node.id for node in ast.walk(bare) if isinstance(node, ast.Name)}
    return needed, mentioned - needed - {top.name}


def _taken(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() and symbol.is_referenced():
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _taken(inner)


def _names_of_annotation(node: ast.AST | None) -> set[str]:
    names = set()
    for inner in ast.walk(node) if node is not None else ():
        if isinstance(inner, ast.Name):
            names.add(inner.id)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            try:
                names |= _names_of_annotation(ast.parse(inner.value, mode="eval"))
            except SyntaxError:
                continue  # a text, as of Literal["a b"]
    return names


class _WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _source(thing: Any, what: str) -> tuple[str, bool]:
    """The source of a class or function, with its decorators, and whether it was compiled with
    ``from __future__ import annotations``."""
    for code in _codes(thing):
        text = "".join(linecache.getlines(code.co_filename))
        if (source := _definition(text, thing.__name__, code.co_firstlineno)) is not None:
            return source, bool(code.co_flags & annotations.compiler_flag)
    for text in _cells(thing):  # a class without methods says nowhere which cell it is of
        if inspect.isclass(thing) and (source := _definition(text, thing.__name__)) is not None:
            return source, False
    needs = "" if what.endswith(f" {thing.__name__}") else f"{what} uses it; "
    raise UserError(
        f"{thing.__name__} has no source to be read, by which its runs could be told apart",
        f"{needs}define it in a notebook's cell or in a file",
    )


def _codes(thing: Any) -> Iterator[CodeType]:
    """The code of a function, or of the methods that stand in the body of a class."""
    if not inspect.isclass(thing):
        yield inspect.unwrap(thing).__code__
        return
    for name, value in vars(thing).items():
        value = getattr(value, "fget", getattr(value, "__func__", value))
        if inspect.isfunction(value) and value.__qualname__ == f"{thing.__qualname__}.{name}":
            yield value.__code__


def _definition(text: str, name: str, line: int | None = None) -> str | None:
    """The definition of ``name`` in a text, the one around ``line``, or else the last one."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    source = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if line is None or first <= line <= (node.end_lineno or first):
                lines = text.splitlines()[first - 1 : node.end_lineno]
                source = textwrap.dedent("\n".join(line.rstrip() for line in lines))
    return source


def _cells(thing: Any) -> Iterator[str]:
    """What was executed in this notebook, the last cell first; then the file that is run."""
    shell = getattr(builtins, "get_ipython", lambda: None)()
    yield from reversed(getattr(shell, "user_ns", {}).get("In", []))
    yield "".join(linecache.getlines(getattr(sys.modules.get(thing.__module__), "__file__", None) or ""))


def _globals_of(thing: Any) -> Mapping[str, Any]:
    if not inspect.isclass(thing):
        return inspect.unwrap(thing).__globals__
    own = [value for value in vars(thing).values() if getattr(value, "__module__", None) == thing.__module__]
    functions = list(filter(inspect.isfunction, own))
    return functions[0].__globals__ if functions else getattr(sys.modules.get(thing.__module__), "__dict__", {})


def _literal(value: Any) -> str | None:
    """A constant as one writes it; None for what is none."""
    if not isinstance(value, (str, bytes, int, float, complex, tuple, list, dict, set, type(None), type(...))):
        return None
    text = repr(value)
    try:
        return text if ast.literal_eval(text) == value else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _import_line(name: str, value: Any) -> str | None:
    """The line that imports a value under a name; None where no module has it."""
    own = getattr(value, "__qualname__", getattr(value, "__name__", None))
    places: list[tuple[Any, Any]] = [(getattr(value, "__module__", None), own)]
    # Some, as torch.relu or typing.Literal, do not say where they are from.
    public = [module for module in list(sys.modules) if "._" not in f".{module}"]
    modules = sorted(public, key=lambda module: (module.count("."), module))
    places += [(module, name) for module in modules]
    for module, attribute in places:
        if not isinstance(module, str) or not isinstance(attribute, str) or not attribute.isidentifier():
            continue
        if module != "__main__" and getattr(sys.modules.get(module), "__dict__", {}).get(attribute) is value:
            return f"from {module} import {attribute}{'' if attribute == name else f' as {name}'}"
    return None


def _can_be_written(value: Any) -> bool:
    return isinstance(value, (ModuleType, type)) or _literal(value) is not None or _import_line("", value) is not None


_STEM = "FERBENCH_FILE_STEM"


def _builder(kind: str, thing: Any, what: str) -> Iterator[str]:
    """The lines that make a plugin of a definition: a builder where it is none itself, and the hook."""
    hook, spec = BY_NAME[kind].hook, BY_NAME[kind].spec
    own = thing.__name__
    call = _call(kind, thing, what)
    if call:
        yield _ADAPTER.format(call=call, own=own)
    fields = "".join(
        f", {field}={literal}"
        for field in (_FIELDS.get(kind, ()) if inspect.isclass(thing) else ())
        if (literal := _literal(vars(thing).get(field))) not in (None, "None")
    )
    if kind == "dataset" and _positional(thing)[0].default is not inspect.Parameter.empty:
        fields = ", needs_path=False"
    name, summary = _component_name(own, kind), (inspect.getdoc(thing) or "").strip().partition("\n")[0]
    yield f"\n\n@_ferbench.hookimpl\ndef {hook}():"
    builder = "_build" if call else own
    yield f"    yield _ferbench.{spec}({name!r}, '{_STEM}:{builder}', {summary!r}{fields})\n"


_ADAPTER = """

def _build(task, /, **options):
    return {call}


def _describe():
    import inspect

    given = inspect.Parameter("task", inspect.Parameter.POSITIONAL_ONLY)
    options = [one for one in inspect.signature({own}).parameters.values() if one.kind is one.KEYWORD_ONLY]
    _build.__signature__ = inspect.Signature([given, *options])
    texts = ({own}.__doc__, {own}.__init__.__doc__ if inspect.isclass({own}) else None)
    _build.__doc__ = "\\n\\n".join(inspect.cleandoc(text) for text in texts if text)


_describe()"""


def _call(kind: str, thing: Any, what: str) -> str:
    """How the adapter calls a class or function; empty where it is a builder as it is.

    Raises:
        UserError: it does not take what the harness gives.
    """
    positional, own = _positional(thing), thing.__name__
    counted = bool(positional) and positional[0].name in _NUMBER_OF_CLASSES
    if kind == "loss" and not inspect.isclass(thing) and len(positional) == 2:
        return f"lambda outputs, targets: {own}(outputs, targets, **options)"
    most = BY_NAME[kind].given
    options = positional[most:]
    if kind in _ADAPTED and positional and not counted and positional[0].default is not inspect.Parameter.empty:
        options = positional
    if options:
        extra = options[0].name
        raise UserError(
            f"{what} takes '{extra}' by position, where the harness gives {most}",
            f"put a '*' before it to make it an option: def …(…, *, {extra}: type = default)",
        )
    if kind in _ADAPTED and not positional:
        return f"{own}(**options)"
    if kind in _ADAPTED and counted:
        return f"{own}(task.num_classes, **options)"
    if len(positional) < most:
        raise UserError(
            f"{what} takes {len(positional)} arguments by position, where the harness gives {most}",
            f"see what a {kind} is built with: docs/reference/hooks.md, or 'ferbench plugins new {kind} NAME'",
        )
    return ""


def _positional(thing: Any) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter for parameter in inspect.signature(thing).parameters.values() if parameter.kind in kinds]


def _component_name(name: str, kind: str) -> str:
    """``MyNet`` as ``my-net``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+", "-", name)
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9-]", "", words.lower())).strip("-") or kind


def _brief(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def plugins_in(folder: Path, names: Iterable[str], given: Collection[Path] = ()) -> list[Path]:
    """The files of those distributions that `plugin_of` wrote for this user.

    Args:
        folder: where they are kept.
        names: of distributions.
        given: files that the user names anyway.

    Raises:
        UserError: there is one with other code: it came with the results, or somebody has changed it.
    """
    paths = [path for name in dict.fromkeys(names) if is_file(path := folder / f"{name}.py")]
    paths = [path for path in paths if path.resolve() not in given]
    for path in paths:
        try:
            own = is_known("code", read_file(path).decode())
        except (OSError, ValueError):
            own = False
        if not own:
            raise UserError(
                f"{path} is code that was not written from a notebook or script of yours on this machine",
                f"read it; if you trust it, say plugins=[{str(path)!r}]",
            )
    return paths
