"""Declare a REST endpoint once: its route, the check of its request, and its description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from flask import Flask
from werkzeug.wrappers import Response

from opcode_htmx.lib.concurrency.cooperative import yielding
from opcode_htmx.lib.dataclass import dataclass
from opcode_htmx.lib.late.patterns import late_pattern
from opcode_htmx.web.origin.cors import API_FOLDERS
from opcode_htmx.web.origin.fetch_metadata import Caller, acts
from opcode_htmx.web.server.url_rules import LateRoutes

if TYPE_CHECKING:
    from pydantic import BaseModel

Method = Literal["GET", "POST", "PUT", "DELETE"]

_PARAMETER = late_pattern(r"{(\w+)}")
_WORD = late_pattern(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Endpoint:
    """One method of one path."""

    method: Method
    path: str
    """Below one of API_FOLDERS, with its parameters in braces."""
    tag: str
    """The heading under which it is described."""
    summary: str
    handler: Callable[..., object]
    """Called with the parameters of the path by name, and with `body` and `query` where there are
    such models. It gives what stands under `data`, or a whole response."""
    response: Any = None
    """The type of what stands under `data`, or of a body that does not come in the envelope."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    details: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The schemas of members beside `data`."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """By status, beside those that any request, or any with a body or a query, may meet."""
    status: int = 200
    media: tuple[str, ...] = ()
    """The types of a body that does not come in the envelope, the default first."""
    description: str = ""
    refused: str = ""
    """Why there is this method only to refuse it, with 405."""
    numbered: bool = False
    """Whether its parameters are whole numbers; any other text is answered with 404."""
    acts: Caller | None = None
    """Who may send a GET that does more than show; see `fetch_metadata.acts`."""

    @property
    def name(self) -> str:
        """The same in Flask's routes and in the description: `get_sessions_either_id_output`."""
        words = _WORD.findall(self.path.removeprefix("/api"))
        return "_".join([self.method.lower(), *words])

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters in the path."""
        return _PARAMETER.findall(self.path)


def register_endpoints(app: Flask | LateRoutes, endpoints: Iterable[Endpoint]) -> None:
    """Add the routes. Methods of one path that have the same handler are one route.

    Raises ValueError for a path that is not below one of API_FOLDERS, or that is declared twice for
    a method.
    """
    declared: set[tuple[str, str]] = set()
    routes: dict[tuple[str, Callable[..., object]], list[Endpoint]] = {}
    for each in endpoints:
        address = (each.method, _PARAMETER.sub("{}", each.path))
        if address in declared or not each.path.startswith(API_FOLDERS):
            raise ValueError(f"{each.method} {each.path} cannot be an endpoint (again)")
        declared.add(address)
        routes.setdefault((each.path, each.handler), []).append(each)
    for (path, _), methods in yielding(routes.items()):
        first = methods[0]
        rule = _PARAMETER.sub(r"<int:\1>" if first.numbered else r"<\1>", path)
        app.add_url_rule(rule, first.name, _view(first), methods=[each.method for each in methods])


def _view(endpoint: Endpoint) -> Callable[..., Response]:
    # Imported here, as every start imports this module, but pydantic only a program's first request
    from opcode_htmx.web.rest import envelope, validation

    def view(**parameters: str) -> Response:
        given: dict[str, object] = {**parameters}
        if endpoint.body:
            given["body"] = validation.body(endpoint.body)
        if endpoint.query:
            given["query"] = validation.query(endpoint.query)
        found = endpoint.handler(**given)
        if isinstance(found, Response):
            return found
        return envelope.success(found, endpoint.status)

    return acts(endpoint.acts)(view) if endpoint.acts else view
