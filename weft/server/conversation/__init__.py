"""Conversations with a model, whatever the protocol."""
