"""Tools without knowledge of the domain: files, locks, JSON, time slices, formatting."""
