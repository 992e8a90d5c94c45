"""Kernels for linear layers in C++, compiled when Weft is installed; its sources are in `cpp`."""
