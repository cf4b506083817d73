"""GAVO DaCHS on loopback: a real server of TAP, cone search, SIA, ObsCore, EPN-TAP and datalink, with made-up data.

Needs Debian's ``gavodachs2-server`` with a PostgreSQL that ran before the package was installed, and root, since
DaCHS and PostgreSQL work as users of their own. What it serves lies in the folder ``dachs`` beside this file.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

PORT = 18080
URL = f"http://127.0.0.1:{PORT}"
RESOURCES = Path(__file__).with_suffix("")
INPUTS = Path("/var/gavo/inputs")
OBSERVATIONS = 5000
DEFAULT_LIMIT, HARD_LIMIT = 1000, 3000  # rows, far below what a real server allows
SETTINGS = f"""[web]
bindAddress: 127.0.0.1
serverPort: {PORT}
serverURL: {URL}
[ivoa]
dalDefaultLimit: {DEFAULT_LIMIT}
dalHardLimit: {HARD_LIMIT}
[async]
defaultMAXREC: {DEFAULT_LIMIT}
hardMAXREC: {HARD_LIMIT}
"""


def observations():
    """Return the rows of ``sanko_xobs.xobs`` as lists by column; the same every time."""
    n = np.arange(OBSERVATIONS)
    mjd = 59000.0 + n * 0.25
    began = np.datetime64("2020-05-31T00:00:00") + (n * 21600).astype("timedelta64[s]")
    return {
        "obs_id": [f"o{i:05d}" for i in n],
        "ra": (10.0 + (n % 100) * 0.01).tolist(),
        "dec": (20.0 + (n // 100) * 0.01).tolist(),
        "start_mjd": mjd.tolist(),
        "began": [str(time) for time in began],
        "exposure": (100.0 + n).tolist(),
        "counts": ["" if i % 10 == 0 else str(i * 3_000_000) for i in n],
        "instrument": ["EPIC", "Xtend", "Resolve's"] * (OBSERVATIONS // 3) + ["EPIC"] * (OBSERVATIONS % 3),
    }


def granules():
    """Return the rows of ``sanko_epn.epn_core``: one a day, targets and hosts in turn."""
    n = np.arange(30)
    return {
        "granule_uid": [f"mag_{i:03d}" for i in n],
        "target": ["Mercury" if i % 3 else "Venus" for i in n],
        "host": ["MPO" if i % 2 else "Mio" for i in n],
        "level": [2 + int(i % 2) for i in n],
        "first": (2459580.5 + n).tolist(),  # 2022-01-01 is JD 2459580.5
        "last": (2459581.5 + n).tolist(),
        "url": [f"{URL}/mag_{i:03d}.csv" for i in n],
        "size": [100 + int(i) for i in n],
    }


def _csv(path, columns):
    lines = [",".join(columns), *(",".join(str(cell) for cell in row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def _images(folder):
    from astropy.io import fits

    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).poisson(3.0, (32, 32)).astype("f4")
        header = fits.Header()
        header["OBJECT"], header["FILTER"] = f"field {number}", "OPEN"
        header["DATE-OBS"] = f"2022-01-0{number + 1}T00:00:00"
        for axis, kind, where in ((1, "RA---TAN", 10.0 + number), (2, "DEC--TAN", 20.0)):
            header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = kind, "deg"
            header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = 16.5, where
            header[f"CDELT{axis}"] = -0.01 if axis == 1 else 0.01
        fits.PrimaryHDU(pixels, header).writeto(folder / f"field{number}.fits")


def _answers():
    try:
        with urllib.request.urlopen(f"{URL}/sanko_xobs/q/cone/scs.xml?RA=10&DEC=20&SR=0.001", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, **more)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )


def _as_dachs(settings, *arguments):
    return ["runuser", "-u", "dachsroot", "--", "env", f"GAVOSETTINGS={settings}", "dachs", *arguments]


def _database():
    """Start PostgreSQL where it is down."""
    for line in subprocess.run(["pg_lsclusters", "-h"], capture_output=True, text=True).stdout.splitlines():
        version, cluster, _, state, *_ = line.split()
        if not state.startswith("online"):
            _run("pg_ctlcluster", version, cluster, "start")


def _import(settings):
    """Put the resources and their data in place and import them; what was imported before is replaced."""
    for name in ("xobs", "epn", "images"):
        place = INPUTS / f"sanko_{name}"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(RESOURCES / name, place)
    _csv(INPUTS / "sanko_xobs/data.csv", observations())
    _csv(INPUTS / "sanko_epn/data.csv", granules())
    _images(INPUTS / "sanko_images/data")
    _run("chown", "-R", "dachsroot:gavo", *(str(INPUTS / f"sanko_{name}") for name in ("xobs", "epn", "images")))
    _run(*_as_dachs(settings, "imp", "//obscore"), cwd=INPUTS)
    for name in ("xobs", "epn", "images"):
        _run(*_as_dachs(settings, "imp", f"sanko_{name}/q"), cwd=INPUTS)


def _stop(server):
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()


@functools.cache
def up():
    """Return the address of the server, started unless it runs; it ends with this process.

    Raises
    ------
    RuntimeError
        If it cannot be started, with what it said.
    """
    if _answers():
        return URL
    _database()
    home = Path(tempfile.mkdtemp(prefix="sanko-dachs-"))
    home.chmod(0o755)
    settings = home / "gavo.rc"
    settings.write_text(SETTINGS)
    _import(settings)
    log = (home / "log").open("wb")
    server = subprocess.Popen(_as_dachs(settings, "serve", "debug"), stdout=log, stderr=log, cwd=INPUTS)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    atexit.register(_stop, server)
    for _ in range(240):
        if _answers():
            return URL
        if server.poll() is not None:
            break
        time.sleep(0.25)
    raise RuntimeError(f"DaCHS did not start:\n{(home / 'log').read_text('utf-8', 'replace')[-4000:]}")


@pytest.fixture(scope="session")
def dachs():
    """Return the address of a DaCHS that serves the made-up data."""
    if not _answers():
        if not shutil.which("dachs"):
            pytest.skip("GAVO DaCHS is not installed (Debian: gavodachs2-server)")
        if os.geteuid() != 0:
            pytest.skip("GAVO DaCHS can be started by root only")
    return up()
