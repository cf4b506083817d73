"""Every error and warning that Sankō raises on purpose.

All derive from :class:`AnalysisError`, so ``except AnalysisError`` catches what Sankō refuses and nothing
else. A message names what was asked (product, variable, file), what is wrong, and what would be right.
"""

from typing import Self

__all__ = [
    "AccessDenied",
    "AnalysisError",
    "AnalysisWarning",
    "BadAnswer",
    "BadOption",
    "BadTime",
    "ContractBreach",
    "CorruptFile",
    "DownloadError",
    "MissingFile",
    "MissingUnits",
    "NotFound",
    "Offline",
    "OutsideCoverage",
    "QueryRefused",
    "StoreError",
    "TooSlow",
    "TruncatedAnswer",
    "UnknownFormat",
    "UnknownProduct",
    "UnknownServer",
    "UnknownTarget",
    "UnknownUnits",
    "UnknownVariable",
    "Unreachable",
    "UnsafeArchive",
    "WrongChecksum",
    "WrongData",
    "WrongFrame",
    "WrongUnits",
]


class AnalysisError(Exception):
    """Base of every error that Sankō raises on purpose."""

    def and_more(self, more: str) -> Self:
        """Return the same error with more to say."""
        made = type(self)(f"{self} {more}")
        made.__dict__.update(self.__dict__)
        return made


class AnalysisWarning(UserWarning):
    """Something was assumed or left out; the result's ``history`` says the same."""


class UnknownProduct(AnalysisError, LookupError):
    """No product has this name; the message lists the nearest ones."""


class UnknownServer(AnalysisError, LookupError):
    """No server has this name in the table of servers, and it is no address either."""


class UnknownTarget(AnalysisError, LookupError):
    """No name service knows the object; the message says which were asked."""


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


class UnsafeArchive(CorruptFile):
    """A tar or zip file would write outside its folder, or unpack to far more than it should."""


class DownloadError(AnalysisError, OSError):
    """A file could not be brought from its address; the message names the address and what would help.

    Where a server answered, ``url`` is the address, ``status`` the HTTP status and ``body`` the first bytes of the
    answer (8 kB at most), since some archives say there what was wrong with the question.
    """

    url: str | None = None
    status: int | None = None
    body: bytes = b""

    def answered(self, url: str, status: int, body: bytes = b"") -> Self:
        """Return the error with what the server answered."""
        self.url, self.status, self.body = url, status, body
        return self


class Unreachable(DownloadError):
    """The server cannot be found or reached, or asked for patience longer than ours."""


class TooSlow(DownloadError):
    """The server sends, but so slowly that the transfer was given up; what came is kept for the next try."""


class NotFound(DownloadError, LookupError):
    """The server says that there is nothing at the address."""


class AccessDenied(DownloadError):
    """The server wants to know who asks, or refuses the one who does."""


class BadAnswer(DownloadError, ValueError):
    """The server answered with something that cannot be the file: an error page, nothing, a wrong part."""


class QueryRefused(DownloadError, ValueError):
    """The server understood the request and refuses it; the message repeats its reason."""


class TruncatedAnswer(DownloadError, ValueError):
    """The server sent only a part of what was asked for and said so; the message says how to get the rest."""


class WrongChecksum(DownloadError, ValueError):
    """The bytes that arrived are not those that the checksum given stands for; they were thrown away."""


class Offline(DownloadError):
    """Sankō is switched offline and the store holds no sound copy."""


class StoreError(AnalysisError, OSError):
    """The store's disk is full or cannot be written to or read."""
