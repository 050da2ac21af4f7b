"""What the requests and responses of an endpoint are declared with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ResponseModel(BaseModel):
    """A part of a response."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class RequestModel(BaseModel):
    """A body or a query; an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
