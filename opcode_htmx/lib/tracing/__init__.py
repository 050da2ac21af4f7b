"""Spans, and how they are sent to a collector of OpenTelemetry."""
