"""Decisions: who runs next, how a step's tokens are shared, who gives way, what stays cached."""
