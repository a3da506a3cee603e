"""What is said of a broken plugin: one plain line."""

from __future__ import annotations

from ferbench.wording import one_line

_LONGEST_CAUSE = 400


class PluginFault(Exception):
    """What a plugin did wrong, in one line."""


def is_fault(error: BaseException) -> bool:
    """Whether an exception is a fault of whoever raised it, and no request to stop."""
    return not isinstance(error, KeyboardInterrupt)


def describe(error: BaseException, own_module: str | None = None) -> str:
    """The cause of a failure in one line.

    Args:
        error: what was raised.
        own_module: the module that was to be imported, empty where it has no name yet; any other missing module is a
            missing dependency. None: nothing was to be imported.
    """
    if isinstance(error, PluginFault):
        return one_line(str(error))
    if isinstance(error, SystemExit):
        when = "" if own_module is None else " when loaded"
        return one_line(f"it ends the program{when}: SystemExit({error.code!r})")
    if isinstance(error, ModuleNotFoundError) and error.name and not _contains(error.name, own_module or ""):
        return one_line(f"missing dependency: no module named '{error.name}'")
    try:
        text = one_line(str(error))
    except Exception:  # a __str__ that raises must not take the listing down
        text = ""
    if len(text) > _LONGEST_CAUSE:
        text = text[: _LONGEST_CAUSE - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _contains(missing: str, own_module: str) -> bool:
    return own_module == missing or own_module.startswith(missing + ".")
