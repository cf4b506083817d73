"""Whether an answer can be the file, as far as its address and its first bytes tell."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

__all__ = ["content_problem", "title_of"]

_COMPRESSED = {".gz", ".tgz", ".z", ".bz2", ".xz", ".zst", ".zip", ".fz", ".svgz"}
# Endings under which no archive keeps a page for people.
_NO_PAGE = _COMPRESSED | {
    *(".arf", ".cdf", ".evt", ".fit", ".fits", ".fts", ".h5", ".hdf", ".hdf5", ".nc", ".nc4", ".pha", ".pi"),
    *(".rmf", ".rsp", ".img", ".lbl", ".dat", ".tab", ".bin", ".sav", ".tar", ".parquet", ".png"),
    *(".asc", ".csv", ".ecsv", ".json", ".txt", ".vot", ".votable", ".xml", ".bsp", ".orb", ".tf", ".tls", ".tpc"),
}
_PAGE = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype\s+html|<html|<head|<body)", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


def content_problem(url: str, headers: Mapping[str, str], head: bytes = b"") -> str | None:
    """Return why an answer cannot be the file at this address, or None.

    Parameters
    ----------
    url : str
        The address asked for.
    headers : mapping
        Of the answer; empty once they have been looked at.
    head : bytes
        The body's first bytes.

    Examples
    --------
    >>> content_problem("https://example.org/a.fits", {}, b"<html><title>Down for repair</title>")
    'the server answered with a web page ("Down for repair") instead of a .fits file; ask again later, or check...'
    """
    path = unquote(urlsplit(url).path)
    suffix = "" if path.endswith("/") else PurePosixPath(path).suffix.lower()  # a folder's list is a page
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity") and suffix not in _COMPRESSED:
        return f"the server packed the file as {coding!r:.20} though it was asked not to; its bytes are not the file's"
    if suffix in _NO_PAGE and _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        title = title_of(head)
        told = f' ("{title}")' if title else ""
        sent = f"a web page{told} instead of a {suffix} file"
        return f"the server answered with {sent}; ask again later, or check the address"
    return None


def title_of(head: bytes) -> str:
    """Return the title of a web page, on one line; empty if there is none."""
    found = _TITLE.search(head.decode("utf-8", "replace"))
    return " ".join(html.unescape(found[1]).split())[:120] if found else ""
