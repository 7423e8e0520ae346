"""Headgate: events in, work orders in, tables out, on Flask and PostgreSQL."""

__version__ = "0.1.0"
