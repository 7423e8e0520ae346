"""Fullbay's two APIs as sources of ingestion."""
