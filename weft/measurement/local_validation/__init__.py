"""The error of a simulation on this machine: the same load live and simulated, with a profile just measured.

`validate_local` does it, as `LocalSettings` say; `describe_validation` makes lines of what it found, and
`LocalValidation.as_json` has all figures.
"""

from weft.measurement.local_validation.results import LocalValidation
from weft.measurement.local_validation.settings import LocalSettings
from weft.measurement.local_validation.text import describe_validation
from weft.measurement.local_validation.validating import validate_local

__all__ = ["LocalSettings", "LocalValidation", "describe_validation", "validate_local"]
