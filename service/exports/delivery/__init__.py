"""Delivery: batches on their way to the partner's API."""
