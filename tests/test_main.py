"""The command line: answers on stdout, refusals on stderr with exit 1."""

import pytest
from servers.archive import Archive

from analysis import catalogue, formats, plasma, store
from analysis.__main__ import main
from analysis.catalogue import FIELDS


def test_search_lists_products_of_all_fields(capsys):
    assert main(["search"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("qin_denton_hourly", "ngc7793_ulx4_pn", "wmap7_w_iqu"))


@pytest.mark.parametrize("width", [80, 120])
def test_a_search_fits_the_terminal_and_names_every_product_whole(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["search"]) == 0
    *lines, empty, total = capsys.readouterr().out.splitlines()
    names = [name for field in FIELDS for name in catalogue.search(field)["product"]]
    assert [line.split()[1] for line in lines[1:]] == names
    assert all(len(line) <= width for line in lines) and empty == ""
    assert total.startswith(f"{len(names)} products")


def test_a_search_that_is_not_read_in_a_terminal_has_whole_titles(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    main(["search", "rbsp", "hope", "pitch"])
    assert plasma.search("rbsp hope pitch")["title"].iloc[-1] in capsys.readouterr().out


def test_an_id_of_cdaweb_alone_is_told_its_product(tmp_path, capsys):
    assert main(["fetch", "AC_H0_MFI", str(tmp_path / "a.nc")]) == 1
    assert "cdaweb/AC_H0_MFI" in capsys.readouterr().err


def test_fetch_writes_a_file_that_read_opens(tmp_path, capsys):
    path = tmp_path / "wmap.nc"
    assert main(["fetch", "wmap7_w_iqu", str(path)]) == 0
    assert main(["read", str(path)]) == 0
    assert "keeps the data contract" in capsys.readouterr().out


@pytest.mark.slow
def test_a_tree_is_written_too(tmp_path):
    assert main(["fetch", "ngc7793_ulx4_pn", str(tmp_path / "ulx.nc")]) == 0


def test_a_file_that_exists_is_left_as_it_is(tmp_path, capsys):
    path = tmp_path / "mine.nc"
    path.write_text("precious")
    assert main(["fetch", "wmap7_w_iqu", str(path)]) == 1
    assert path.read_text() == "precious"
    assert "exists already" in capsys.readouterr().err


def test_a_wrong_name_is_told_the_near_ones_and_nothing_is_written(tmp_path, capsys):
    assert main(["fetch", "wmap7_w_iquu", str(tmp_path / "a.nc")]) == 1
    assert "wmap7_w_iqu" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path, capsys):
    assert main(["fetch", "wmap7_w_iqu", str(tmp_path / "no" / "a.nc")]) == 1
    assert "no folder" in capsys.readouterr().err


def test_missions_are_listed(capsys):
    assert main(["missions", "litebird"]) == 0
    assert "LiteBIRD" in capsys.readouterr().out


def test_a_file_of_no_known_format_is_refused(tmp_path, capsys):
    path = tmp_path / "page.fits"
    path.write_text("<!DOCTYPE html><html><title>Not found</title></html>")
    assert main(["read", str(path)]) == 1
    assert "HTML" in capsys.readouterr().err


@pytest.mark.slow
def test_fetch_takes_an_interval_and_variables(tmp_path):
    path = tmp_path / "storm.nc"
    asked = ["fetch", "qin_denton_hourly", str(path), "--start", "2001-03-31", "--stop", "2001-04-01"]
    assert main([*asked, "--variables", "dst", "bz"]) == 0
    storm = formats.read(path)
    assert storm.sizes["time"] == 24
    assert set(storm.data_vars) == {"dst", "bz"}


def test_an_option_of_another_field_is_refused(tmp_path, capsys):
    assert main(["fetch", "qin_denton_hourly", str(tmp_path / "a.nc"), "--obsid", "754"]) == 1
    assert "plasma.fetch takes no --obsid" in capsys.readouterr().err


@pytest.mark.server
def test_the_store_is_listed_verified_and_pruned(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "store"))
    with Archive() as archive:
        path = store.get(archive.add("/a.bin", b"bytes"))
        assert main(["store", "status"]) == 0
        assert f"{archive.url}/a.bin" in capsys.readouterr().out
    assert main(["store", "verify"]) == 0
    path.chmod(0o644)
    path.write_bytes(b"bytez")
    assert main(["store", "verify", "--remove"]) == 1
    assert "1 damaged, removed" in capsys.readouterr().out
    assert main(["store", "prune", "1.5GB"]) == 0
    assert "removed 0 files; 0 files, 0.0 MB" in capsys.readouterr().out
    assert main(["store", "prune", "much"]) == 1
    assert "500MB" in capsys.readouterr().err
