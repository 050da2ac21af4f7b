"""Prompts that are sent by themselves: when they are due, what is kept, and who sends them."""
