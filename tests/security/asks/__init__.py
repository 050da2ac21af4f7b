"""Requests for permission show all that they allow."""
