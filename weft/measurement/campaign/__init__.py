"""Fault campaigns: clusters in virtual time, drawn from a seed, to which all sorts of things happen."""
