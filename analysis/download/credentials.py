"""Whom a request may tell who we are, and how no secret gets into an address, a message or a file."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from analysis.errors import BadOption

__all__ = ["authorization", "clean", "token_name", "without_secrets"]

# Query keys that carry a secret in the services that archives stand on, in lower case.
_SECRET = re.compile(
    r"(access_?|auth_?|refresh_?|session_?|bearer_?|id_?)?token|api_?key|pass(word|wd|phrase)?|(aio)?pwd|(client_?)?secret"
    r"|sig(nature)?|auth(orization)?|jwt|credentials?|awsaccesskeyid|x-(amz|goog)-(signature|credential|security-token)"
    r"|session(_?id)?|jsessionid|phpsessid"
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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise BadOption("the address given cannot be taken apart: it should read https://host/path") from err
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOption(f"{without_secrets(url)!r:.200} is no http or https address; a file on disk needs no download")
    if "@" in parts.netloc:
        raise BadOption(
            f"the address for {parts.hostname} has a user name or password in it; "
            f"leave it out and put the token into the environment variable {token_name(parts.hostname)}"
        )
    if told := [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if _SECRET.fullmatch(key.lower())]:
        raise BadOption(
            f"the address for {parts.hostname} has a secret in its query ({', '.join(told)}); "
            f"leave it out and put the token into the environment variable {token_name(parts.hostname)}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port not in (None, {"http": 80, "https": 443}[parts.scheme]):
        host += f":{port}"
    return urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))


def without_secrets(url: str) -> str:
    """Return an address that may be shown: no user, no password, no query (a redirect's may be signed).

    Examples
    --------
    >>> without_secrets("https://me:pw@example.org/a?X-Amz-Signature=1")
    'https://example.org/a?…'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be taken apart"
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def token_name(host: str) -> str:
    """Return the environment variable that holds a host's token.

    Examples
    --------
    >>> token_name("data.example.org")
    'SANKO_TOKEN_DATA_EXAMPLE_ORG'
    """
    return "SANKO_TOKEN_" + re.sub(r"[^A-Z0-9]", "_", host.upper())


def authorization(url: str, *, refused: bool = False) -> str | None:
    """Return the Authorization header for exactly this address, or None.

    The token of a host is looked for under that host's own name, so that a redirect carries it nowhere else, and
    never goes over an unencrypted connection, loopback excepted. The keyring is asked only after the host has
    refused us, since asking may open a window.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
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
