"""What the requests and responses of an endpoint are declared with."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
"""A pattern; the digits may be in either case."""
LowerUuid = Annotated[str, StringConstraints(to_lower=True, pattern=UUID)]
"""A UUID that is taken in either case, and used in lower case."""


class ResponseModel(BaseModel):
    """A part of a response."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class RequestModel(BaseModel):
    """A body or a query; an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
