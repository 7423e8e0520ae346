"""Meals, which users keep for themselves."""
