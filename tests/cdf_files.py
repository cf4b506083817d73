"""Small CDF files made for tests, each to state exactly one thing."""

import numpy as np
import pycdfpp

TYPES = pycdfpp.DataType
START = np.datetime64("2020-01-01", "ns")
SECOND = np.timedelta64(1, "s")


def seconds(count, start=START):
    return start + np.arange(count) * SECOND


def cdf_file(path, variables, attributes=None, epoch=None, kind=TYPES.CDF_TIME_TT2000, majority=None, raw=None):
    """Write a CDF with Epoch and variables given as name -> (values, attributes) or (values, attributes, options)."""
    cdf = pycdfpp.CDF()
    if majority is not None:
        cdf.majority = majority
    for name, entries in (attributes or {}).items():
        cdf.add_attribute(name, entries)
    if epoch is not None:
        cdf.add_variable("Epoch", values=epoch, data_type=kind, attributes={"VAR_TYPE": "support_data"})
        if raw is not None:
            held = cdf["Epoch"].values
            held[held.dtype.names[0]][list(raw)] = list(raw.values())
    for name, (values, attrs, *options) in variables.items():
        cdf.add_variable(name, values=np.asarray(values), attributes=attrs, **(options[0] if options else {}))
    pycdfpp.save(cdf, str(path))
    return path


def on_time(**more):
    return {"DEPEND_0": "Epoch", "UNITS": "nT", "FIELDNAM": "Something measured", "VAR_TYPE": "data", **more}
