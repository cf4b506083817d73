"""Write docs/data.md from the declarations of products and the registry of files.

python tools/make_docs.py [--check]

With --check nothing is written: the command fails if docs/data.md is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "data.md"
sys.path.insert(0, str(ROOT))

from analysis import catalogue, programmes, sample  # noqa: E402

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


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    given = parser.parse_args()
    text = page()
    if not given.check:
        PAGE.write_text(text, "utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text("utf-8") != text:
        print(f"{PAGE.relative_to(ROOT)} is out of date: run python tools/make_docs.py", file=sys.stderr)
        return 1
    return 0


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *products(), *files(), *missions()]).rstrip() + "\n"


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
                    ", ".join(f"[{name}](#{anchor(name)})" for name in p.sample_files),
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
