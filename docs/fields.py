"""What the API pages show of classes that are data: an extension of griffe, which reads them.

Fields of dataclasses and pydantic models are described under `Args:` of the class, or by the
`description` of pydantic's `Field`; griffe looks for neither.
"""

from __future__ import annotations

import ast
from typing import Any

import griffe


class DataFields(griffe.Extension):
    """Takes fields for attributes, with what is said of them."""

    def on_class(self, *, cls: griffe.Class, **_more: Any) -> None:
        """Read `Args:` as `Attributes:` where nothing but fields makes an `__init__`."""
        if cls.docstring and "__init__" not in cls.members:
            cls.docstring.value = cls.docstring.value.replace("\nArgs:\n", "\nAttributes:\n")
        for name, member in cls.members.items():
            if isinstance(member, griffe.Attribute) and not name.startswith("_"):
                _describe(member)


def _describe(field: griffe.Attribute) -> None:
    """Give a field of a pydantic model its description and its default."""
    call = field.value
    if not isinstance(call, griffe.ExprCall) or str(call.function) != "Field":
        return
    named = {
        each.name: each.value for each in call.arguments if isinstance(each, griffe.ExprKeyword)
    }
    if "description" not in named:
        return
    field.annotation = _bare(field.annotation)
    text = ast.literal_eval(str(named["description"]))
    field.docstring = griffe.Docstring(text, parent=field)
    positional = [each for each in call.arguments if not isinstance(each, griffe.ExprKeyword)]
    field.value = positional[0] if positional else None


def _bare(annotation: Any) -> Any:
    """Return a type without what pydantic is told besides, in `Annotated`."""
    if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Annotated":
        inside = annotation.slice
        return inside.elements[0] if isinstance(inside, griffe.ExprTuple) else inside
    return annotation
