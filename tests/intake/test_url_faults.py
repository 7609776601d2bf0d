"""What goes wrong with a URL is said in words: against real servers on loopback that refuse, fail, or are not there."""

import http.server
import socket
import threading
from functools import partial

import numpy as np
import pytest
from line_maps import read_lines, write_lines

from inspection.errors import EngineError, InputError, InputNotFoundError
from inspection.intake.ingest import ingest
from inspection.intake.landing import land
from inspection.intake.place import open_place
from inspection.intake.url_faults import meant_url
from inspection.params import Ingest
from inspection.stages import require_input


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers everything with the status of its server."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_):
        pass


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Starts servers; each call gives one with its address."""
    started = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server, f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


def fault(kind, url, workspace):
    """The one line of the fault."""
    with pytest.raises(kind) as caught:
        open_place(url, workspace)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    assert "expected" in line
    assert ", got " in line
    return line


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, InputNotFoundError, "Correct the URL"),
        (403, InputError, "the right to read it"),
        (401, InputError, "the right to read it"),
        (500, EngineError, "Look into its log"),
        (503, EngineError, "Look into its log"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_what_a_server_answers_is_told_with_its_status(serve, workspace, monkeypatch, scheme, status, kind, words):
    server, address = serve(Answering)
    server.status = status
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", address)
    line = fault(kind, f"{address}/a.klarf" if scheme == "http" else "s3://bucket/maps", workspace)
    assert words in line
    assert str(status) in line
    if scheme == "s3" and status == 403:
        assert "AWS_ACCESS_KEY_ID" in line


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("url", ["http://{}/maps/", "https://{}/maps/", "ftp://{}/maps", "s3://bucket/maps"])
def test_a_server_that_is_not_there_is_told(workspace, monkeypatch, url):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", f"http://{address}")
    line = fault(EngineError, url.format(address), workspace)
    assert "expected a server that answers" in line
    assert "run the same command again" in line
    assert ("INSPECTION_S3_ENDPOINT_URL" in line) == url.startswith("s3")


@pytest.mark.parametrize("url", ["http://nowhere.invalid/maps/", "ftp://nowhere.invalid/maps", "s3://bucket/maps"])
def test_a_name_that_no_server_has_is_told(workspace, monkeypatch, url):
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", "http://nowhere.invalid")
    assert "expected a server of that name, got none" in fault(EngineError, url, workspace)


def test_plain_http_behind_https_is_told(serve, workspace):
    server, address = serve(Answering)
    server.status = 200
    assert "speaks TLS" in fault(InputError, address.replace("http:", "https:") + "/a.klarf", workspace)


def test_missing_credentials_and_a_wrong_endpoint_are_told(workspace, monkeypatch):
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", "nonsense")
    line = fault(InputError, "s3://bucket/maps", workspace)
    assert "INSPECTION_S3_ENDPOINT_URL" in line
    assert "nonsense" in line
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "expected credentials in the environment (AWS_ACCESS_KEY_ID" in fault(InputError, "s3://bucket/maps", workspace)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://b/x", "s3://bucket/prefix"),
        ("sftp://host/maps", "pip install paramiko"),
        ("gs://bucket/maps", "pip install gcsfs"),
        ("abfs://container/maps", "pip install adlfs"),
        ("s3://", "BUCKET"),
        ("http:///", "HOST"),
    ],
)
def test_a_url_that_cannot_be_one_says_what_to_write_or_install(workspace, url, words):
    assert words in fault(InputError, url, workspace)


@pytest.mark.parametrize("source", ["s3:/bucket", "s3:bucket/maps", "S3:/bucket", "https//host/maps", "http:/host", "gs:bucket"])
def test_a_mistyped_url_is_seen_behind_the_missing_path(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputNotFoundError, match="If a URL was meant, write s3://bucket/prefix"):
        require_input(source)


@pytest.mark.parametrize("source", ["maps", "a/b", "c:maps", "s3", "https", "lots/s3:x", "./http:x"])
def test_a_plain_path_is_not_taken_for_a_url(source):
    assert not meant_url(source)


def test_a_page_of_links_gives_what_the_folder_gives(serve, workspace, store, params, landing):
    write_lines(landing / "a.maps", ["L1 1 points 1,2"])
    write_lines(landing / "deep" / "b.maps", ["L1 2 points 1,2"])
    write_lines(landing / ".hidden.maps", ["L1 3 points 1,2"])
    np.save(landing / "scan.npy", np.zeros((4, 4), np.uint8))
    (landing / "scan.npy.yaml").write_text("lot: L1\n")
    (landing / "labels.csv").write_text("lot,wafer,label\n")
    _, address = serve(partial(Files, directory=str(landing)))
    far = land(f"{address}/", workspace, store, Ingest(), settle_s=0.0)
    assert sorted(one.name for one in far.claims) == ["a.maps", "deep/b.maps", "scan.npy"]
    near = land(landing, workspace, store, Ingest(), settle_s=0.0)
    assert near.claims == far.claims
    assert not any(one.resumed for one in far.claims)
    assert ingest([one for one in far.claims if "maps" in one.name], workspace, store, params, read_lines).files == 2
    place = open_place(f"{address}/", workspace)
    assert place.label_table(workspace.root).read_text() == "lot,wafer,label\n"
    (only,) = land(f"{address}/deep/b.maps", workspace, store, Ingest(), settle_s=0.0).claims  # what is still waiting
    assert only.name == "scan.npy"


def test_a_file_of_unknown_length_is_told_and_left(serve, workspace, store):
    class Endless(Answering):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"maps\nend\n")

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    _, address = serve(Endless)
    told = []
    landed = land(f"{address}/a.maps", workspace, store, Ingest(), settle_s=0.0, notice=lambda *said: told.append(said))
    assert (landed.claims, landed.read, landed.left) == ([], 1, 1)
    assert told == [("a.maps", "refused: the server does not say how long it is")]
