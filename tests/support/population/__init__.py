"""The parts of a populated sandbox; see tests/support/populated.py."""
