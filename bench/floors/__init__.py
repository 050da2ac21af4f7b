"""The least that a figure can be: programs that do the same without the app."""
