"""The options of a session: model, effort, permission mode."""
