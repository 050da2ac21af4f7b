"""Runs: Claude processes, the folders they write to, and the commands that steer them."""
