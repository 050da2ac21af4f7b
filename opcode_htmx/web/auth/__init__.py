"""Authentication: identify the sender of a request, and allow or refuse it."""
