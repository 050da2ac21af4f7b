"""What happens in runs, as events: derived from the runs' files once a machine, and delivered."""
