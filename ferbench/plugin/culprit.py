"""Which component an exception comes from, so that whoever reads the trace knows whom to ask.

A trace shows which function of the harness called out last. `calls` marks those functions, each with the kind of what
it calls, at no cost while nothing fails; `using` says which components those are.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, TypeVar

from ferbench.errors import UserError
from ferbench.plugin.faults import describe, is_fault

if TYPE_CHECKING:
    from ferbench.plugin.component import Component

_F = TypeVar("_F", bound=Callable[..., object])

#: Between what is named and what it says, in a note.
_RAISED = " raised "

_CALLERS: dict[CodeType, str] = {}
_BUILT: dict[tuple[str, str], Component] = {}
_IN_USE: ContextVar[tuple[Component, ...]] = ContextVar("in use", default=())


def calls(kind: str) -> Callable[[_F], _F]:
    """Mark a function of the harness that calls a component of a kind, and does little else that can fail."""

    def enter(function: _F) -> _F:
        assert isinstance(function, FunctionType)
        _CALLERS[function.__code__] = kind
        return function

    return enter


def remember(component: Component) -> None:
    """Take note that a component is built in this process: outside of `using`, it is one of these that may raise."""
    _BUILT[component.kind, component.qualified_name] = component


def component_in_use(kind: str) -> Component | None:
    """The component of a kind that is being used, as far as `using` says."""
    return next((component for component in _IN_USE.get() if component.kind == kind), None)


def in_use(kind: str) -> str:
    """What to call the component of a kind that is being used, in a message."""
    used = component_in_use(kind)
    return f"the {kind}" if used is None else used.title


@contextmanager
def using(*components: Component, innocent: Callable[[BaseException], bool] = lambda error: False) -> Iterator[None]:
    """While these components are used, what one of them raises names it in a note.

    Args:
        components: those of a kind that there are several of (the members of a union of datasets) after that one.
        innocent: says of an exception that it is no fault of theirs.
    """
    token = _IN_USE.set(components)
    try:
        yield
    except BaseException as error:
        if innocent(error) or isinstance(error, GeneratorExit):
            raise
        raise blame(error) from error.__cause__
    finally:
        _IN_USE.reset(token)


def blame(error: BaseException, component: Component | None = None) -> BaseException:
    """Add a note that names the component (found in the trace unless it is given) to an exception that has none yet.

    The harness's own exceptions, a `UserError` among them, say themselves what there is to say.

    Returns:
        The exception. In place of one that is no `Exception`, such as a `SystemExit`, with which a component other than
        a command would end the program as if all were done, one that says so.
    """
    own = isinstance(error, UserError) or type(error).__module__.partition(".")[0] == "ferbench"
    if own or isinstance(error, MemoryError) or not is_fault(error) or named(error):
        return error
    suspects = _found(error) if component is None else [component]
    if not suspects or (isinstance(error, SystemExit) and any(suspect.kind == "command" for suspect in suspects)):
        return error
    if not isinstance(error, Exception):
        said = describe(error)
        if not isinstance(error, SystemExit):
            said = f"it raises {said}"
        error = RuntimeError(said).with_traceback(error.__traceback__)
    plugin = suspects[0].plugin
    title = suspects[0].title if len(suspects) == 1 else f"plugin {plugin.title}"
    whom = "correct the plugin" if plugin.local else f"report it to the authors of {plugin.distribution}"
    error.add_note(f"{title}{_RAISED}{describe(error)}\n  → {whom}; the trace shows where")
    return error


def in_a_line(error: BaseException) -> str:
    """What an exception says in one line, after the name of the component that it comes from where that is known."""
    return named(error) or describe(error)


def named(error: BaseException) -> str:
    """The line of `blame`'s note; empty where there is none."""
    lines = (note.partition("\n")[0] for note in getattr(error, "__notes__", ()))
    return next((line for line in lines if _RAISED in line), "")


def _found(error: BaseException) -> list[Component]:
    """The component that raised an exception, or those of its plugin among which it is."""
    kind, modules = None, []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        kind = _CALLERS.get(frame.f_code, kind)
        modules.append(str(frame.f_globals.get("__name__")))
    used = _IN_USE.get() or tuple(_BUILT.values())
    of_kind = [component for component in used if component.kind == kind]
    if len(of_kind) == 1:
        return of_kind
    # Called from elsewhere (by autograd, say), or one of several: the plugin's own code is in the trace.
    for module in reversed(modules):
        for built_there in (_is_built_in, _is_beside):
            at_work = [component for component in of_kind or used if built_there(component, module)]
            if len({component.plugin.name for component in at_work}) == 1:
                return at_work
    return []


def _is_built_in(component: Component, module: str) -> bool:
    return module in (component.spec.build.partition(":")[0], component.plugin.module)


def _is_beside(component: Component, module: str) -> bool:
    return module.partition(".")[0] == component.spec.build.partition(":")[0].partition(".")[0]
