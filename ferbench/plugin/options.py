"""A component's options, read from its builder's signature.

One declaration feeds validation, ``ferbench plugins show``, recipes, ``--set`` and ``ferbench tune``:

    def tiny_net(task: Task, *, dropout: Annotated[float, Ge(0), Tunable(0.0, 0.6)] = 0.3) -> nn.Module:
        '''...

        Args:
            dropout: share of the features that are dropped while training.
        '''
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.plugin.refusals import refusal, shown, unknown_option, wrong_value
from ferbench.plugin.signature import Option, names_paths, read_options
from ferbench.wording import one_line

if TYPE_CHECKING:
    import pydantic
    from pydantic_core import ErrorDetails

#: Options or their types by name.
Values = dict[str, Any]


@dataclass(frozen=True)
class OptionSchema:
    """Every option of a component, and how to check values for them.

    Attributes:
        fields: the options in the order of the signature.
        model: the pydantic model that checks them (strict, no further fields).
        owner: what errors call the component, such as ``model 'basic-cnn'``; empty: what `validate` is told.
    """

    fields: tuple[Option, ...]
    model: type[pydantic.BaseModel]
    owner: str = ""

    @classmethod
    def of(
        cls,
        builder: Callable[..., Any],
        skip: Collection[str] = ("seed",),
        given: int | None = None,
        owner: str = "",
    ) -> OptionSchema:
        """Read the keyword-only parameters of a function, or of a class's ``__init__``.

        Args:
            builder: the function or class.
            skip: parameters that the harness gives by keyword.
            given: how many arguments the harness gives by position, to notice an option before the ``*``.
            owner: what errors call the component.

        Raises:
            TypeError: the author's mistakes: ``**options``, no annotation, a type that cannot be checked.
            ValueError: a default or a search range that lies outside the bounds.
        """
        options = read_options(builder, skip, given)
        model = _make_model(options)
        defaults = _checked_defaults(model)
        for option in options:
            _check_tunable(option)
        return cls(tuple(replace(option, default=defaults.get(option.name)) for option in options), model, owner)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(option.name for option in self.fields)

    def validate(self, values: Mapping[str, object], where: str) -> Values:
        """Every option as a JSON value: the given ones checked, the others with their defaults.

        The check is strict, as for JSON: an int is a fine float, but ``"3"`` and ``True`` are no ints; a list
        serves for a tuple, a text for a path; NaN and infinity are refused unless the author allows them.

        Args:
            values: what the user gave.
            where: where the user gave them, such as ``model``: an error begins with ``model.dropout``. If
                there is no ``owner``, ``model 'basic-cnn'`` serves for both.

        Raises:
            UserError: unknown or missing option, or a value of the wrong type or outside the bounds.
        """
        return _plain(self._parse(values, where))

    def covered(self, values: Mapping[str, object], content: Callable[[str, Path], str]) -> Values:
        """As `validate`, with what identifies a file or folder in place of every path.

        Args:
            values: options as `validate` returns them.
            content: is given an option's name and a path that its value is or holds. A text counts as one where the
                option may be either and there is such a file.
        """
        parsed = self._parse(values, self.owner or "options")
        plain = _plain(parsed, lambda option, path: content(option, Path(path)))
        for name, field in type(parsed).model_fields.items():
            value = getattr(parsed, name)
            if isinstance(value, str) and names_paths(field.annotation) and Path(value).expanduser().exists():
                plain[field.alias or name] = content(field.alias or name, Path(value))
        return plain

    def arguments(self, values: Mapping[str, object], where: str = "options") -> Values:
        """Keyword arguments for the builder, with the types it declares (tuples, paths, enums).

        Args:
            values: options as `validate` returns them; missing ones take their defaults.
            where: as in `validate`.

        Raises:
            UserError: as `validate` does.
        """
        parsed = self._parse(values, where)
        return {field.alias or name: getattr(parsed, name) for name, field in type(parsed).model_fields.items()}

    def _parse(self, values: Mapping[str, object], where: str) -> pydantic.BaseModel:
        from pydantic import ValidationError

        prefix = where.partition(" ")[0]
        where = self.owner or where
        for name in values:
            if name not in self.names:
                raise unknown_option(str(name), self.names, where)
        # Defaults as JSON too, or those that are paths would be refused as no texts.
        defaults = {option.name: option.default for option in self.fields if not option.required}
        try:
            text = json.dumps({**defaults, **values}, default=_to_json)
        except (TypeError, ValueError) as error:
            raise UserError(f"{prefix}: {one_line(str(error))}", "give numbers, texts, true/false or lists") from None
        try:
            return self.model.model_validate_json(text)
        except ValidationError as error:
            raise self._mistake(error.errors(include_url=False), prefix, where) from None

    def _mistake(self, errors: list[ErrorDetails], prefix: str, where: str) -> UserError:
        first = errors[0]
        if not first["loc"]:  # text that JSON cannot carry, such as half of a surrogate pair
            return UserError(f"{prefix}: {one_line(first['msg'])}", f"give plain values for the options of {where}")
        name = str(first["loc"][0])
        field = next(field for key, field in self.model.model_fields.items() if (field.alias or key) == name)
        same = [error for error in errors if error["loc"][0] == name]
        return wrong_value(same, f"{prefix}.{name}", 1, field.annotation, field.metadata, where)


def _make_model(options: Collection[Option]) -> type[pydantic.BaseModel]:
    from pydantic import BaseModel, ConfigDict, Field, create_model
    from pydantic.errors import PydanticUserError
    from pydantic_core import SchemaError

    config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, protected_namespaces=()
    )
    fields: Values = {}
    for option in options:
        default = ... if option.required else option.default
        if hasattr(BaseModel, option.name) or option.name.startswith("_"):  # "copy" would shadow a method
            fields[f"option_{option.name}"] = (option.annotation, Field(default, alias=option.name))
        else:
            fields[option.name] = (option.annotation, default)
    unusable = (PydanticUserError, SchemaError, TypeError)
    try:
        return create_model("Options", __config__=config, **fields)
    except unusable:
        for name, field in fields.items():  # one by one, for an error that names the option
            try:
                create_model("Options", __config__=config, **{name: field})
            except unusable as error:
                cause = one_line(str(error)).partition(". ")[0].rpartition("Error: ")[2]
                raise TypeError(f"option '{name}' has a type that cannot be checked: {cause}") from error
        raise


def _checked_defaults(model: type[pydantic.BaseModel]) -> Values:
    from pydantic import ValidationError, create_model

    optional: Values = {
        name: (field.annotation, field) for name, field in model.model_fields.items() if not field.is_required()
    }
    try:
        return _plain(create_model("Defaults", __config__=model.model_config, **optional)())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"option '{first['loc'][0]}': its default {refusal(first)}") from error


def _plain(parsed: pydantic.BaseModel, content: Callable[[str, PathLike[str]], str] | None = None) -> Values:
    """The JSON values of options: sets sorted, for their order changes from process to process; ``content`` of an
    option and a path in place of each path."""
    plain, typed = (parsed.model_dump(mode=mode, by_alias=True) for mode in ("json", "python"))

    def walk(option: str, plain: Any, typed: Any) -> Any:
        if isinstance(typed, PathLike):
            return plain if content is None else content(option, typed)
        if isinstance(typed, Mapping) and isinstance(plain, dict):
            keys = (walk(option, *pair) for pair in zip(plain, typed, strict=True))
            values = (walk(option, *pair) for pair in zip(plain.values(), typed.values(), strict=True))
            return dict(zip(keys, values, strict=True))
        if isinstance(typed, Collection) and isinstance(plain, list):
            items = [walk(option, *pair) for pair in zip(plain, typed, strict=True)]
            return sorted(items, key=json.dumps) if isinstance(typed, AbstractSet) else items
        return plain

    return {name: walk(name, plain[name], typed[name]) for name in plain}


def _check_tunable(option: Option) -> None:
    tunable = option.tunable
    if tunable is None:
        return
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    where = f"option '{option.name}': the search range {tunable.low:g} to {tunable.high:g}"
    check = TypeAdapter(option.annotation, config=ConfigDict(strict=True, allow_inf_nan=False))
    for end in (tunable.low, tunable.high):
        try:
            got = check.validate_python(int(end) if float(end).is_integer() else end)
        except ValidationError as error:
            bounds = f" ({option.bounds})" if option.bounds else f" of type {option.type}"
            what = refusal(error.errors(include_url=False)[0])
            raise ValueError(f"{where} lies outside the option{bounds}: {what}") from None
        if isinstance(got, bool) or not isinstance(got, int | float):
            raise TypeError(f"{where} is no use for an option of type {option.type}")


def _to_json(value: object) -> object:
    """What ``json`` does not know: paths, and numpy's scalars."""
    from os import fspath

    if isinstance(value, PathLike):
        return fspath(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{shown(value)} is {type(value).__name__}, no value for an option")
