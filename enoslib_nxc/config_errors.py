"""Checks a configuration, and tells every mistake in the words of its keys."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from enoslib_nxc.config import Settings
from enoslib_nxc.config_roles import Role
from enoslib_nxc.config_types import Section
from enoslib_nxc.mistakes import Mistake, config_error, nearest, show, suggest

Location = Sequence[int | str]

# pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/), in
# our words. `{value}` is what was given; other names come with pydantic's error.
_TEXTS = {
    "bool_type": "{value} is neither true nor false",
    "dict_type": "{value} is not a mapping",
    "finite_number": "{value} is not a finite number",
    "float_type": "{value} is not a number",
    "greater_than": "{value} is not more than {gt}",
    "greater_than_equal": "{value} is less than {ge}",
    "int_from_float": "{value} is not a whole number",
    "int_type": "{value} is not a whole number",
    "ip_v4_network": "{value} is not an IPv4 network",
    "less_than_equal": "{value} is more than {le}",
    "literal_error": "{value} is not one of {expected}",
    "missing": "missing",
    "model_type": "{value} is not a mapping",
    "path_type": "{value} is not a path",
    "string_pattern_mismatch": "{value} is not allowed",
    "string_too_short": "empty",
    "string_type": "{value} is not text",
    "too_short": "empty",
    "tuple_type": "{value} is not a list",
}


def load_settings(
    given: Mapping[str, object], *, flavours: Collection[str] | None = None
) -> Settings:
    """Check a configuration.

    Args:
        given: the configuration, plain data.
        flavours: the flavours that exist; None accepts any.

    Returns:
        The checked, frozen settings.

    Raises:
        ConfigError: with everything that is wrong.
    """
    mistakes = flavour_mistakes(given.get("flavour"), flavours)
    roles = given.get("roles")
    for role, wish in roles.items() if isinstance(roles, Mapping) else ():
        own = wish.get("flavour") if isinstance(wish, Mapping) else None
        mistakes += flavour_mistakes(own, flavours, path=f"roles.{role}.flavour")
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise config_error([*mistakes_of(error, Settings), *mistakes]) from None
    if mistakes:
        raise config_error(mistakes)
    return settings


def known_keys() -> tuple[str, ...]:
    """Return the keys of the configuration's top level."""
    return tuple(Settings.model_fields)


def role_mistakes(given: Mapping[str, object], *, path: str) -> list[Mistake]:
    """Find what is wrong with one role's description.

    Args:
        given: the description, with the keys of `config.Role`.
        path: where it stands, "roles.agent".
    """
    try:
        Role.model_validate(given)
    except ValidationError as error:
        return mistakes_of(error, Role, path=path)
    return []


def mistakes_of(
    error: ValidationError, model: type[Section], *, path: str = ""
) -> list[Mistake]:
    """Return what a pydantic error tells, one mistake for each.

    Args:
        error: what pydantic refused.
        model: the model that was filled.
        path: where the model itself stands.
    """
    mistakes: list[Mistake] = []
    for each in error.errors(include_url=False):
        mistakes += _mistakes_of_one(each, model, path)
    return mistakes


def _mistakes_of_one(each: ErrorDetails, model: type[Section], base: str) -> list[Mistake]:
    location, kind, context = each["loc"], each["type"], each.get("ctx", {})
    where = join(base, location)
    if kind == "extra_forbidden":
        return [_unknown_key(location, model, where)]
    if location[-1:] == ("[key]",):
        return [_bad_key(each, join(base, location[:-2]))]
    if kind == "mistakes":  # from `config_types.refusal`
        return [_placed(mistake, where) for mistake in context["mistakes"]]
    if kind == "too_short" and each["input"]:
        return []  # its items were refused, each with its own error
    text = _TEXTS.get(kind, each["msg"][:1].lower() + each["msg"][1:])
    for name, value in {**context, "value": show(each["input"])}.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        text = text.replace(f"{{{name}}}", shown)
    return [Mistake(where, text, _description(model, location))]


def _placed(mistake: Mistake, where: str) -> Mistake:
    return replace(mistake, path=join(where, (mistake.path,)) if mistake.path else where)


def flavour_mistakes(
    flavour: object, flavours: Collection[str] | None, *, path: str = "flavour"
) -> list[Mistake]:
    """Find out whether a flavour exists; what is no text is refused elsewhere.

    Args:
        flavour: as it was given.
        flavours: those that exist; None accepts any.
        path: its key.
    """
    if flavours is None or not isinstance(flavour, str) or flavour in flavours:
        return []
    hint = suggest(flavour, flavours, listed_as="known flavours")
    return [Mistake(path, f"{show(flavour)} is not a flavour of this version", hint)]


def _unknown_key(location: Location, model: type[Section], where: str) -> Mistake:
    _, holder = _walk(model, location[:-1])
    known = tuple(holder.model_fields) if _is_model(holder) else ()
    meant = nearest(str(location[-1]), known)
    hint = f"did you mean {meant}?" if meant else f"known keys: {', '.join(known)}"
    return Mistake("", f"unknown key {where}", hint)


def _bad_key(each: ErrorDetails, where: str) -> Mistake:
    if each["type"] == "string_too_short":
        return Mistake(where, "a key is empty")
    return Mistake(where, f"the key {show(each['input'])} is not text", "quote it in YAML")


def join(base: str, location: Location) -> str:
    """Return the path of a key: names joined by dots, places in lists as `[0]`."""
    path = base
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _description(model: type[Section], location: Location) -> str:
    info, _ = _walk(model, location)
    return (info.description or "") if info else ""


def _walk(model: type[Section], location: Location) -> tuple[FieldInfo | None, Any]:
    """Follow a location; return the last field on the way, and the type that stands there."""
    info: FieldInfo | None = None
    here: Any = model
    for part in location:
        here = _bare(here)
        if _is_model(here):
            info = here.model_fields.get(part)
            here = info.annotation if info else None
        else:  # the values of a dict, the items of a tuple
            here = next((arg for arg in reversed(get_args(here)) if arg is not Ellipsis), None)
    return info, _bare(here)


def _bare(annotation: Any) -> Any:
    """Take `Annotated[...]` and `... | None` off a type."""
    while get_origin(annotation) in {Annotated, Union, types.UnionType}:
        annotation = get_args(annotation)[0]
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
