"""Our static files: where they are, and how they are served."""
