"""The project's own injection corpus: vectors, the channels that carry them, and the inspection."""
