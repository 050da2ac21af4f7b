"""Runs of agents: started, recorded, measured."""
