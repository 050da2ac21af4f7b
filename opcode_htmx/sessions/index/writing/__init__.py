"""Storing what history files hold in the index."""
