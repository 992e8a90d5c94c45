"""Weights: formats, loading, conversion. The Linear handle that models hand to operations."""
