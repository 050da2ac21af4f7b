"""What becomes of the work in a worktree: merged, rebased, or removed with a way back."""
