"""Pictures of what this package holds: maps, masks, spectra, channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analysis.cmb.bandpowers import d_ell
from analysis.cmb.channels import combined_sensitivity
from analysis.cmb.maps import FACTS
from analysis.cmb.maps_on_disk import for_pictures
from analysis.cmb.masks import NAMED, mask_name
from analysis.cmb.sky_views import stokes_name
from analysis.errors import BadOption, UnknownVariable, WrongData
from analysis.model import in_units

OPTIONS = {
    "a map": ("stokes", "projection", "width", "clim"),
    "a map without Stokes parameters": ("projection", "width", "clim"),
    "spectra": ("spectra", "reference", "residuals"),
    "channels": (),
    "a posterior": (),
    "a budget": (),
    "draws": (),
}


def view(
    data: xr.Dataset | xr.DataArray | xr.DataTree,
    *,
    stokes: str | Sequence[str] | None = None,
    projection: str | None = None,
    width: int | None = None,
    clim: tuple[float, float] | None = None,
    spectra: str | Sequence[str] | None = None,
    reference: xr.Dataset | xr.DataArray | None = None,
    residuals: bool | None = None,
) -> Any:
    """Return a picture: of a map or mask, power spectra, channels, a posterior of r, draws, or powers by parts.

    Parameters
    ----------
    data : xarray.Dataset, xarray.DataArray or xarray.DataTree
        A map (dim ``cells``), spectra (dim ``spectrum``), channels (dim ``channel_name``), a posterior (variable
        ``posterior`` on the dim ``r``), draws (``sample``, as from ``posterior_samples``), or a budget (``total`` and
        its parts on the dim ``ell``); of a tree its nodes in a column, each with the options that apply to it.
    stokes : str or sequence of str, optional
        For a map: which to show, ``"Q"`` or ``"IQU"``, a picture each; the first it has if left out.
    projection : {"mollweide", "orthographic", "cartesian"}, optional
        For a map; longitude grows to the left.
    width : int, optional
        For a map, in screen pixels.
    clim : (float, float), optional
        For a map: ends of the colour scale; about zero if it has both signs.
    spectra : str or sequence of str, optional
        For spectra: which to show, ``"TT"`` or ``["TT", "EE"]``.
    reference : xarray.Dataset or xarray.DataArray, optional
        For spectra: a theory drawn behind them, converted to their units, and to D_ℓ if they are; a binned one
        at its effective multipoles. It knows neither mask nor beam nor noise; the signal in pseudo-C_ℓ lies
        below it by about the sky fraction.
    residuals : bool, optional
        For spectra with a reference on the same multipoles or bins: their difference below, over the errors where
        there are any.

    Returns
    -------
    holoviews Overlay or Layout

    Raises
    ------
    WrongData
        If it is none of these, or the reference is no spectra.
    UnknownVariable
        If the map or the spectra lack what is asked for.
    BadOption
        If an option does not apply to the data, or its value is unknown.

    Examples
    --------
    >>> from analysis import cmb
    >>> picture = view(cmb.galactic_mask(8, latitude=20), width=200)
    >>> type(picture).__name__
    'Overlay'
    """
    options = {
        "stokes": stokes, "projection": projection, "width": width, "clim": clim,
        "spectra": spectra, "reference": reference, "residuals": residuals,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(data, xr.DataTree):
        return _tree(data, given)
    kind = _kind(data)
    _refuse(given, OPTIONS[kind], kind)
    return _picture(data, kind, given)


def _kind(data: xr.Dataset | xr.DataArray) -> str:
    if not isinstance(data, xr.Dataset | xr.DataArray):
        raise WrongData(f"view takes a Dataset, DataArray or DataTree, not a {type(data).__name__}")
    if "cells" in data.dims:
        return "a map" if "stokes" in data.dims else "a map without Stokes parameters"
    if "spectrum" in data.dims:
        return "spectra"
    if isinstance(data, xr.Dataset) and "polarization_sensitivity" in data.data_vars:
        return "channels"
    if isinstance(data, xr.Dataset) and "posterior" in data.data_vars and "r" in data["posterior"].dims:
        return "a posterior"
    if isinstance(data, xr.Dataset) and "total" in data.data_vars and data["total"].dims == ("ell",):
        return "a budget"
    if isinstance(data, xr.Dataset) and "sample" in data.data_vars and "parameter" in data["sample"].dims:
        return "draws"
    raise WrongData(
        "view knows maps (dim cells), spectra (dim spectrum), channels (variable polarization_sensitivity), "
        "posteriors (variable posterior on r), draws (variable sample), budgets (variable total on ell); "
        f"these data have dims {', '.join(map(str, data.dims)) or 'none'}"
    )


def _picture(data: xr.Dataset | xr.DataArray, kind: str, given: Mapping[str, Any]) -> Any:
    if kind == "channels" and isinstance(data, xr.Dataset):
        return _channels(data)
    if kind == "spectra":
        return _spectra(data, given.get("spectra"), given.get("reference"), bool(given.get("residuals")))
    if kind == "a posterior":
        from analysis import panels

        return panels.posterior(data)
    if kind == "draws" and isinstance(data, xr.Dataset):
        return _corner(data)
    if kind == "a budget" and isinstance(data, xr.Dataset):
        from analysis import panels

        return panels.power_budget(data)
    projection, width = given.get("projection", "mollweide"), given.get("width", 700)
    return _maps(data, given.get("stokes"), given.get("clim"), projection=projection, width=width)


def _tree(tree: xr.DataTree, given: Mapping[str, Any]) -> Any:
    """The pictures of all nodes that hold data, in a column; one alone as it is."""
    import holoviews as hv

    nodes = [node.to_dataset(inherit=False) for node in tree.subtree if node.has_data]
    if not nodes:
        raise WrongData("the tree holds no data to show; cmb.collect('wmap7_v_iqu', 'wmap7_w_iqu') gives one that does")
    kinds = [_kind(node) for node in nodes]
    usable = tuple(dict.fromkeys(name for kind in kinds for name in OPTIONS[kind]))
    _refuse(given, usable, "any node of the tree")
    drawn = [
        _picture(node, kind, {name: value for name, value in given.items() if name in OPTIONS[kind]})
        for node, kind in zip(nodes, kinds, strict=True)
    ]
    if len(drawn) == 1:
        return drawn[0]
    return _laid_out([part for one in drawn for part in (one if isinstance(one, hv.Layout) else [one])], 1)


def _refuse(given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    if wrong := [name for name in given if name not in known]:
        usable = ", ".join(known) or "no option"
        raise BadOption(f"{', '.join(wrong)} does not apply to {what}, which takes {usable}")


def _maps(
    data: xr.Dataset | xr.DataArray,
    stokes: str | Sequence[str] | None,
    clim: tuple[float, float] | None,
    *,
    projection: str,
    width: int,
) -> Any:
    from analysis import panels

    drawn = []
    for label, array in _planes(data, stokes).items():
        if NAMED in array.attrs:  # a mask made here: its name may be long, and is the title
            array = array.assign_attrs(long_name="Kept where 1", title=mask_name(array))
        whole = str(data.attrs.get("title", "")).strip()
        own = "" if label.startswith("Stokes") else str(array.attrs.get("title", "")).strip()
        title = own or ": ".join(word for word in (label, whole) if word)
        known = {**data.attrs, **({"title": title} if title else {})}
        limits = (0, 1) if clim is None and array.dtype.kind == "b" else clim
        drawn.append(panels.sky_map(array, projection=projection, width=width, clim=limits, attrs=known))
    return drawn[0] if len(drawn) == 1 else _laid_out(drawn, 2)


def _planes(data: xr.Dataset | xr.DataArray, stokes: str | Sequence[str] | None) -> dict[str, xr.DataArray]:
    """The arrays to draw, each with dim cells alone, by the words that their titles begin with."""
    facts = {name: data.attrs[name] for name in FACTS if name in data.attrs}
    if isinstance(data, xr.DataArray):
        arrays = {str(data.name or "map"): data}
    elif "sky" in data.data_vars:
        arrays = {"sky": data["sky"]}
    else:
        arrays = {str(name): array for name, array in data.data_vars.items() if "cells" in array.dims}
    planes: dict[str, xr.DataArray] = {}
    for name, array in arrays.items():
        array = for_pictures(_single(array.assign_attrs(facts | array.attrs)))
        if "stokes" in array.dims:
            planes |= {f"Stokes {label}{_band(array)}": plane for label, plane in _of_stokes(array, stokes).items()}
        elif stokes is not None:
            raise BadOption(f"{name} has no dim stokes to choose {stokes!r} from; leave stokes out")
        else:
            planes["" if len(arrays) == 1 else str(array.attrs.get("long_name", name))] = array
    return planes


def _band(array: xr.DataArray) -> str:
    """Which band of several a map is, for a title."""
    if "frequency" not in array.coords or array["frequency"].size != 1:
        return ""
    band = array["frequency"]
    return f" at {float(band):g} {band.attrs.get('units', 'GHz')}" if band.dtype.kind in "fiu" else f" at {band.item()}"


def _single(array: xr.DataArray) -> xr.DataArray:
    """A map of one band: dims of length 1 go, longer ones are refused."""
    rest = [str(dim) for dim in array.dims if dim not in ("stokes", "cells")]
    if longer := [dim for dim in rest if array.sizes[dim] != 1]:
        held = ", ".join(f"{dim} ({array.sizes[dim]})" for dim in longer)
        chosen = ", ".join(f"{dim}=0" for dim in longer)
        also = "; band_explorer(sky) shows all bands" if longer == ["frequency"] else ""
        raise WrongData(f"one picture shows one map; this has the dims {held}: choose, view(sky.isel({chosen})){also}")
    return array.squeeze(rest)


def _corner(draws: xr.Dataset) -> Any:
    from analysis import panels

    written = [panels.style.unit_label(xr.DataArray(0, attrs={"units": u})) for u in draws["parameter_unit"].values]
    names = [str(name) for name in draws["parameter"].values]
    labels = [f"{name} ({unit})" if unit else name for name, unit in zip(names, written, strict=True)]
    intervals = np.column_stack([draws[name].values for name in ("lower", "median", "upper")])
    flat = draws["sample"].values.reshape(-1, len(names))
    return panels.corner(flat, labels=labels, intervals=intervals, attrs=draws.attrs)


def _of_stokes(array: xr.DataArray, stokes: str | Sequence[str] | None) -> dict[str, xr.DataArray]:
    held = [str(label) for label in array["stokes"].values]
    wanted = held[:1] if stokes is None else list(stokes) if isinstance(stokes, Iterable) else []
    if not wanted:
        raise BadOption(f"stokes={stokes!r} names no Stokes parameter; the map has {', '.join(held)}")
    if unknown := [str(label) for label in wanted if label not in held]:
        raise UnknownVariable(f"the map has no Stokes {', '.join(unknown)}; it has {', '.join(held)}")
    return {
        label: array.sel(stokes=label)
        .rename(f"stokes_{label.lower()}")
        .assign_attrs({**array.attrs, "long_name": stokes_name(label, array.attrs)})
        for label in wanted
    }


def _laid_out(drawn: list[Any], columns: int) -> Any:
    import holoviews as hv

    return hv.Layout(drawn).cols(columns).opts(shared_axes=False, backend="bokeh")


def _spectra(
    data: xr.Dataset | xr.DataArray,
    spectra: str | Sequence[str] | None,
    reference: xr.Dataset | xr.DataArray | None,
    residuals: bool,
) -> Any:
    from analysis import panels

    if reference is not None:
        reference = comparable(reference, data)
    return panels.power_spectra(data, spectra=spectra, reference=reference, residuals=residuals)


def comparable(reference: xr.Dataset | xr.DataArray, data: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the reference in the units of the data, as D_ℓ if they are, and no further than their multipoles.

    Raises
    ------
    WrongData
        If either is no spectra, or the reference is D_ℓ and the data are C_ℓ.

    Examples
    --------
    >>> from analysis import cmb
    >>> data = cmb.power_spectra(cmb.fetch("wmap7_w_iqu"), mask=cmb.galactic_mask(32), lmax=20, iterations=0)
    >>> comparable(cmb.fetch("planck2018_lcdm"), data).attrs["units"]
    'mK2'
    """
    shown = _spectra_array(data, "the data")
    theory = _spectra_array(reference, "the reference")
    if "D_ℓ" in str(shown.attrs.get("long_name")) and "C_ℓ" in str(theory.attrs.get("long_name")):
        theory = d_ell(theory)
    if ("D_ℓ" in str(shown.attrs.get("long_name"))) != ("D_ℓ" in str(theory.attrs.get("long_name"))):
        raise WrongData("the reference is D_ℓ and the spectra are C_ℓ; take d_ell of the spectra")
    last = float(_multipoles(shown, "last_ell" if "last_ell" in shown.coords else "ell_effective", "the data").max())
    ell = _multipoles(theory, "ell_effective", "the reference")
    near = theory.isel({str(ell.dims[0]): np.flatnonzero(ell.values <= last)})
    named = {"title": reference.attrs["title"]} if reference.attrs.get("title") else {}
    return in_units(near, str(shown.attrs.get("units", ""))).assign_attrs(named)


def _multipoles(array: xr.DataArray, of_bins: str, what: str) -> xr.DataArray:
    dim = "bin" if "bin" in array.dims else "ell"
    name = of_bins if dim == "bin" else dim
    if name not in array.coords or array[name].dims != (dim,):
        raise WrongData(f"{what} has no coordinate {name!r} over {dim}; power_spectra and binned give it")
    return array[name]


def _spectra_array(data: xr.Dataset | xr.DataArray, what: str) -> xr.DataArray:
    if isinstance(data, xr.Dataset):
        found = [data[name] for name in ("cl", "dl") if name in data.data_vars]
        if not found:
            raise WrongData(f"{what} has no variable 'cl' or 'dl'; it has {', '.join(map(str, data.data_vars))}")
        data = found[0]
    if not isinstance(data, xr.DataArray) or "spectrum" not in data.dims:
        raise WrongData(f"{what} is no power spectra: they have the dims spectrum and ell, or bin")
    return data


def _channels(data: xr.Dataset) -> Any:
    from analysis import panels

    total = float(combined_sensitivity(data))
    title = f"{data.attrs.get('title', 'Channels')}: {total:.3f} µK·arcmin together"
    first = panels.points(
        data["polarization_sensitivity"],
        x="frequency",
        logx=True,
        logy=True,
        attrs={**data.attrs, "title": title},
    )
    if "beam" not in data.data_vars:
        return first
    attrs = {**data.attrs, "title": "Beams"}
    return _laid_out([first, panels.points(data["beam"], x="frequency", logx=True, logy=True, attrs=attrs)], 1)
