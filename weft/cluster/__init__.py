"""Actors on nodes: what serves requests together, live and simulated."""
