"""Fault injection during runs, and checks for lost data and leftovers: `make chaos`."""
