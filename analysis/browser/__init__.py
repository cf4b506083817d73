"""The catalogue as a page in the notebook: ``analysis.browse()``.

A search of all fields as one types, filters, what is known of a product, a picture of what is on this machine, and the
line of code that fetches it. Nothing is asked of an archive without a click.
"""

from analysis.browser.finding import Found, Wish, found
from analysis.browser.pages import browse, state
from analysis.browser.previews import Preview, preview
from analysis.browser.telling import Line, line_of

__all__ = ["Found", "Line", "Preview", "Wish", "browse", "found", "line_of", "preview", "state"]
