"""The server described, for programs and for people."""
