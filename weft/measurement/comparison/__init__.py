"""Policies side by side: the same requests under each, how they differ, and how sure that is."""
