"""The pages of checkpoints, and their forms."""
