"""The pages of projects and their sessions."""
