"""The composition root: settings in, the app with all its features out."""
