"""The app of tests, in this process and in others."""
