"""The list of what needs the person, what runs and what was left behind."""
