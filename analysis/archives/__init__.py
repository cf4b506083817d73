"""How archives are asked: one module a protocol; none knows a field, and all bytes come through the store.

``hapi``, ``tap``, ``files``, ``s3``, ``jpl``, ``discovery`` and ``names`` plan what to ask; :mod:`analysis.store`
brings it; :mod:`analysis.formats` reads it. ``servers`` is the table of the archives that have a short name.
"""
