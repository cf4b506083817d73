"""Write docs/data.md and docs/live.md from the declarations of products and the registry of files.

python tools/make_docs.py [--check]

With --check nothing is written: the command fails if a page is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analysis import catalogue, programmes, sample  # noqa: E402
from analysis.archives.servers import servers  # noqa: E402

FIELDS = {"plasma": "Plasma environments", "xray": "X-ray sources", "cmb": "CMB polarization"}
HEAD = """\
# Data: what ships, whose it is, how to cite it

<!-- tools/make_docs.py writes this from analysis/*/products.toml and analysis/sample/registry.toml -->

Measured data, and what an archive gives with them: responses, cross sections, and, each marked as such,
gap-filled and predicted values, a model (the Planck spectra) and a design (LiteBIRD's channels). Nothing is
simulated. Each file is what its archive made it, or says what was changed. Every dataset carries the
same facts in its attributes: `references`, `license`, `caveats` and, as JSON, `provenance` with the checksum.

## How to cite

Cite the papers listed with the data you used, and acknowledge the archive named there under its terms;
`print(data.attrs["references"])` lists them for what you hold. `CITATION.cff` says how to cite the software.
Most files came by way of a software package: the licence is then the package's, and the terms of the data
stand beside it.
"""

LIVE = """\
# Live: what archives have, and how to ask for it

<!-- tools/make_docs.py writes this from analysis/*/archives.toml and analysis/archives/servers.toml -->

These products are declared, not shipped: `fetch` asks the archive and keeps what comes (see [archives](archives.md)).
**None of them was ever fetched live by the tests**, which have no network: names, parameters, units and addresses
come from the sources that the caveats name, and what could not be confirmed says so. Where an archive has moved on,
a typed error says what is wrong.
"""


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    given = parser.parse_args()
    stale = 0
    for name, text in {"data.md": page(), "live.md": live_page()}.items():
        path = ROOT / "docs" / name
        if not given.check:
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"docs/{name} is out of date: run python tools/make_docs.py", file=sys.stderr)
            stale = 1
    return stale


def page() -> str:
    """Return the page on what ships."""
    return "\n".join([HEAD, *products(), *files(), *missions()]).rstrip() + "\n"


def live_page() -> str:
    """Return the page on what archives have."""
    return "\n".join([LIVE, *live()]).rstrip() + "\n"


def live() -> Iterator[str]:
    """Yield the tables of what archives have, one a field, and the table of archives."""
    for field, title in FIELDS.items():
        held = catalogue.products(field, live=True)
        yield f"## {title}: {len(held)} products\n"
        yield from table(
            ("product", "what it is", "from", "to", "archive", "asked as", "needs"),
            (
                (
                    f"`{p.name}`",
                    p.title,
                    (p.start or "")[:10],
                    (p.stop or "")[:10],
                    p.source.short_name,
                    f"`{p.source.dataset or p.source.template or ', '.join(p.source.templates.values())}`",
                    ", ".join(p.source.needs),
                )
                for p in held.values()
                if p.source is not None
            ),
        )
        yield ""
        for product in held.values():
            yield from (f"- `{product.name}`: {caveat}" for caveat in product.caveats)
        yield ""
    yield f"## The {len(servers())} archives that have a short name\n"
    yield "`python -m analysis status` asks each of them.\n"
    rows = ((f"`{s.name}`", s.title, s.protocol, s.url, " ".join(s.references)) for s in servers().values())
    yield from table(("name", "whose", "protocol", "address", "described at"), rows)


def products() -> Iterator[str]:
    """Yield the tables of products, one a field."""
    yield "## Products\n"
    for field, title in FIELDS.items():
        yield f"### {title}: `{field}.fetch(...)`\n"
        yield from table(
            ("product", "what it is", "mission, instrument", "from (UTC)", "to (UTC)", "files"),
            (
                (
                    f"`{p.name}`",
                    p.title,
                    f"{p.mission}, {p.instrument}",
                    p.start or "",
                    p.stop or "",
                    ", ".join(f"[{name}](#{anchor(name)})" for name in p.sample_files) or "in astroquery's package",
                )
                for p in catalogue.products(field).values()
            ),
        )
        for product in catalogue.products(field).values():
            yield from (f"- `{product.name}`: {caveat}" for caveat in product.caveats)
        yield ""


def files() -> Iterator[str]:
    """Yield an overview of all files, then one section each."""
    entries = sample.entries()
    yield "## Files\n"
    megabytes = sum(entry.size for entry in entries.values()) / 1e6
    yield f"{len(entries)} files, {megabytes:.1f} MB, in `analysis/sample/`.\n"
    rows = (
        (f"[{e.name}](#{anchor(e.name)})", f"{e.size:,}", f"`{e.sha256[:12]}`", e.license) for e in entries.values()
    )
    yield from table(("file", "bytes", "sha256 begins", "licence"), rows)
    yield ""
    for entry in entries.values():
        yield f"### {entry.name}\n"
        yield f"{entry.title}.\n"
        yield f"- Mission and instrument: {entry.mission}, {entry.instrument}"
        if entry.observed:
            yield f"- Observed: {' to '.join(entry.observed)} (UTC)"
        yield f"- By: {entry.institution}"
        yield f"- Archive: {entry.archive}"
        yield f"- Obtained from {entry.obtained_from}, as `{entry.original_name}`, on {entry.copied}"
        yield f"- Licence: {entry.license}. {entry.terms}"
        yield f"- Changes: {entry.changes}"
        yield from (f"- Reference: {linked(reference)}" for reference in entry.references)
        yield from (f"- Beware: {caveat}" for caveat in entry.caveats)
        yield ""


def missions() -> Iterator[str]:
    """Yield the table of programmes."""
    yield "## The programmes of ESA and JAXA, and what is here for them\n"
    yield "As of the documents named; `analysis.missions()` is the same table.\n"
    rows = (
        (
            row.programme,
            ", ".join(row.agencies),
            f"{row.phase} ({row.phase_source})",
            row.data,
            " ".join([row.offers, ", ".join(f"`{name}`" for name in row.products)]).strip(),
        )
        for row in programmes.table().itertuples()
    )
    yield from table(("programme", "agencies", "phase (source)", "data", "here"), rows)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


def anchor(heading: str) -> str:
    """Return the anchor that Git hosts give a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def linked(reference: str) -> str:
    """Return a reference with its DOI as a link."""
    text, mark, doi = reference.partition("doi:")
    return f"{text}[doi:{doi}](https://doi.org/{doi.replace('(', '%28').replace(')', '%29')})" if mark else text


if __name__ == "__main__":
    sys.exit(main())
