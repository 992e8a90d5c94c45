"""Coarse operations that models are written in, one file per backend."""
