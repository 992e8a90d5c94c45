"""Measured kernels: tables of them, compact fits, and what either says of an operation."""
