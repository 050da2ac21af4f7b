"""Measure what the design promises, each figure beside its floor: `make bench`."""
