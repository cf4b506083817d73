"""Files from a loopback archive: what tests of the store and the downloader ask with, and look at afterwards."""

from analysis import store
from analysis.download import Limits

FAST = Limits(connect=2, read=2, patience=6, retries=4, first_pause=0.01, longest_pause=0.05, window=0.5)
BODY = bytes(i * 7919 % 251 for i in range(260_000))


def got(url, **options):
    return store.get(url, limits=options.pop("limits", FAST), **options).read_bytes()


def left_behind(home):
    """Return what lies in the store but blobs, references and locks."""
    return [p for p in home.rglob("*") if p.is_file() and p.suffix in (".part", ".journal", ".tmp")]
