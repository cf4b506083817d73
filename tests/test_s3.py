"""Open buckets, asked of moto's S3 server."""

import hashlib

import numpy as np
import pytest
from servers.archive import Archive, Plan, cut, status

from analysis import store
from analysis.archives import files, s3
from analysis.archives.parts import Part, bring
from analysis.errors import AccessDenied, BadAnswer, BadOption, NotFound, Offline, TruncatedAnswer

ODD = [
    "a b.fits",
    "a+b.fits",
    "ü/日本.fits",
    "a//b.fits",
    "/lead.fits",
    "100%.fits",
    "q?x=1&y.fits",
    "~tilde'(1)*.fits",
    "<&>.x",
]
BODY = np.random.default_rng(7).bytes(300_000)


@pytest.fixture(autouse=True)
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SANKO_HOME", str(tmp_path / "home"))
    for name in ("SANKO_OFFLINE", "HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """Return the address of a server with an open bucket `sky`, a closed one `mine`, and 1,205 objects in `many`."""
    boto3 = pytest.importorskip("boto3")
    server_of = pytest.importorskip("moto.server")
    server_models = pytest.importorskip("moto.s3.models")
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "none"))
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address)
    for bucket in ("sky", "many", "empty"):
        client.create_bucket(Bucket=bucket, ACL="public-read")
    client.create_bucket(Bucket="mine")
    for key in ODD:
        client.put_object(Bucket="sky", Key=key, Body=key.encode(), ACL="public-read")
    for name in ("p/v1.9/a.fits", "p/v1.10/a.fits", "p/v1.10/deep/b.fits", "p/top.txt"):
        client.put_object(Bucket="sky", Key=name, Body=name.encode(), ACL="public-read")
    client.put_object(Bucket="sky", Key="big.fits", Body=BODY, ACL="public-read")
    client.put_object(Bucket="mine", Key="secret.fits", Body=b"x")
    backend = server_models.s3_backends["123456789012"]["aws"]  # a PUT each would take half a minute
    for number in range(1205):
        backend.put_object("many", f"obs/{number:04d}.fits", b"x")
    yield address
    server.stop()
    patch.undo()


# -------------------------------------------------------------------------------------------------- on real software


@pytest.mark.server
@pytest.mark.slow
def test_a_list_goes_on_to_its_end(endpoint):
    found = s3.listing("many", "obs/", endpoint=endpoint)
    assert found["key"].tolist() == [f"obs/{number:04d}.fits" for number in range(1205)]
    assert (found["size"] == 1).all()
    assert found["modified"].dtype == "datetime64[ns]" and (found["etag"].str.len() == 34).all()


@pytest.mark.server
@pytest.mark.slow
def test_any_key_is_listed_and_brought_as_it_is(endpoint):
    found = s3.listing("sky", endpoint=endpoint).set_index("key")
    assert set(ODD) <= set(found.index)
    for key, path in zip(ODD, bring([Part(url=found["url"][key]) for key in ODD]), strict=True):
        assert path.read_text() == key
        assert found["size"][key] == len(key.encode())
        assert s3.url("sky", key, endpoint=endpoint) == found["url"][key]


@pytest.mark.server
@pytest.mark.slow
def test_a_delimiter_stops_at_folders(endpoint):
    found = s3.listing("sky", "p/", delimiter="/", endpoint=endpoint)
    assert found["key"].tolist() == ["p/top.txt", "p/v1.10/", "p/v1.9/"]
    assert found["size"].isna().tolist() == [False, True, True]


@pytest.mark.server
@pytest.mark.slow
def test_a_prefix_without_objects_is_an_empty_list(endpoint):
    found = s3.listing("empty", "nothing/", endpoint=endpoint)
    assert found.empty and list(found.columns) == ["key", "url", "size", "etag", "modified"]


@pytest.mark.server
@pytest.mark.slow
def test_a_list_is_held_and_works_offline(endpoint):
    first = s3.listing("many", "obs/00", endpoint=endpoint)
    with store.offline():
        assert s3.listing("many", "obs/00", endpoint=endpoint).equals(first)
        with pytest.raises(Offline):
            s3.listing("many", "obs/01", endpoint=endpoint)


@pytest.mark.server
@pytest.mark.slow
def test_a_missing_bucket_or_object_and_a_closed_one_are_told_apart(endpoint):
    with pytest.raises(NotFound, match="no bucket 'nowhere'"):
        s3.listing("nowhere", endpoint=endpoint)
    with pytest.raises(NotFound, match=r"sky/never\.fits"):
        store.get(s3.url("sky", "never.fits", endpoint=endpoint))
    with pytest.raises(AccessDenied, match=r"mine/secret\.fits"):
        store.get(s3.url("mine", "secret.fits", endpoint=endpoint))


@pytest.mark.server
@pytest.mark.slow
def test_an_object_goes_on_where_it_was_cut(endpoint, monkeypatch):
    from analysis.download import transfer

    asked, real = [], transfer.requesting.answer
    monkeypatch.setattr(transfer.requesting, "answer", lambda *told: asked.append(dict(told[1])) or real(*told))
    chunks, left = transfer.requesting.chunks, [True]

    def cut_once(response, size, limits):
        came = 0
        for chunk in chunks(response, size >> 4, limits):
            yield chunk
            came += len(chunk)
            if came > 150_000 and left:
                left.clear()
                raise transfer.Cut("cut for the test")

    monkeypatch.setattr(transfer.requesting, "chunks", cut_once)
    path = store.get(s3.url("sky", "big.fits", endpoint=endpoint))
    assert path.read_bytes() == BODY
    assert asked[0] == {}
    assert asked[1]["Range"].startswith("bytes=1") and asked[1]["If-Range"] == f'"{hashlib.md5(BODY).hexdigest()}"'


@pytest.mark.server
@pytest.mark.slow
def test_a_template_may_lie_in_a_bucket(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    planned = files.plan("s3://sky/p/v*/a.fits")
    assert [part.url for part in planned] == [f"{endpoint}/sky/p/v1.10/a.fits"]
    assert [path.read_text() for path in bring(planned)] == ["p/v1.10/a.fits"]
    assert set(files.listing("s3://sky/p/")["name"]) == {"v1.9", "v1.10", "top.txt"}
    with pytest.raises(NotFound, match="nothing lies below this prefix"):
        files.listing("s3://sky/q/")


# ------------------------------------------------------------------------------------------------------------ faults

PAGE = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Name>b</Name><EncodingType>url</EncodingType><KeyCount>{count}</KeyCount><IsTruncated>{more}</IsTruncated>{token}
<Contents><Key>a+b%2Bc.fits</Key><LastModified>2020-01-02T03:04:05.000Z</LastModified><ETag>"x-2"</ETag><Size>5</Size>
</Contents></ListBucketResult>"""
QUERY = "list-type=2&encoding-type=url&prefix="


@pytest.fixture
def archive():
    with Archive() as server:
        server.pages.clear()
        yield server


def page(more="false", token="", count=1):
    return PAGE.format(
        more=more, token=token and f"<NextContinuationToken>{token}</NextContinuationToken>", count=count
    ).encode()


@pytest.mark.server
def test_a_token_is_followed_as_it_is(archive):
    archive.add(f"/bkt/?{QUERY}", page("true", "1/a+b=="))
    archive.add(f"/bkt/?{QUERY}&continuation-token=1%2Fa%2Bb%3D%3D", page().replace(b"Key>a", b"Key>z"))
    found = s3.listing("bkt", endpoint=archive.url)
    assert found["key"].tolist() == ["a b+c.fits", "z b+c.fits"]
    assert str(found["modified"][0]) == "2020-01-02 03:04:05"


BOMB = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><L>&b;</L>'


@pytest.mark.server
@pytest.mark.parametrize(
    ("fault", "wrong", "says"),
    [
        (status(200, body=page("true")), TruncatedAnswer, "does not say how it goes on"),
        (status(200, body=page("true", "same")), TruncatedAnswer, "does not say how it goes on"),
        (status(200, body=page(count=2)), BadAnswer, "says that it has 2 keys and holds 1"),
        (status(200, body=page()[:-30]), BadAnswer, "no list of a bucket"),
        (status(200, body=BOMB), BadAnswer, "no list of a bucket"),
        (status(200, body="<ListBucketResult/>".encode("utf-16")), BadAnswer, "no list of a bucket"),
        (status(200, body=b"<html><title>Hotel login</title></html>"), BadAnswer, "<html>"),
        (
            status(200, body=b"<Error><Code>SlowDown</Code><Message>Later</Message></Error>"),
            BadAnswer,
            "SlowDown Later",
        ),
        (status(200, body=page().replace(b"<Size>5", b"<Size>five")), BadAnswer, "cannot be read"),
        (status(403, body=b"<Error><Code>AccessDenied</Code></Error>"), AccessDenied, "without an account"),
        (status(404, body=b"<Error><Code>NoSuchBucket</Code></Error>"), NotFound, "no bucket 'bkt'"),
        (
            status(301, body=b"<Error><Code>PermanentRedirect</Code></Error>"),
            BadAnswer,
            "another region than us-east-1",
        ),
    ],
)
def test_what_is_no_whole_list_is_an_error(archive, fault, wrong, says):
    archive.faults[f"/bkt/?{QUERY}"] = fault
    archive.faults[f"/bkt/?{QUERY}&continuation-token=same"] = fault
    with pytest.raises(wrong, match=says):
        s3.listing("bkt", endpoint=archive.url)


@pytest.mark.server
def test_what_is_no_list_is_asked_for_again_and_not_held_for_an_hour(archive):
    path = f"/bkt/?{QUERY}"
    archive.add(path, page())
    archive.faults[path] = [status(200, body=b"<Error><Code>SlowDown</Code></Error>")]
    with pytest.raises(BadAnswer, match="SlowDown"):
        s3.listing("bkt", endpoint=archive.url)
    assert s3.listing("bkt", endpoint=archive.url)["key"].tolist() == ["a b+c.fits"]


@pytest.mark.server
def test_a_list_that_goes_on_for_ever_has_an_end(archive):
    def go_on(handler):
        number = len(archive.asked)
        archive.add(handler.path, page("true", f"t{number}", 0).replace(b"Contents", b"Nothing"))

    for at in ("", *(f"&continuation-token=t{n}" for n in range(1, 60))):
        archive.faults[f"/bkt/?{QUERY}{at}"] = Plan(hook=go_on)
    with pytest.raises(TruncatedAnswer, match="does not say how it goes on"):
        s3.listing("bkt", endpoint=archive.url)
    assert len(archive.asked) < 40


@pytest.mark.server
def test_a_list_that_says_a_key_again_or_one_of_another_prefix_is_refused(archive):
    archive.add(f"/bkt/?{QUERY}", page("true", "t"))
    archive.add(f"/bkt/?{QUERY}&continuation-token=t", page())
    with pytest.raises(BadAnswer, match="twice"):
        s3.listing("bkt", endpoint=archive.url)
    archive.add(f"/bkt/?{QUERY}z%2F", page())
    with pytest.raises(BadAnswer, match="does not begin with 'z/'"):
        s3.listing("bkt", "z/", endpoint=archive.url)


@pytest.mark.slow
@pytest.mark.server
def test_a_list_that_is_busy_or_cut_is_asked_for_again(archive):
    path = f"/bkt/?{QUERY}"
    archive.add(path, page())
    archive.faults[path] = [status(503), cut(100), status(429, after=0)]
    assert s3.listing("bkt", endpoint=archive.url)["key"].tolist() == ["a b+c.fits"]
    assert len(archive.asked) == 4


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (("Sky", "k"), "no name of a bucket"),
        (("a/b", "k"), "no name of a bucket"),
        (("sky", "a/../b"), "no address can carry"),
        (("sky", ""), "no address can carry"),
    ],
)
def test_what_cannot_be_an_address_is_refused(told, says):
    with pytest.raises(BadOption, match=says):
        s3.url(*told)


def test_a_region_or_endpoint_that_is_none_is_refused():
    with pytest.raises(BadOption, match="no region"):
        s3.url("sky", "k", region="evil.example.org/")
    with pytest.raises(BadOption, match="no address of a server"):
        s3.url("sky", "k", endpoint="me:pw@example.org")


def test_a_bucket_with_a_dot_and_a_key_with_a_leading_slash_go_into_the_path():
    assert s3.url("sky.maps", "a", region="eu-west-1") == "https://s3.eu-west-1.amazonaws.com/sky.maps/a"
    assert s3.url("sky", "/a") == "https://s3.us-east-1.amazonaws.com/sky//a"
