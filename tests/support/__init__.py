"""Shared test support: isolated folders, servers, browsers, clients and waiting for conditions."""
