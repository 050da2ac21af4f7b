"""Requests and responses: their shapes, their checks, their description."""
