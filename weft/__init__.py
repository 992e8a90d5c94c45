"""Weft serves and simulates large language models: the code that serves is the code that simulates.

Importing this package costs nothing: every room below is imported by whoever needs it.
"""

__version__ = "0.1.0"
