"""Processes on this machine: start, observe and end those of our runs."""
