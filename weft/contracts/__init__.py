"""Shared frozen types and protocols. This room imports nothing of ours."""
