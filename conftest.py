"""Tests and examples have a store of their own, never the user's."""

import pytest


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory, monkeypatch):
    """Point the store to an empty folder."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path_factory.getbasetemp() / "store"))
    monkeypatch.delenv("SANKO_OFFLINE", raising=False)
