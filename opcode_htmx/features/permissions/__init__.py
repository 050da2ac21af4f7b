"""Answers to permission requests and questions, and Stop."""
