"""What every section of ``params.yaml`` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of ``params.yaml``: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
