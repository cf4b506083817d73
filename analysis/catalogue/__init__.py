"""From a product's name to a checked, stamped dataset; the verbs of all three fields end here.

A product is declared in ``analysis/<field>/products.toml``; who made its files is in the sample registry.
"""

from analysis.catalogue.declared import COLUMNS, FIELDS, Product, field_of, product, products, search
from analysis.catalogue.fetching import Chunks, chunked, collect, fetch

__all__ = [
    "COLUMNS",
    "FIELDS",
    "Chunks",
    "Product",
    "chunked",
    "collect",
    "fetch",
    "field_of",
    "product",
    "products",
    "search",
]
