"""Telemetry: metrics, logs, and what must never stand in a log."""
