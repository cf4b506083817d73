"""Every error and warning that Sankō raises on purpose.

All derive from :class:`AnalysisError`, so ``except AnalysisError`` catches what Sankō refuses and nothing
else. A message names what was asked (product, variable, file), what is wrong, and what would be right.
"""

__all__ = [
    "AnalysisError",
    "AnalysisWarning",
    "BadOption",
    "BadTime",
    "ContractBreach",
    "CorruptFile",
    "MissingFile",
    "MissingUnits",
    "OutsideCoverage",
    "UnknownFormat",
    "UnknownProduct",
    "UnknownUnits",
    "UnknownVariable",
    "WrongData",
    "WrongFrame",
    "WrongUnits",
]


class AnalysisError(Exception):
    """Base of every error that Sankō raises on purpose."""


class AnalysisWarning(UserWarning):
    """Something was assumed or left out; the result's ``history`` says the same."""


class UnknownProduct(AnalysisError, LookupError):
    """No product has this name; the message lists the nearest ones."""


class UnknownVariable(AnalysisError, LookupError):
    """The product or dataset has no such variable; the message lists what it has."""


class BadOption(AnalysisError, ValueError):
    """An argument has a value that the function does not know or cannot use."""


class BadTime(AnalysisError, ValueError):
    """A time cannot be read, has no time zone, or start and stop are the wrong way round."""


class OutsideCoverage(AnalysisError, ValueError):
    """The product exists but holds nothing for the time, place or observation asked for."""


class UnknownUnits(AnalysisError, ValueError):
    """A unit's spelling is in neither astropy nor Sankō's table of archive spellings."""


class MissingUnits(AnalysisError, ValueError):
    """An array came without ``attrs["units"]``, so it cannot be converted."""


class WrongUnits(AnalysisError, ValueError):
    """An array's units are of another kind than the function needs."""


class WrongFrame(AnalysisError, ValueError):
    """A vector is in another coordinate frame than the function needs, or in none that is known."""


class WrongData(AnalysisError, ValueError):
    """An array or dataset lacks the dims, variables or values that the function needs."""


class ContractBreach(AnalysisError, ValueError):
    """A dataset breaks the data contract; the message names every breach."""


class MissingFile(AnalysisError, FileNotFoundError):
    """There is no file at the path given."""


class UnknownFormat(AnalysisError, ValueError):
    """The file's content is of no format that Sankō reads; the message says what it looks like."""


class CorruptFile(AnalysisError, ValueError):
    """The file is of a known format but truncated, empty, damaged or not what its checksum says."""
