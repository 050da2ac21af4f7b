"""Events of runs: derived from their files once per machine, and delivered to handlers."""
