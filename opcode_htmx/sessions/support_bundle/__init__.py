"""The support bundle: what somebody who helps needs to know, without secrets, prompts and answers.

It is made of chosen facts, not of copied files; what they hold by chance is hidden by `scrubber`.
"""
