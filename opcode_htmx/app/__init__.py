"""The composition root: builds the app with all its features from the settings."""
