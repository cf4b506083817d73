"""A file tree on loopback: files as in `archive`, and each folder as the page that a server would make of it.

with Tree(style="apache") as tree:
    tree.add("/pub/data/a_v01.cdf", b"...")        # /pub/data/, /pub/ and / are pages now
"""

import html
from urllib.parse import quote, unquote

from servers.archive import Archive

STYLES = ("apache", "apache-table", "nginx", "python", "lighttpd")
# The shapes of pages as written by Apache 2.4 mod_autoindex (plain and HTMLTable, which CDAWeb, HEASARC and DARTS use),
# nginx's ngx_http_autoindex_module, Python's http.server and lighttpd's mod_dirlisting.
_HEAD = {
    "apache": '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n'
    "  <title>Index of {path}</title>\n </head>\n <body>\n<h1>Index of {path}</h1>\n"
    '<pre><img src="/icons/blank.gif" alt="Icon "> '
    '<a href="?C=N;O=D">Name</a>  <a href="?C=M;O=A">Last modified</a>  <a href="?C=S;O=A">Size</a>  '
    '<a href="?C=D;O=A">Description</a><hr><img src="/icons/back.gif" alt="[PARENTDIR]"> <a href="{above}">Parent '
    "Directory</a>                             -   \n",
    "apache-table": "<html><head><title>Index of {path}</title></head><body><h1>Index of {path}</h1>\n<table><tr>"
    '<th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>\n'
    '<tr><td><a href="{above}">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>\n',
    "nginx": "<html>\r\n<head><title>Index of {path}</title></head>\r\n<body>\r\n<h1>Index of {path}</h1><hr><pre>"
    '<a href="../">../</a>\r\n',
    "python": '<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<title>Directory listing for {path}</title>\n'
    "</head>\n<body>\n<h1>Directory listing for {path}</h1>\n<hr>\n<ul>\n",
    "lighttpd": "<html><head><title>Index of {path}</title></head><body><h2>Index of {path}</h2><table><tbody>\n"
    '<tr class="d"><td class="n"><a href="../">..</a>/</td>\n<td class="m">&nbsp;</td>\n'
    '<td class="s">- &nbsp;</td></tr>\n',
}
_LINE = {
    "apache": '<img src="/icons/unknown.gif" alt="[   ]"> <a href="{href}">{shown}</a>   2021-03-04 05:06'
    "  {size:>4}  \n",
    "apache-table": '<tr><td valign="top"><a href="{href}"><img src="/i.gif"></a></td><td><a href="{href}">{shown}</a>'
    '</td><td align="right">2021-03-04 05:06  </td><td align="right">{size:>4}</td></tr>\n',
    "nginx": '<a href="{href}">{shown}</a>      04-Mar-2021 05:06      {bytes:>10}\r\n',
    "python": '<li><a href="{href}">{shown}</a></li>\n',
    "lighttpd": '<tr><td class="n"><a href="{href}">{shown}</a></td>\n<td class="m">2021-Mar-04 05:06:00</td>\n'
    '<td class="s">{size}</td></tr>\n',
}
_FOOT = {
    "apache": "<hr></pre>\n<address>Apache/2.4 Server at example.org Port 443</address>\n</body></html>\n",
    "nginx": "</pre><hr></body>\r\n</html>\r\n",
}


class Tree(Archive):
    """An archive whose folders are pages, and that redirects a folder without its slash."""

    def __init__(self, style="apache", host="127.0.0.1"):
        super().__init__(host)
        self.style = style
        self._files = {}
        self._list()

    def add(self, path, body, **more):
        """Put a file there, its path as it is on disk; folders are listed anew."""
        self._files[path] = len(body)
        address = super().add(quote(path), body, **more)
        self._list()
        return address

    def fill(self, paths):
        """Put many files there, their bytes their own names."""
        for path in paths:
            self._files[path] = len(path)
            super().add(quote(path), path.encode())
        self._list()

    def drop(self, path):
        """Take a file away."""
        del self._files[path], self.pages[quote(path)]
        self._list()

    def _list(self):
        folders = {"/": {}}
        for path, size in self._files.items():
            names = path.strip("/").split("/")
            for depth, name in enumerate(names):
                above = "/" + "".join(part + "/" for part in names[:depth])
                last = depth == len(names) - 1
                folders.setdefault(above, {})[name if last else name + "/"] = size if last else None
        for folder in [page for page in self.pages if page.endswith("/") and unquote(page) not in folders]:
            del self.pages[folder]
        for folder, names in folders.items():
            body = self._page(folder, names).encode()
            Archive.add(self, quote(folder), body, type="text/html;charset=utf-8")

    def _page(self, folder, names):
        above = folder.rstrip("/").rpartition("/")[0] + "/"
        lines = [
            _LINE[self.style].format(
                href=quote(name),
                shown=html.escape(name),
                size="-" if size is None else _rounded(size),
                bytes=size or "-",
            )
            for name, size in sorted(names.items())
        ]
        head = _HEAD[self.style].format(path=html.escape(folder.rstrip("/") or "/"), above=quote(above))
        return head + "".join(lines) + _FOOT.get(self.style, "</body></html>\n")


def _rounded(size):
    """Return a size as Apache shows it."""
    if size < 1024:
        return str(size)
    for unit in "KMG":
        size /= 1024
        if size < 1024:
            return f"{size:.1f}{unit}" if size < 10 else f"{size:.0f}{unit}"
    return f"{size:.0f}T"
