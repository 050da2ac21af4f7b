"""Add a device by a QR code, and the notice about the home screen of a phone."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint

from opcode_htmx.features.context import AppContext
from opcode_htmx.features.feature import Feature, NavItem


def _routes(context: AppContext) -> Iterable[Blueprint]:
    from opcode_htmx.features.devices import home_screen, routes
    from opcode_htmx.web.auth.pairing import PairingCodes

    settings = context.settings
    codes = PairingCodes(context.state.folder("pairing"))
    yield routes.blueprint(codes, settings.host, settings.port)
    yield home_screen.blueprint()


FEATURE = Feature(
    name="devices",
    routes=_routes,
    nav=(NavItem("devices.page", "Add a device", icon="phone", order=890),),
)
