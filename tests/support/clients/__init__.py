"""Clients of the app's API and sockets."""
