"""The port to the agent that does the work: typed messages in, encoded requests out."""
