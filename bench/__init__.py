"""Benchmarks of the figures that the design promises, each beside its floor: `make bench`."""
