"""Bare clones of remote repositories: what may be cloned, the transfer, and what came of it."""
