"""Looks inside open-weights language models, in many languages at once."""
