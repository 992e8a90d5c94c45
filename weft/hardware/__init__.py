"""Devices, links, nodes and clusters as data: each number with the source that states it."""
