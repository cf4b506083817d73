"""What a plasma scientist asks of archives' products: CDAWeb's datasets as they are described, served on loopback."""

import json
import re
import zlib
from dataclasses import replace
from importlib.resources import files
from urllib.parse import parse_qs

import numpy as np
import pytest
import xarray as xr_
from servers.archive import Archive
from servers.hapi import HapiServer
from servers.hapi_data import Bins, Dataset, Parameter
from servers.tree import Tree

from analysis import catalogue, formats, plasma, sample, store
from analysis.archives.joining import concatenated
from analysis.archives.servers import Server, servers
from analysis.catalogue import declared
from analysis.errors import (
    AnalysisError,
    AnalysisWarning,
    CorruptFile,
    Offline,
    UnknownProduct,
    UnknownVariable,
    WrongData,
)
from analysis.model import breaches, provenance_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

CDAWEB = {n: p for n, p in catalogue.products("plasma", live=True).items() if p.source.server == "cdaweb"}
MINUTE, TEN = "T13:01", "T13:11"


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))


@pytest.fixture
def serving(monkeypatch):
    """Give a function that serves datasets as if by an archive of the table."""
    opened = []

    def serve(*datasets, name="cdaweb"):
        server = HapiServer(datasets).__enter__()
        opened.append(server)
        monkeypatch.setitem(servers(), name, Server(name=name, protocol="hapi", url=server.url, title=name))
        return server

    yield serve
    for server in opened:
        server.__exit__(None, None, None)


# ------------------------------------------------------------------------------- every product, as it is described


def parameter(told):
    """Return a parameter with the name, type, shape, unit and fill that CDAWeb's master file has, and some fills."""
    size, fill = tuple(told.get("size", ())), told["fill"]
    count, seed = int(np.prod(size, dtype=int)), zlib.crc32(told["name"].encode()) % 997
    # Where a fill is no whole number, the values are none either, whatever the master file's format says.
    whole = told["type"] == "integer" and abs(float(fill)) < 2**31

    def values(index):
        grid = index[:, None] * count + np.arange(count) + seed
        made = (grid * 7919) % 90 if whole else 90 * np.sin(grid / 31)
        return np.where((index % 17 == 3)[:, None], int(float(fill)) if whole else float(fill), made)

    kind = "integer" if whole else "double"
    return Parameter(told["name"], kind, told["units"], fill, size, values=values, description=told.get("description"))


def described(product):
    """Return the dataset of a product with the parameters that it asks for, a record a minute."""
    plain = re.sub(r"@\d+$", "", product.source.dataset)
    entry = files("cdawebmcp") / "data" / "metadata" / f"{plain}.json"
    known = {p["name"]: p for p in json.loads(entry.read_text("utf-8"))["parameters"]}
    day = np.datetime64(product.source.example["start"], "D")
    wanted = dict.fromkeys(product.variables.values())
    return Dataset(
        product.source.dataset,
        tuple(parameter(known[name]) for name in wanted),
        start=str(day),
        stop=str(day + 1),
        cadence="PT1M",
    )


@pytest.mark.parametrize("name", CDAWEB)
@pytest.mark.filterwarnings("error")
def test_a_product_is_bit_by_bit_what_its_dataset_serves_and_survives_a_file(name, serving, tmp_path):
    product = CDAWEB[name]
    dataset = described(product)
    serving(dataset)
    day = dataset.start
    data = plasma.fetch(name, f"{day}T01:00", f"{day}T02:00")
    assert breaches(data) == []
    for ours, theirs in product.variables.items():
        times, values = dataset.truth(theirs, f"{day}T01:00Z", f"{day}T02:00Z")
        found = data[ours]
        if places := product.components.get(ours):
            assert found.dims == ("time", "component")
            assert data["component"].values.tolist() == list(places[:3])
            for number, one in enumerate(places[3:], 3):
                np.testing.assert_array_equal(data[one].values, values[:, number])
            values = values[:, :3]
        np.testing.assert_array_equal(data.time.values, times)
        np.testing.assert_array_equal(found.values, values)
        assert np.isnan(found.values).any() or not np.isnan(values.astype(float)).any()
        if frame := product.attrs.get(ours, {}).get("frame"):
            assert found.attrs["frame"] == frame
    for vector in {"b", "e", "velocity", "position"} & set(data.data_vars):
        assert plasma.magnitude(data[vector]).dims == ("time",)
    said = provenance_of(data)
    assert len(said["urls"]) == len(said["sha256"]) == len(said["retrieved"]) == 1
    assert said["sha256"][0] == store.reference(said["urls"][0]).sha256
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    again = formats.read(tmp_path / "a.nc")
    xr_.testing.assert_equal(again, data)
    assert {v: again[v].attrs["units"] for v in again.data_vars} == {v: data[v].attrs["units"] for v in data.data_vars}


# ------------------------------------------------------------------------------------------------------------- MMS


def fgm(id, **more):
    b = Parameter("mms1_fgm_b_gse_srvy_l2_clean", units="nT", fill="-1.0E31", size=(4,), **more)
    return Dataset(id, (b,), start="2015-10-16", stop="2015-10-17", cadence="PT1S", title="Field")


POSITION = Dataset(
    "MMS1_FGM_SRVY_L2@1",
    (Parameter("mms1_fgm_r_gse_srvy_l2", units="km", fill="-1.0E31", size=(4,)),),
    start="2015-10-16",
    stop="2015-10-17",
    cadence="PT30S",
    title="Position",
)


def mms(name="mms1_fgm_srvy", **more):
    return plasma.fetch(name, f"2015-10-16{MINUTE}", f"2015-10-16{TEN}", **more)


@pytest.mark.parametrize("label", [None, ["Bx GSE", "By GSE", "Bz GSE", "Bt"]])
def test_a_field_of_four_numbers_is_a_vector_and_its_magnitude(serving, label):
    dataset = fgm("MMS1_FGM_SRVY_L2@0", label=label)
    serving(dataset, POSITION)
    data = mms()
    _, values = dataset.truth("mms1_fgm_b_gse_srvy_l2_clean", f"2015-10-16{MINUTE}Z", f"2015-10-16{TEN}Z")
    assert list(data.data_vars) == ["b", "b_total"]
    np.testing.assert_array_equal(data.b.values, values[:, :3])
    np.testing.assert_array_equal(data.b_total.values, values[:, 3])
    assert (data.b.frame, data.b_total.units, "frame" in data.b_total.attrs) == ("GSE", "nT", False)
    lazy = mms(chunks={})
    assert lazy.b_total.chunks is not None
    xr_.testing.assert_equal(lazy.compute(), data)


def test_the_magnitude_alone_and_the_vector_alone_can_be_asked_for(serving):
    serving(fgm("MMS1_FGM_SRVY_L2@0"), POSITION)
    assert list(mms(variables=["b_total"]).data_vars) == ["b_total"]
    assert list(mms(variables=["b"]).data_vars) == ["b"]
    tree = plasma.collect("mms1_fgm_srvy", start=f"2015-10-16{MINUTE}", stop=f"2015-10-16{TEN}", variables=["b_total"])
    assert list(tree["mms1_fgm_srvy"].data_vars) == ["b_total"]


def test_energies_that_change_in_time_come_with_the_spectrum_record_by_record(serving):
    def energies(index):
        return 10 * 2 ** (np.arange(32) / 3)[None] * (1 + 0.01 * (index // 3)[:, None])

    bins = (Bins("energy", "eV", centers="mms1_dis_energy_fast"),)
    unit = "keV/(cm^2 s sr keV)"
    dataset = Dataset(
        "MMS1_FPI_FAST_L2_DIS-MOMS",
        (
            Parameter("mms1_dis_energyspectr_omni_fast", units=unit, fill="-1.0E31", size=(32,), bins=bins),
            Parameter("mms1_dis_energy_fast", units="eV", fill="-1.0E31", size=(32,), values=energies),
        ),
        start="2015-10-16",
        stop="2015-10-17",
        cadence="PT4.5S",
    )
    serving(dataset)
    for chunks in (None, {}):
        data = mms("mms1_fpi_dis_fast", variables=["energy_spectrum"], chunks=chunks)
        for name, theirs in (("energy_table", "mms1_dis_energy_fast"), ("energy_spectrum", dataset.parameters[0].name)):
            _, values = dataset.truth(theirs, f"2015-10-16{MINUTE}Z", f"2015-10-16{TEN}Z")
            np.testing.assert_array_equal(data[name].values, values)


# ------------------------------------------------------------------------------ one dataset for each time axis


def test_an_id_without_the_number_that_only_one_dataset_has_is_that_dataset(serving):
    serving(fgm("MMS1_FGM_BRST_L2@0"), POSITION)
    with pytest.warns(AnalysisWarning, match="MMS1_FGM_BRST_L2 is MMS1_FGM_BRST_L2@0 on the server"):
        data = mms("cdaweb/MMS1_FGM_BRST_L2")
    assert "MMS1_FGM_BRST_L2@0" in data.attrs["history"] and "one dataset for each time axis" in data.attrs["history"]
    assert provenance_of(data)["request"]["dataset"] == "MMS1_FGM_BRST_L2@0"
    with store.offline(), pytest.warns(AnalysisWarning, match="is MMS1_FGM_BRST_L2@0"):
        xr_.testing.assert_equal(mms("cdaweb/MMS1_FGM_BRST_L2"), data)


def test_an_id_that_may_be_several_datasets_is_told_what_each_has(serving):
    serving(fgm("MMS1_FGM_SRVY_L2@0"), POSITION)
    with pytest.raises(UnknownProduct) as caught:
        mms("cdaweb/MMS1_FGM_SRVY_L2")
    for told in (
        r"MMS1_FGM_SRVY_L2@0 \(Field\) has mms1_fgm_b_gse_srvy_l2_clean",
        r"MMS1_FGM_SRVY_L2@1 \(Position\) has mms1_fgm_r_gse",
        r"plasma\.fetch\('cdaweb/MMS1_FGM_SRVY_L2@0', start, stop\)",
    ):
        assert re.search(told, str(caught.value))


def test_of_several_the_one_that_has_the_variables_is_taken(serving):
    serving(fgm("MMS1_FGM_SRVY_L2@0"), POSITION)
    with pytest.warns(AnalysisWarning, match="is MMS1_FGM_SRVY_L2@1"):
        data = mms("cdaweb/MMS1_FGM_SRVY_L2", variables=["mms1_fgm_r_gse_srvy_l2"])
    assert list(data.data_vars) == ["mms1_fgm_r_gse_srvy_l2"]
    with pytest.raises(UnknownProduct, match="none has nothing_like_it"):
        mms("cdaweb/MMS1_FGM_SRVY_L2", variables=["nothing_like_it"])


@pytest.mark.parametrize(("field", "position"), [("@3", "@1"), ("@1", "@0"), ("", "@1")])
def test_a_declared_product_is_found_although_the_server_numbers_its_axes_otherwise(serving, field, position):
    serving(fgm(f"MMS1_FGM_SRVY_L2{field}"), replace(POSITION, id=f"MMS1_FGM_SRVY_L2{position}"))
    with pytest.warns(AnalysisWarning, match=f"MMS1_FGM_SRVY_L2@0 is MMS1_FGM_SRVY_L2{field} on the server"):
        assert list(mms().data_vars) == ["b", "b_total"]


def test_an_id_in_other_letters_is_found_and_says_so(serving):
    serving(wind())
    with pytest.warns(AnalysisWarning, match=r"wi_h2_mfi is WI_H2_MFI on the server$"):
        assert mms("cdaweb/wi_h2_mfi").sizes["time"] == 10


def test_a_dataset_without_a_declaration_is_not_said_to_be_of_the_group_that_cdaweb_files_it_in(serving):
    serving(replace(wind(), id="OMNI_HRO2_1MIN"))  # filed with Wind
    assert "Wind" not in mms("cdaweb/OMNI_HRO2_1MIN").attrs["source"]


def test_an_id_that_is_near_to_none_is_refused_as_before(serving):
    serving(fgm("MMS1_FGM_SRVY_L2@0"))
    with pytest.raises(UnknownProduct, match="near: MMS1_FGM_SRVY_L2@0"):
        mms("cdaweb/MMS1_FMG_SRVY_L2")


# -------------------------------------------------------------------- a server that is not what was declared


def wind(name="BGSE", frame="GSE"):
    more = {"coordinateSystemName": frame, "vectorComponents": ["x", "y", "z"]}
    b = Parameter(name, units="nT", fill="-1e31", size=(3,), more=more)
    total = Parameter("BF1", units="nT", fill="-1e31")
    return Dataset("WI_H2_MFI", (b, total), start="2015-10-16", stop="2017-10-17", cadence="PT1M")


def test_a_frame_that_is_not_the_declared_one_is_an_error_that_says_how_to_go_on(serving):
    serving(wind(frame="GSM"))
    with pytest.raises(WrongData, match=r"GSE.*GSM.*plasma\.fetch\('cdaweb/WI_H2_MFI', start, stop\)"):
        mms("wind_mfi")
    assert mms("cdaweb/WI_H2_MFI").BGSE.frame == "GSM"


def test_a_parameter_that_was_renamed_is_an_error_that_says_how_to_go_on(serving):
    serving(wind(name="B_GSE"))
    with pytest.raises(UnknownVariable, match=r"wind_mfi is declared.*near: B_GSE.*'cdaweb/WI_H2_MFI'"):
        mms("wind_mfi")


def test_offline_what_is_held_is_a_sentence_of_its_own(serving):
    serving(wind())
    mms("wind_mfi")
    with store.offline(), pytest.raises(Offline, match=r"\. Of wind_mfi the store holds 2015-10-16T13:01:00 to"):
        plasma.fetch("wind_mfi", "2016-10-18", "2016-10-19")


# ----------------------------------------------------------------------------------------------------- file trees


@pytest.fixture
def tree(monkeypatch):
    """Serve a tree, and let the products of files that are declared be asked of it."""
    tables = {field: dict(declared._declared(field)) for field in declared.FIELDS}
    monkeypatch.setattr(declared, "_declared", lambda field: tables[field])
    with Tree("apache-table") as server:
        for name, product in tables["plasma"].items():
            if product.source and product.source.template:
                moved = re.sub(r"^https://[^/]+", server.url, product.source.template)
                tables["plasma"][name] = replace(product, source=replace(product.source, template=moved))
        yield server


def sent(name):
    return sample.path(name).read_bytes()


PSP = "/pub/data/psp/fields/l2/mag_rtn_1min/2020/psp_fld_l2_mag_rtn_1min_"
GOES = "/platforms/solar-space-observing-satellites/goes/goes16/l2/data/xrsf-l2-flx1s_science/2017/09/"


def test_the_newest_version_of_a_day_is_taken(tree):
    tree.add(f"{PSP}20200104_v02.cdf", sent("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf"))
    tree.add(f"{PSP}20200104_v01.cdf", b"an older one")
    live, shipped = plasma.fetch("psp_mag_rtn_1min", live=True), plasma.fetch("psp_mag_rtn_1min")
    for node in shipped.children:
        xr_.testing.assert_equal(live[node].to_dataset(), shipped[node].to_dataset())
    assert "v01" not in " ".join(asked.path for asked in tree.asked)


def test_a_day_that_is_damaged_at_the_archive_is_named_by_its_address(tree):
    whole = sent("psp_fld_l2_mag_rtn_1min_20200104_v02.cdf")
    tree.add(f"{PSP}20200103_v02.cdf", whole[:1000])
    tree.add(f"{PSP}20200104_v02.cdf", whole)
    with pytest.raises(CorruptFile, match=r"_20200103_v02\.cdf is damaged at the archive"):
        plasma.fetch("psp_mag_rtn_1min_daily", "2020-01-03", "2020-01-05")


def test_live_has_the_last_sample_of_what_ships(tree):
    tree.add(f"{GOES}sci_xrsf-l2-flx1s_g16_d20170910_v2-2-0.nc", sent("goes16_xrs_20170910.nc"))
    live, shipped = plasma.fetch("goes_xrs_20170910", live=True), plasma.fetch("goes_xrs_20170910")
    xr_.testing.assert_equal(live, shipped)


@pytest.mark.filterwarnings("error")
def test_live_asks_for_one_day_where_one_day_ships(tree):
    address = "/soar-sl-tap/data?retrieval_type=LAST_PRODUCT&product_type=SCIENCE"
    Archive.add(
        tree,
        f"{address}&data_item_id=solo_L2_epd-ept-north-hcad_20200713",
        sent("solo_L2_epd-ept-north-hcad_20200713_V02.cdf"),
    )
    live, shipped = plasma.fetch("solo_epd_hcad", live=True), plasma.fetch("solo_epd_hcad")
    xr_.testing.assert_equal(live["ion"].to_dataset(), shipped["ion"].to_dataset())
    assert len(tree.asked) == 1


# ------------------------------------------------------------------------------------------------ lists of granules

FIELD = '<FIELD name="{}" datatype="{}"{}/>'
COLUMNS = {
    "granule_uid": "char",
    "target_name": "char",
    "instrument_name": "char",
    "processing_level": "int",
    "time_min": "double",
    "time_max": "double",
    "access_url": "char",
    "access_format": "char",
}


@pytest.fixture
def psa(monkeypatch):
    """Answer as the archive's TAP server does: two granules, the second without an end."""

    def row(*cells):
        return "<TR>" + "".join(f"<TD>{cell}</TD>" for cell in cells) + "</TR>"

    told = "".join(
        FIELD.format(name, kind, ' arraysize="*"' if kind == "char" else ' unit="d"' if name.startswith("time") else "")
        for name, kind in COLUMNS.items()
    )
    uid = "urn:esa:psa:bc_mpo_mag:data_calibrated:mag_cal_{}::1.0"
    found = row(uid.format("a"), "Mercury", "MPO-MAG", 3, 2459489.25, 2459489.5, "https://example.org/a", "x-pds4")
    found += row(uid.format("b"), "Mercury", "MPO-MAG", 3, 2459490.75, "NaN", "https://example.org/b", "x-pds4")
    answer = (
        '<?xml version="1.0"?><VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE>'
        f"{told}<DATA><TABLEDATA>{found}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    with Archive() as server:
        server.add("/tap/sync", answer.encode(), type="application/x-votable+xml")
        server.add("/tap/capabilities", b"<capabilities/>", type="text/xml")
        monkeypatch.setitem(servers(), "psa", Server(name="psa", protocol="tap", url=f"{server.url}/tap", title="PSA"))
        yield server


def adql(server):
    """Return the last query that came."""
    return parse_qs(server.requests("/tap/sync")[-1].body.decode())["QUERY"][0]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("bepicolombo_mag_granules", "(instrument_host_name = 'BepiColombo' AND instrument_name = 'MPO-MAG')"),
        ("mex_aspera_granules", "(instrument_host_name = 'Mars Express' AND instrument_name = 'ASPERA-3')"),
        ("juice_granules", "(instrument_host_name IN ('Juice', 'JUICE'))"),
    ],
)
def test_a_list_of_granules_is_asked_for_by_its_instrument_and_interval(psa, name, condition):
    example = catalogue.product("plasma", name).source.example
    data = plasma.fetch(name, example["start"], example["stop"])
    days = [float(np.datetime64(example[key], "D").astype(int)) + 2440587.5 for key in ("start", "stop")]
    told = adql(psa)
    assert f"FROM psa.epn_core WHERE {condition} AND (time_max > {days[0]!r} OR time_min = {days[0]!r})" in told
    assert told.endswith(f"AND time_min < {days[1]!r}")
    assert breaches(data) == []
    assert data.begin.values.tolist() == [
        np.datetime64(t, "ns").item() for t in ("2021-10-01T18:00", "2021-10-03T06:00")
    ]
    assert data.end.values[0] == np.datetime64("2021-10-02") and np.isnat(data.end.values[1])
    assert data.access_url.values.tolist() == ["https://example.org/a", "https://example.org/b"]
    assert condition[1:-1] in provenance_of(data)["request"]["adql"]


def test_a_list_of_granules_needs_an_interval(psa):
    with pytest.raises(AnalysisError, match=r"needs start and stop: plasma\.fetch\('mex_aspera_granules', start='2010"):
        plasma.fetch("mex_aspera_granules")
    assert psa.asked == []


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"archive": "files", "template": "https://a/b", "where": "1 = 1"}, "where and span are for"),
        ({"archive": "tap", "server": "psa", "dataset": "t", "span": ["a"]}, "not the names of two columns"),
        (
            {"archive": "tap", "server": "psa", "dataset": "t", "components": {"b": ["x", "y", "z"]}},
            "b, which is not in variables",
        ),
        (
            {"archive": "tap", "server": "psa", "dataset": "t", "variables": {"b": "B"}, "components": {"b": ["x"]}},
            "fewer than 3",
        ),
    ],
)
def test_a_wrong_declaration_is_named(keys, told):
    common = {"title": "Demo", "mission": "Loopback", "instrument": "None", "kind": "dataset"}
    with pytest.raises(AnalysisError, match=told):
        declared.declaration("demo", common | keys, domain="plasma")


# ---------------------------------------------------------------------------------------------------- days joined


def test_flags_whose_numbers_mean_other_things_on_the_next_day_are_not_joined():
    def day(date, meanings):
        times = np.datetime64(date, "ns") + np.arange(4) * np.timedelta64(6, "h")
        attrs = {"flag_values": np.array([0, 1]), "flag_meanings": meanings}
        return xr_.Dataset({"b_quality": ("time", [0, 1, 0, 1], attrs)}, {"time": times})

    assert concatenated([day("2001-01-01", "good bad"), day("2001-01-02", "good bad")]).sizes["time"] == 8
    with pytest.raises(WrongData, match="b_quality has flag_meanings 'good bad' in part 1 and 'bad good' in part 2"):
        concatenated([day("2001-01-01", "good bad"), day("2001-01-02", "bad good")])
