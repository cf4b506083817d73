"""How a file travels: one transfer, resumed, paced, verified, or refused with a typed error.

Nothing here knows what is held already: that is :mod:`analysis.store`, the door that users take.
"""

from analysis.download.credentials import clean, without_secrets
from analysis.download.disk import held_lock, write_json
from analysis.download.hosts import ANY_HOST, HOSTS, Host
from analysis.download.limits import Limits
from analysis.download.partial import Validator
from analysis.download.transfer import Arrived, bring

__all__ = [
    "ANY_HOST",
    "HOSTS",
    "Arrived",
    "Host",
    "Limits",
    "Validator",
    "bring",
    "clean",
    "held_lock",
    "without_secrets",
    "write_json",
]
