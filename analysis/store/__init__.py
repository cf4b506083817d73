"""What we hold: the one door to the network.

>>> from analysis import store
>>> from analysis.errors import Offline
>>> with store.offline():
...     try:
...         store.get("https://example.org/never-asked-for.fits")
...     except Offline as refusal:
...         print(refusal)
https://example.org/never-asked-for.fits is not held, and Sankō is offline: ...
"""

from analysis.store.door import get, is_offline, offline, reference, session
from analysis.store.keeping import prune, status, verify
from analysis.store.shelves import Reference, home

__all__ = ["Reference", "get", "home", "is_offline", "offline", "prune", "reference", "session", "status", "verify"]
