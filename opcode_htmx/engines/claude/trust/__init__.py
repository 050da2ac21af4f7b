"""Trust in a project's files: what they may run, and where Claude records the decision."""
