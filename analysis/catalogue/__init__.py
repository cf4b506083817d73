"""From a product's name to a checked, stamped dataset; the verbs of all three fields end here.

A product is declared in ``analysis/<field>/products.toml`` if it ships, in ``archives.toml`` if an archive has it. Who
made the files that ship is in the sample registry.
"""

from analysis.catalogue.cutting import Chunks, chunked
from analysis.catalogue.declared import FIELDS, Product, Source, field_of, needs, product, products, twin
from analysis.catalogue.fetching import collect, fetch, fetched, tree_of
from analysis.catalogue.looks import Look
from analysis.catalogue.observing import observations, observed_missions
from analysis.catalogue.probing import status
from analysis.catalogue.searching import COLUMNS, search

__all__ = [
    "COLUMNS",
    "FIELDS",
    "Chunks",
    "Look",
    "Product",
    "Source",
    "chunked",
    "collect",
    "fetch",
    "fetched",
    "field_of",
    "needs",
    "observations",
    "observed_missions",
    "product",
    "products",
    "search",
    "status",
    "tree_of",
    "twin",
]
