"""Claude's permission rules: their form, their meaning in words, and what they decide."""
