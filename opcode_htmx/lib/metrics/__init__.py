"""Counters, gauges and histograms of all workers, and their text for Prometheus."""
