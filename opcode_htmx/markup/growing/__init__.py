"""The parts of a Markdown text that grows, and the pieces of long parts."""
