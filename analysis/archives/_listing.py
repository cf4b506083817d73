"""What a web server's list of a folder says: names, sizes, dates. No network."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin, urlsplit

import numpy as np

__all__ = ["Entry", "entries", "is_listing"]

_SAFE = "/%:@!$&'()*+,;=~-._"
_INDEX = re.compile(r"\b(index of|directory listing|listing of|parent directory|contents of)\b", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d|[A-Za-z]{3})-(?P<day>\d\d)|(?P<day2>\d\d?)-(?P<month2>[A-Za-z]{3})-(?P<year2>\d{4}))"
    r"[ T](?P<clock>\d\d:\d\d(?::\d\d)?)"
)
_SIZE = re.compile(r"(?<![\w.:-])(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[KMGT]?)(?:i?B)?(?![\w.:-])")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True)
class Entry:
    """One file or folder of a list.

    Parameters
    ----------
    name : str
        As it is on the server's disk, without the slash of a folder.
    url : str
        Its address.
    is_folder : bool
    size : int, optional
        In bytes, where the list tells it; many lists round it.
    modified : numpy.datetime64, optional
        As the list tells it, in a time zone that it does not tell.
    """

    name: str
    url: str
    is_folder: bool
    size: int | None = None
    modified: np.datetime64 | None = None


class _Links(HTMLParser):
    """Collects each link with the text behind it on its line or in its row, and the text that is no link's."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._in_row = self._in_link = self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            href = dict(attrs).get("href")
            self._in_link = True
            self._open = href is not None
            if href is not None:
                self.links.append((href, ""))
        elif tag in ("tr", "li", "br", "p", "div", "hr"):
            self._in_row = tag == "tr"
            self._open = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False
        elif tag in ("tr", "li", "p", "div"):
            self._in_row = self._open = False

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._in_link or not self._open:
            return
        line, newline, _ = data.partition("\n")
        if self._in_row:
            line, newline = data, ""
        href, told = self.links[-1]
        self.links[-1] = href, f"{told} {line}"
        if newline:
            self._open = False


def _parsed(page: str) -> _Links:
    found = _Links()
    found.feed(page)
    found.close()
    return found


def is_listing(page: str, folder: str) -> bool:
    """Return whether a page is the list of a folder, as far as its words and its link to the folder above tell.

    Examples
    --------
    >>> is_listing("<title>Index of /a</title>", "https://example.org/a/")
    True
    >>> is_listing("<title>Down for repair</title><a href='news.html'>News</a>", "https://example.org/a/")
    False
    """
    found = _parsed(page)
    above = urljoin(folder, "..")
    return bool(_INDEX.search(" ".join("".join(found.words).split()))) or any(
        _joined(folder, href) == above for href, _ in found.links if ".." in href or href.startswith("/")
    )


def entries(page: str, folder: str) -> list[Entry]:
    """Return the files and folders that a page lists, in its order, each once.

    Links elsewhere are left out: to other hosts, upwards, deeper than one level, to another order of the same list.

    Parameters
    ----------
    page : str
        The page's HTML.
    folder : str
        Its address, ending in a slash.

    Examples
    --------
    >>> line = '<a href="../">../</a>\\n<a href="a%20b.cdf">a b.cdf</a>   02-Jan-2020 03:04   1234\\n'
    >>> [(e.name, e.url, e.size, str(e.modified)) for e in entries(line, "https://example.org/x/")]
    [('a b.cdf', 'https://example.org/x/a%20b.cdf', 1234, '2020-01-02T03:04')]
    """
    base = urlsplit(folder)
    above = unquote(base.path)
    found: dict[str, Entry] = {}
    for href, told in _parsed(page).links:
        target = _joined(folder, href.strip())
        parts = urlsplit(target)
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc) or parts.query or href.startswith(("#", "?")):
            continue
        path = unquote(parts.path)
        rest = path.removeprefix(above)
        name = rest.removesuffix("/")
        if rest == path or not name or "/" in name or name in (".", "..") or not name.isprintable() or "\\" in name:
            continue
        url = f"{base.scheme}://{base.netloc}{quote(parts.path, safe=_SAFE)}"
        entry = Entry(name, url, rest.endswith("/"), *_size_and_date(told))
        known = found.get(url)
        found[url] = (
            entry
            if known is None
            else replace(
                known,
                size=known.size if entry.size is None else entry.size,
                modified=entry.modified if known.modified is None else known.modified,
            )
        )
    return list(found.values())


def _joined(folder: str, href: str) -> str:
    try:
        return urljoin(folder, href)
    except ValueError:  # brackets that are no address
        return ""


def _size_and_date(told: str) -> tuple[int | None, np.datetime64 | None]:
    """Return what the text behind a link says, None for what it does not say."""
    modified = None
    if found := _DATE.search(told):
        month = found["month"] or found["month2"]
        number = _MONTHS.index(month.lower()) + 1 if month.lower() in _MONTHS else int(month) if month.isdigit() else 0
        year, day = found["year"] or found["year2"], int(found["day"] or found["day2"])
        try:
            modified = np.datetime64(f"{year}-{number:02d}-{day:02d}T{found['clock']}")
        except ValueError:
            modified = None
        told = told[found.end() :]
    size = _SIZE.search(told)
    return (round(float(size["number"]) * _UNITS[size["unit"]]) if size else None), modified
