"""The pages and forms below /projects/<project_id>/git."""
