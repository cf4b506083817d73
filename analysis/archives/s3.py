"""Open S3 buckets, asked without an account: plain REST through the store, no SDK.

A list is a GET, so it comes through :func:`analysis.store.get` as files do: one transfer for all who ask, retried,
typed errors, and held for a plane. An object's ETag is the md5 of its bytes only if it was uploaded in one piece, so it
serves to tell versions apart (If-None-Match, If-Range) and is never taken for a checksum.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus, urlencode

import numpy as np

from analysis import store
from analysis.archives._listing import Entry
from analysis.errors import AccessDenied, BadAnswer, BadOption, NotFound, TruncatedAnswer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["entries", "listing", "url"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{2,30}")
_HOUR = 3600.0
_EMPTY = 20  # pages without a key, one after the other: some servers send a few


@dataclass(frozen=True)
class _Object:
    """One object, or what objects have in common up to the delimiter (then without size)."""

    key: str
    size: int | None = None
    etag: str | None = None
    modified: np.datetime64 | None = None


def listing(
    bucket: str,
    prefix: str = "",
    *,
    delimiter: str = "",
    endpoint: str | None = None,
    region: str = "us-east-1",
    fresh_for: float = _HOUR,
) -> pd.DataFrame:
    """Return all objects of an open bucket whose keys begin with a prefix, however many pages that takes.

    Parameters
    ----------
    bucket : str
        Its name, for example ``nasa-heasarc``.
    prefix : str, optional
        How the keys begin.
    delimiter : str, optional
        ``"/"`` stops at the next slash: what lies deeper is one row without a size, its key ending in the slash.
    endpoint : str, optional
        Address of another server than Amazon's, ``https://host``; else what the environment variables
        ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` say, as for Amazon's own clients.
    region : str, optional
        Where the bucket lies.
    fresh_for : float, optional
        Seconds for which a list that is held is believed.

    Returns
    -------
    pandas.DataFrame
        Columns ``key, url, size, etag, modified``, in the order of the server: `size` in bytes, `modified` in UTC.

    Raises
    ------
    NotFound, AccessDenied
        There is no such bucket, or it is not open.
    TruncatedAnswer
        The server broke off the list without saying how it goes on.
    BadAnswer
        What came is no list.
    BadOption
        A bucket, region or endpoint that cannot be one.
    DownloadError, StoreError
        The list could not be brought.

    References
    ----------
    Amazon Simple Storage Service API Reference, ListObjectsV2.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     listing("nasa-heasarc", "chandra/data/byobsid/4/754/")
    Traceback (most recent call last):
    ...
    analysis.errors.Offline: https://nasa-heasarc.s3.us-east-1.amazonaws.com/?list-type=2&encoding-type=url&prefix=...
    """
    import pandas as pd

    found = list(_objects(bucket, prefix, delimiter, endpoint, region, fresh_for))
    table = pd.DataFrame(
        {
            "key": [item.key for item in found],
            "url": [_address(bucket, item.key, endpoint, region) for item in found],
            "size": pd.array([item.size for item in found], dtype="Int64"),
            "etag": [item.etag for item in found],
            "modified": np.array([item.modified for item in found], dtype="datetime64[ns]"),
        }
    )
    return table


def entries(bucket: str, prefix: str, *, fresh_for: float = _HOUR) -> list[Entry]:
    """Return what lies right below a prefix that ends in a slash, as a folder's list.

    Raises
    ------
    NotFound
        Nothing lies there.
    DownloadError, StoreError, BadOption
        As for :func:`listing`.

    Examples
    --------
    >>> from analysis import store
    >>> with store.offline():
    ...     entries("nasa-heasarc", "nicer/")
    Traceback (most recent call last):
    ...
    analysis.errors.Offline: https://nasa-heasarc.s3.us-east-1.amazonaws.com/?list-type=2&delimiter=%2F&...
    """
    made = []
    for item in _objects(bucket, prefix, "/", None, "us-east-1", fresh_for):
        name = item.key.removeprefix(prefix)
        if name.strip("/"):  # else the folder itself, which some tools mark with an empty object
            address = _address(bucket, item.key, None, "us-east-1") or ""
            made.append(Entry(name.removesuffix("/"), address, name.endswith("/"), item.size, item.modified))
    if not made:
        raise NotFound(f"s3://{bucket}/{prefix}: nothing lies below this prefix; check its spelling")
    return made


def url(bucket: str, key: str, *, endpoint: str | None = None, region: str = "us-east-1") -> str:
    """Return the address of an object, for :func:`analysis.store.get`.

    Parameters
    ----------
    bucket, key : str
        The key as it is, not percent-encoded.
    endpoint, region : str, optional
        As for :func:`listing`.

    Raises
    ------
    BadOption
        A bucket, region or endpoint that cannot be one; a key that no address can carry, since every client takes
        ``.`` and ``..`` between slashes for folders.

    Examples
    --------
    >>> url("nasa-heasarc", "a b/c+d.fits")
    'https://nasa-heasarc.s3.us-east-1.amazonaws.com/a%20b/c%2Bd.fits'
    >>> url("sky.maps", "m.fits", endpoint="http://127.0.0.1:5000")
    'http://127.0.0.1:5000/sky.maps/m.fits'
    """
    address = _address(bucket, key, endpoint, region)
    if not key or address is None:
        raise BadOption(f"no address can carry the key {key!r:.200} of the bucket {bucket}")
    return address


def _address(bucket: str, key: str, endpoint: str | None, region: str) -> str | None:
    """Return the address of an object, None if there can be none."""
    if any(name in (".", "..") for name in key.split("/")):
        return None
    try:
        path = quote(key, safe="/~")
    except UnicodeEncodeError:
        return None
    # requests takes several slashes at the beginning of a path for one, which makes another key.
    base = _base(bucket, endpoint, region, in_path=key.startswith("/"))
    return f"{base}/{path}"


def _base(bucket: str, endpoint: str | None, region: str, *, in_path: bool = False) -> str:
    """Return the bucket's address, without a slash at the end."""
    if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise BadOption(f"{bucket!r:.80} is no name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.'")
    if not _REGION.fullmatch(region):
        raise BadOption(f"{region!r:.80} is no region; for example 'us-east-1'")
    server = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if server:
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", server):
            raise BadOption(f"endpoint={server!r:.200} is no address of a server; for example https://host")
        return f"{server.rstrip('/')}/{bucket}"
    if in_path or "." in bucket:  # a dot in the name fits no certificate
        return f"https://s3.{region}.amazonaws.com/{bucket}"
    return f"https://{bucket}.s3.{region}.amazonaws.com"


def _objects(
    bucket: str, prefix: str, delimiter: str, endpoint: str | None, region: str, fresh_for: float
) -> Iterator[_Object]:
    """Give all objects, page by page."""
    base, token, seen, keys, empty = _base(bucket, endpoint, region), "", set(), set[str](), 0
    while True:
        asked = {"list-type": "2"}
        if delimiter:
            asked["delimiter"] = delimiter
        asked |= {"encoding-type": "url", "prefix": prefix}
        if token:
            asked["continuation-token"] = token
        address = f"{base}/?{urlencode(asked)}"
        found, token, more = _page(_asked(address, bucket, region, fresh_for), address)
        empty = 0 if found else empty + 1
        if more and (not token or token in seen or empty > _EMPTY):
            raise TruncatedAnswer(f"{address}: the server broke off the list and does not say how it goes on")
        for item in found:
            if not item.key.startswith(prefix) or item.key in keys:
                how = "twice" if item.key in keys else f"and it does not begin with {prefix!r:.80}"
                raise BadAnswer(f"{address}: the server lists {item.key!r:.200} {how}")
            keys.add(item.key)
        yield from found
        if not more:
            return
        seen.add(token)


def _asked(address: str, bucket: str, region: str, fresh_for: float) -> bytes:
    """Return one page of a list, errors in terms of the bucket."""

    def no_list(path: Path) -> str | None:  # what is none is not held for an hour
        _page(path.read_bytes(), address)
        return None

    try:
        return store.get(address, fresh_for=fresh_for, check=no_list).read_bytes()
    except NotFound as error:
        raise NotFound(f"there is no bucket {bucket!r} at {address.partition('?')[0]}; check its name") from error
    except AccessDenied as error:
        raise AccessDenied(
            f"the bucket {bucket!r} at {address.partition('?')[0]} may not be listed without an account"
        ) from error
    except BadAnswer as error:
        if "the server points to" not in str(error):
            raise
        raise BadAnswer(f"{error}; the bucket {bucket!r} seems to lie in another region than {region}") from error


def _page(body: bytes, address: str) -> tuple[list[_Object], str, bool]:
    """Return the objects of one page, the token of the next, and whether there is a next."""
    try:
        text = body.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:  # no list has any; entities may grow without end
            raise BadAnswer(f"{address}: the server answered with something that is no list of a bucket")
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise BadAnswer(f"{address}: the server answered with something that is no list of a bucket") from error
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    if root.tag != "ListBucketResult":
        told = f"{root.findtext('Code', '')} {root.findtext('Message', '')}".strip() or f"<{root.tag}>"
        raise BadAnswer(f"{address}: the server answered {told[:200]!r} where a list of the bucket was asked for")
    read = unquote_plus if root.findtext("EncodingType") == "url" else str
    try:
        found = [_object(node, read) for node in root.iter("Contents")]
        found += [_Object(read(node.findtext("Prefix") or "")) for node in root.iter("CommonPrefixes")]
        count = root.findtext("KeyCount")
        lost = count is not None and int(count) != len(found)
    except (ValueError, TypeError) as error:
        raise BadAnswer(f"{address}: the list that came cannot be read: {error}") from error
    if lost or not all(item.key for item in found):
        raise BadAnswer(f"{address}: the list says that it has {count} keys and holds {len(found)}")
    more = (root.findtext("IsTruncated") or "").strip().lower() == "true"
    return found, root.findtext("NextContinuationToken") or "", more


def _object(node: ElementTree.Element, read) -> _Object:
    told = node.findtext("LastModified")
    modified = np.datetime64(told.removesuffix("Z"), "ns") if told else None
    size = int(node.findtext("Size") or "")
    if size < 0:
        raise ValueError(f"an object has {size} bytes")
    return _Object(read(node.findtext("Key") or ""), size, node.findtext("ETag"), modified)
