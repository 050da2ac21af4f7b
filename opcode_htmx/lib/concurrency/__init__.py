"""Greenlets that share one event loop: time slices, locks, jobs, broadcasts, stalls."""
