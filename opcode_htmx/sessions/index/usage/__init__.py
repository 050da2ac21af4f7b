"""The sums of what answers have used: they are gathered, kept, and read."""
