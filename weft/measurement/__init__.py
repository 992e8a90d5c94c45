"""Measuring Weft: benchmarks, calibration, validation, evaluation."""
