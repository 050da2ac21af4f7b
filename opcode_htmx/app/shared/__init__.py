"""What all features share, built from the settings: Claude, its runs, and services of sessions."""
