"""Measuring the live executor of this machine, for `--hardware local`."""

from weft.measurement.calibration.calibrating import Calibration, CalibrationSettings, calibrate
from weft.measurement.calibration.loading import SWAP_BLOCKS, load_for_calibration

__all__ = ["SWAP_BLOCKS", "Calibration", "CalibrationSettings", "calibrate", "load_for_calibration"]
