"""Whom a request may tell who we are, and how no secret gets into an address, a message or a file."""

from __future__ import annotations

import contextlib
import os
import re
from urllib.parse import SplitResult, unquote_plus, urlsplit, urlunsplit

from analysis.errors import BadOption

__all__ = ["authorization", "clean", "token_name", "without_secrets"]

# Keys that carry a secret in the services that archives stand on: letters and digits alone, in lower case. Tokens that
# say where a list goes on (continuation-token, resumptionToken, page_token) are none.
_SECRET = re.compile(
    r"(x?(access|api|app|auth|bearer|client|csrf|id|job|jwt|login|my|o?auth2?|private|refresh|secret|security|session|sso"
    r"|user|ws|xsrf|amzsecurity|googsecurity))?token"
    r"|x?(access|api|app|aws|auth|client|consumer|developer|license|private|secret|subscription|user|ocpapimsubscription"
    r"|awsaccess)key(id)?"
    r"|(user|login|aio|my|db|ftp)?(pass(word|wd|phrase|code)?|pwd|pswd|pw)|(api|app|client|consumer|shared|user)?secret"
    r"|(o?auth|x?amz|x?goog)?sig(nature)?|x?(amz|goog)?credentials?|x?(o?auth|authorization)|jwt|hmac|bearer|otp|apiauth"
    r"|(j|php|asp|aspnet)?sess(ion)?(id)?|aspnetsessionid|cookie"
)


def clean(url: str) -> str:
    """Return an address as the store knows it: checked, without fragment, host in lower case.

    Parameters
    ----------
    url : str
        An http or https address.

    Raises
    ------
    BadOption
        No http(s) address, or one with a name, password or token in it. The message repeats no secret.

    Examples
    --------
    >>> clean("HTTPS://Example.org:443/a.fits#HDU2")
    'https://example.org/a.fits'
    """
    if not isinstance(url, str) or re.search(r"[\x00-\x20\x7f]", url):
        raise BadOption(f"an address is text without blanks or control characters, not {url!r:.80}")
    port, parts = None, _apart(url)
    if parts is not None:
        with contextlib.suppress(ValueError):
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    if parts is None or port is None:  # the error of the library is not chained, since it repeats what it cannot read
        raise BadOption("the address given cannot be taken apart: it should read https://host/path")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOption(f"{without_secrets(url)!r:.200} is no http or https address; a file on disk needs no download")
    if "@" in parts.netloc:
        raise BadOption(
            f"the address for {parts.hostname} has a user name or password in it; "
            f"leave it out and put the token into the environment variable {token_name(parts.hostname)}"
        )
    if told := [key for key in _keys(parts.path, parts.query) if _is_secret(key)]:
        raise BadOption(
            f"the address for {parts.hostname} has a secret in it ({', '.join(told)}); "
            f"leave it out and put the token into the environment variable {token_name(parts.hostname)}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port != {"http": 80, "https": 443}[parts.scheme]:
        host += f":{port}"
    return urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))


def _apart(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _keys(path: str, query: str) -> list[str]:
    """Return the names of what an address tells the server, in its query and after semicolons in its path."""
    told = [piece.partition("=")[0] for piece in re.split("[&;]", query)]
    told += [piece.partition("=")[0] for part in path.split("/") for piece in part.split(";")[1:]]
    return [unquote_plus(key) for key in told]


def _is_secret(key: str) -> bool:
    return _SECRET.fullmatch(re.sub("[^a-z0-9]", "", key.lower())) is not None


def without_secrets(url: str) -> str:
    """Return an address that may be shown: no user, no password, no query (a redirect's may be signed), no session.

    Examples
    --------
    >>> without_secrets("https://me:pw@example.org/a?X-Amz-Signature=1")
    'https://example.org/a?…'
    """
    parts = _apart(url)
    if parts is None:
        return "an address that cannot be taken apart"
    query = "?…" if parts.query else ""
    place = re.sub(r":[^\]:]*[^\]:0-9][^\]:]*$", ":…", parts.netloc.rpartition("@")[2])  # no port: half of a password
    shown = f"{place}{re.sub('(?<=;)[^/]+', '…', parts.path)}{query}"
    # What a server wrote may hold what a terminal takes for a command.
    shown = "".join(char if char.isprintable() else "?" for char in shown)
    return f"{parts.scheme}://{shown}" if parts.scheme or parts.netloc else shown


def token_name(host: str) -> str:
    """Return the environment variable that holds a host's token: dots as one underscore, hyphens as two.

    Else whoever buys ``data-example.org`` would get what is meant for ``data.example.org``.

    Examples
    --------
    >>> token_name("data.example.org"), token_name("data-example.org")
    ('SANKO_TOKEN_DATA_EXAMPLE_ORG', 'SANKO_TOKEN_DATA__EXAMPLE_ORG')
    """
    return "SANKO_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", host.upper().replace("-", "__"))


def authorization(url: str, *, refused: bool = False, origin: str | None = None) -> str | None:
    """Return the Authorization header for exactly this address, or None.

    The token of a host is looked for under that host's own name, so that a redirect carries it nowhere else, and
    never goes over an unencrypted connection, loopback excepted. Where a redirect leads from `origin`, the address
    asked for, to an unusual port of the same host, another program may listen: it gets none. The keyring is asked only
    after the host has refused us, since asking may open a window.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not re.fullmatch(r"[a-z0-9.:-]+", host):  # a name in other letters would be told apart by no variable
        return None
    first = urlsplit(origin or url)
    if host == first.hostname and parts.port not in (None, 443, first.port):
        return None
    if parts.scheme != "https" and host not in ("localhost", "127.0.0.1", "::1"):
        return None
    token = os.environ.get(token_name(host)) or (_from_keyring(host) if refused else None)
    if not token:
        return None
    if not token.isprintable() or not token.isascii():
        raise BadOption(f"the token for {host} has characters that no header may hold; set {token_name(host)} anew")
    return token if " " in token else f"Bearer {token}"


def _from_keyring(host: str) -> str | None:
    """Return the password that the system's keyring holds for service ``sanko`` and this host."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:  # it is no dependency: who keeps tokens there has it
        return None
    try:
        return keyring.get_password("sanko", host)
    except KeyringError:
        return None
