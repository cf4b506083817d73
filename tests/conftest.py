"""What every test stands on: the reference data, the browser, no way out to the network."""

import ipaddress
import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import settings
from tiers import examples

# Markers whose tests must run here: a skip counts as a failure. SANKO_REQUIRE=browser,oracle adds to it.
REQUIRED = {name for name in os.environ.get("SANKO_REQUIRE", "").split(",") if name}
if os.environ.get("CI") == "true":
    REQUIRED |= {"browser", "server"}
if os.environ.get("SANKO_ORACLE"):
    REQUIRED |= {"oracle"}

# No deadline: a shared core is now and then slow. In CI the same examples every time.
settings.register_profile(
    "sanko", deadline=None, derandomize=os.environ.get("CI") == "true", max_examples=examples(100)
)
settings.load_profile("sanko")


@pytest.fixture(scope="session")
def oracle():
    """Return the folder of the reference data, which is not ours to pass on."""
    folder = os.environ.get("SANKO_ORACLE")
    if not folder:
        pytest.skip("SANKO_ORACLE does not say where the reference data is")
    if not Path(folder).is_dir():
        pytest.fail(f"SANKO_ORACLE points to {folder}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium():
    """Return the path of the machine's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("there is no Chromium on PATH")


@pytest.fixture
def archive():
    """Run an archive on loopback."""
    from servers.archive import Archive

    with Archive() as running:
        yield running


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    """Give a test a store that nobody else uses, and no proxy."""
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def loopback_only(request, monkeypatch):
    """Refuse connections to other machines, except in tests marked network."""
    if request.node.get_closest_marker("network"):
        return
    connect = socket.socket.connect

    def checked(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = "127.0.0.1" if address[0] == "localhost" else address[0]
            if not ipaddress.ip_address(host).is_loopback:
                raise PermissionError(f"a test without the marker network asked for {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "oracle" in fixtures:
            item.add_marker("oracle")
        if "chromium" in fixtures:
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    must = [name for name in sorted(REQUIRED) if item.get_closest_marker(name)]
    if must and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but {' and '.join(must)} tests must run here: {report.longrepr[2]}"
    return report
