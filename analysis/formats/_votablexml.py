"""The elements of a VOTable, its cells apart: one pass of expat over the file, and nothing outside the file is opened.

Written from VOTable 1.5 (IVOA Recommendation, 2025), which older versions are a subset of. Declared entities are
refused, since no VOTable needs one and a few lines of them unfold to gigabytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from analysis.errors import AnalysisError, CorruptFile, UnknownFormat

DEEPEST = 64  # elements within elements; real files have about eight
SERIAL = ("TABLEDATA", "BINARY", "BINARY2", "FITS", "PARQUET")


@dataclass
class Element:
    """A FIELD, PARAM, INFO, COOSYS or TIMESYS: its attributes, its text, what VALUES and DESCRIPTION in it say."""

    tag: str
    attrs: dict[str, str]
    text: str = ""
    description: str = ""
    null: str | None = None

    def get(self, name: str) -> str:
        return self.attrs.get(name, "").strip()


@dataclass
class Table:
    """One TABLE: what its header says, and its cells, as rows of text were handed on or as one stream of base64."""

    attrs: dict[str, str]
    resource: Resource
    description: str = ""
    fields: list[Element] = field(default_factory=list)
    params: list[Element] = field(default_factory=list)
    infos: list[Element] = field(default_factory=list)
    serial: str = ""
    stream: list[str] = field(default_factory=list)
    rows: int = 0
    cells: object = None


@dataclass
class Resource:
    """One RESOURCE, or the VOTABLE itself: what is said about all the tables in it."""

    attrs: dict[str, str]
    parent: Resource | None = None
    description: str = ""
    infos: list[Element] = field(default_factory=list)
    params: list[Element] = field(default_factory=list)


@dataclass
class Document:
    """All of a VOTable; ``systems`` are its COOSYS and TIMESYS by their ID."""

    file: str
    size: int
    root: Resource
    tables: list[Table] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    systems: dict[str, Element] = field(default_factory=dict)


class Reader:
    """Turns expat's events into a :class:`Document`.

    Parameters
    ----------
    file : str
        For messages.
    size : int
        Bytes of the file.
    begin : callable
        Called with each TABLE whose rows begin; returns a function that takes a row, a list of texts.
    """

    def __init__(self, file: str, size: int, begin: Callable[[Table], Callable[[list[str]], None]]):
        self.document = Document(file, size, Resource({}))
        self.begin = begin
        self.open: list[str] = []
        self.resource = self.document.root
        self.table: Table | None = None
        self.element: Element | None = None
        self.text: list[str] | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self.parser.EntityDeclHandler = self.entity
        self.listen()

    def listen(self) -> None:
        """Take expat's events."""
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def listen_to_rows(self, tag: str, add_row: Callable[[list[str]], None]) -> None:
        """Take expat's events until a TABLEDATA ends: most of a file, so in as few steps as there can be."""
        prefix = tag.removesuffix("TABLEDATA")
        tr, td = f"{prefix}TR", f"{prefix}TD"
        row: list[str] | None = None
        text: list[str] = []
        inside = False

        def start(tag: str, attrs: dict[str, str]) -> None:
            nonlocal row, inside
            if tag == td and row is not None and not inside:
                inside = True
                text.clear()
                if attrs.get("encoding"):
                    raise UnknownFormat(f"{self.document.file} has single cells in base64, which is not read")
            elif tag == tr and row is None:
                row = []
            else:
                raise CorruptFile(f"{self.document.file} has an element <{tag:.40}> where rows and cells should be")

        def end(tag: str) -> None:
            nonlocal row, inside
            if inside:
                inside = False
                assert row is not None
                row.append("".join(text))
            elif row is not None:
                add_row(row)
                row = None
            else:
                self.listen()
                self.end(tag)

        self.parser.StartElementHandler = start
        self.parser.EndElementHandler = end
        self.parser.CharacterDataHandler = text.append  # blanks between cells too, which the next cell clears

    def parse(self, source: BinaryIO) -> Document:
        """Return the document.

        Raises
        ------
        CorruptFile, UnknownFormat
            The XML is cut short, damaged or unsafe, or is no VOTable.
        """
        file = self.document.file
        try:
            while piece := source.read(1 << 18):
                self.parser.Parse(piece, False)
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise CorruptFile(
                f"{file} is a VOTable that is cut short or damaged: {expat.ErrorString(error.code)} in line "
                f"{error.lineno}; get it again"
            ) from error
        except AnalysisError:
            raise
        except (LookupError, ValueError) as error:  # the encoding that the first line names
            raise CorruptFile(f"{file}: its text cannot be read: {error}") from error
        return self.document

    def entity(self, name: str, *_: object) -> None:
        raise CorruptFile(
            f"{self.document.file} declares the XML entity {name!r:.40}, which no VOTable needs: not read"
        )

    def start(self, spelled: str, attrs: dict[str, str]) -> None:
        tag = spelled.rpartition(":")[2]
        self.open.append(tag)
        if len(self.open) > DEEPEST:
            raise CorruptFile(f"{self.document.file} has elements {DEEPEST} deep, which is no VOTable")
        if len(self.open) == 1 and tag != "VOTABLE":
            raise UnknownFormat(f"{self.document.file} is XML, beginning with the element <{tag}>, no VOTable")
        self.begun(tag, attrs)
        if tag == "TABLEDATA" and self.table is not None:
            self.listen_to_rows(spelled, self.begin(self.table))

    def begun(self, tag: str, attrs: dict[str, str]) -> None:
        if tag == "RESOURCE":
            self.resource = Resource(attrs, self.resource)
            self.document.resources.append(self.resource)
        elif tag == "TABLE":
            self.table = Table(attrs, self.resource)
        elif tag in ("FIELD", "PARAM", "INFO", "COOSYS", "TIMESYS"):
            self.element, self.text = Element(tag, attrs), []
        elif tag in ("DESCRIPTION", "STREAM"):
            self.text = []
            if tag == "STREAM" and "href" in attrs:
                raise UnknownFormat(
                    f"{self.document.file} says that its rows lie elsewhere (STREAM href={attrs['href']!r:.120}); "
                    "such an address is not followed"
                )
        elif tag == "VALUES" and self.element is not None:
            self.element.null = attrs.get("null", self.element.null)
        elif tag in SERIAL and self.table is not None:
            self.table.serial = tag

    def characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        self.open.pop()
        self.ended(tag)

    def ended(self, tag: str) -> None:
        text = self.text or []
        if tag == "RESOURCE":
            self.resource = self.resource.parent or self.document.root
        elif tag == "TABLE" and self.table is not None:
            self.document.tables.append(self.table)
            self.table = None
        elif tag == "STREAM" and self.table is not None:
            self.table.stream, self.text = text, None
        elif tag == "DESCRIPTION":
            self.describe(" ".join("".join(text).split()))
            self.text = [] if self.element is not None else None
        elif self.element is not None and tag == self.element.tag:
            self.element.text, self.text = "".join(text).strip(), None
            self.keep(self.element)
            self.element = None

    def describe(self, text: str) -> None:
        holder = self.element or self.table or self.resource
        if not holder.description and "GROUP" not in self.open:
            holder.description = text

    def keep(self, element: Element) -> None:
        """Put a finished element where it belongs."""
        holder = self.table or self.resource
        if element.tag in ("COOSYS", "TIMESYS"):
            self.document.systems[element.get("ID")] = element
        elif element.tag == "FIELD" and self.table is not None:
            self.table.fields.append(element)
        elif element.tag == "PARAM" and "GROUP" not in self.open:  # in a GROUP it is part of a data model
            holder.params.append(element)
        elif element.tag == "INFO":
            holder.infos.append(element)


def opened(path: Path, begin: Callable[[Table], Callable[[list[str]], None]]) -> Document:
    """Return a VOTable, its rows of text handed to what ``begin`` gives for each table.

    Raises
    ------
    CorruptFile, UnknownFormat
        As :meth:`Reader.parse`.
    """
    with path.open("rb") as source:
        return Reader(path.name, path.stat().st_size, begin).parse(source)


def status(document: Document) -> tuple[str, str]:
    """Return what the server says of its answer: ``OK``, ``OVERFLOW`` or ``ERROR``, and its words.

    The last mark counts, since a server that notices the end of its patience while it sends can only say so at the
    end. Cone searches and image searches of the first version mark an error by an INFO or PARAM called Error.

    References
    ----------
    DALI 1.1, section 4.4.1; Simple Cone Search 1.03, section 2.3.
    """
    found = ("OK", "")
    places: list[Resource | Table] = [document.root, *document.resources, *document.tables]
    bare = not any(table.rows or table.stream for table in document.tables)
    for place in places:
        for element in itertools.chain(place.infos, place.params):
            name, value = element.get("name").lower(), element.get("value")
            if name == "query_status" and element.tag == "INFO":
                word = value.upper()
                if word in ("ERROR", "OVERFLOW") and found[0] != "ERROR":
                    found = (word, element.text)
            elif bare and name == "error" and element.get("datatype") in ("", "char", "unicodeChar"):
                found = ("ERROR", value or element.text)
    return found
