"""The Markdown files with front matter that extend Claude: commands, skills and subagents."""
