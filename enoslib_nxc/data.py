"""Plain data: frozen, and the same after JSON or pickle."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | bool


class Data(BaseModel):
    """Frozen plain data that survives JSON and pickle."""

    model_config = ConfigDict(extra="forbid", frozen=True)
