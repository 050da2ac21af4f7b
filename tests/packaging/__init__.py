"""The published artefacts: the locked requirements and the wheel."""
