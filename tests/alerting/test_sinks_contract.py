"""One contract for every sink, each against its real receiver: what was handed over can be read back there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from datetime import timedelta

import httpx
import pytest

from inspection.alerting.message import Message
from inspection.alerting.sink import SinkError
from inspection.alerting.sinks import configured
from inspection.alerting.sinks.alertmanager import AlertmanagerSink
from inspection.alerting.sinks.local import FileSink, LogSink
from inspection.alerting.sinks.notify import NotifySink
from inspection.alerting.sinks.webhook import WebhookSink
from inspection.errors import ParamsError
from inspection.settings import Settings
from inspection.store.database import utc_now

pytestmark = [
    pytest.mark.slow,  # starts servers
    # Apprise imports this module of the standard library, on Python 3.11 and 3.12 only, when it loads its services.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
SUMMARY = "Donut (high) on 3 of 25 wafers of lot L/1 µ, layer M1."


def message(**changes) -> Message:
    values = {
        "id": 7, "key": "lot/L%2F1%20%C2%B5/M1/Donut", "rule": "excursion", "signature": "Donut", "severity": "high",
        "lot": "L/1 µ", "layer": "M1", "product": "", "state": "open", "owner": "", "summary": SUMMARY,
        "wafers": tuple({"file_sha256": "f", "index": n, "wafer": f"W{n}", "probability": 0.9} for n in range(60)),
        "opened_at": utc_now(), "changed_at": utc_now(),
    }  # fmt: skip
    return Message(**values | changes)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory):
    """A real Alertmanager; its own configuration, so that Debian's missing template package does not matter."""
    if ALERTMANAGER is None:
        pytest.skip("no Alertmanager on this machine (Debian package prometheus-alertmanager)")
    home, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    (home / "config.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    command = [
        ALERTMANAGER, f"--config.file={home / 'config.yml'}", f"--storage.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                httpx.get(f"{url}/-/ready").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, (home / "log").read_text()
                time.sleep(0.05)
        yield url
        process.terminate()
        process.wait(10)


def firing(url: str, key: str) -> list[dict]:
    return [a for a in httpx.get(f"{url}/api/v2/alerts").json() if a["labels"].get("event") == key]


@pytest.fixture(params=["log", "file", "webhook", "alertmanager", "notify"])
def case(request, workspace, receiver):
    """(sink, how to read back what it handed over: list of (signature, summary, idempotency key or None))."""
    if request.param == "log":
        path = workspace.alerts / "alerts.jsonl"

        def read():
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            return [(x["signature"], x["summary"], x["idempotency_key"]) for x in lines]

        return LogSink(workspace), read
    if request.param == "file":

        def read():
            found = [json.loads(p.read_text(encoding="utf-8")) for p in workspace.alerts.glob("*/alert.json")]
            return [(x["signature"], x["summary"], x["idempotency_key"]) for x in found]

        return FileSink(workspace), read
    if request.param == "webhook":

        def read():
            return [
                (x["signature"], x["summary"], headers["idempotency-key"])
                for _, headers, body in receiver.posts
                for x in [json.loads(body)]
            ]

        return WebhookSink(receiver.url), read
    if request.param == "notify":

        def read():
            bodies = [json.loads(body)["message"] for _, _, body in receiver.posts]
            return [("Donut", b.split("\n")[0], b.rpartition("· ")[2]) for b in bodies]

        return NotifySink(receiver.url.replace("http://", "json://")), read
    url = request.getfixturevalue("alertmanager")

    def read():
        return [
            (a["labels"]["signature"], a["annotations"]["summary"], a["annotations"]["idempotency_key"]) for a in firing(url, message().key)
        ]

    return AlertmanagerSink(url, workspace), read


def test_what_was_sent_can_be_read_back_and_a_repetition_carries_the_same_key(case):
    sink, read = case
    key = f"{message().key}:{sink.name}:open"
    sink.send(message(), key)
    assert read() == [("Donut", SUMMARY, key)]
    sink.send(message(), key)
    assert set(read()) == {("Donut", SUMMARY, key)}


def dead_end(name, workspace):
    """The sink ``name``, with nothing at its other end."""
    url = f"http://127.0.0.1:{free_port()}/secret-token"
    if name in ("log", "file"):
        workspace.root.mkdir()
        workspace.alerts.write_text("a file where the folder should be")
        return LogSink(workspace) if name == "log" else FileSink(workspace)
    if name == "webhook":
        return WebhookSink(url)
    return AlertmanagerSink(url, workspace) if name == "alertmanager" else NotifySink(url.replace("http://", "json://"))


@pytest.mark.parametrize("name", ["log", "file", "webhook", "alertmanager", "notify"])
def test_a_sink_without_its_receiver_says_so_keeps_its_secret_and_may_be_tried_again(name, workspace):
    with pytest.raises(SinkError, match="Cannot") as caught:
        dead_end(name, workspace).send(message(), "k")
    assert not caught.value.final
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("status", "final"), [(500, False), (503, False), (429, False), (302, False), (401, False),
                                               (400, True), (413, True), (422, True)])  # fmt: skip
def test_an_answer_that_is_not_2xx_is_a_failure_and_only_a_refused_content_is_final(receiver, status, final):
    receiver.answers = [status]
    with pytest.raises(SinkError, match=str(status)) as caught:
        WebhookSink(f"{receiver.url}/secret").send(message(), "k")
    assert caught.value.final == final
    assert "secret" not in str(caught.value)


def test_no_log_line_holds_the_url_of_a_webhook(receiver, caplog):
    with caplog.at_level("DEBUG"):
        WebhookSink(f"{receiver.url}/secret").send(message(), "k")
        assert "secret" not in caplog.text
        httpx.get(receiver.url)  # others' requests are logged as ever
    assert receiver.url in caplog.text


def test_a_webhook_message_is_bounded_and_signed(receiver):
    WebhookSink(receiver.url, secret=b"s").send(message(), "k")
    _, headers, body = receiver.posts[0]
    assert headers["x-inspection-signature"] == f"sha256={hmac.new(b's', body, hashlib.sha256).hexdigest()}"
    assert headers["content-type"] == "application/json"
    content = json.loads(body)
    assert (content["version"], content["wafer_count"], len(content["wafers"])) == (1, 60, 50)
    assert content["opened_at"].endswith("Z")


def test_a_notification_brings_the_picture(receiver, tmp_path):
    picture = tmp_path / "wafer.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    NotifySink(receiver.url.replace("http://", "json://")).send(message(picture=picture), "k")
    (attached,) = receiver.json()["attachments"]
    assert base64.b64decode(attached["base64"]) == picture.read_bytes()


def test_a_cut_off_line_does_not_swallow_the_next_one(workspace):
    sink = LogSink(workspace)
    workspace.alerts.mkdir(parents=True)
    sink.path.write_text('{"cut')
    sink.send(message(), "k")
    assert json.loads(sink.path.read_text(encoding="utf-8").splitlines()[1])["idempotency_key"] == "k"


def test_alertmanager_fires_until_the_alert_is_closed_and_then_resolves(alertmanager, workspace):
    sink = AlertmanagerSink(alertmanager, workspace)
    alert = message(key="lot/L2/M1/Ring", signature="Ring", lot="L2", product="P1")
    sink.send(alert, "k")
    (got,) = firing(alertmanager, alert.key)
    assert got["labels"] == {
        "alertname": "WaferExcursion", "signature": "Ring", "severity": "high", "lot": "L2", "layer": "M1",
        "product": "P1", "event": alert.key,
    }  # fmt: skip
    assert got["status"]["state"] in ("active", "unprocessed")
    assert got["generatorURL"] == (workspace.alerts / "7").as_uri()
    sink.send(message(**{**vars_of(alert), "owner": "kim", "state": "acknowledged"}), "k")
    (again,) = firing(alertmanager, alert.key)
    assert (again["startsAt"], again["annotations"]["owner"]) == (got["startsAt"], "kim")
    closed = {"state": "closed", "changed_at": utc_now() - timedelta(seconds=1)}
    started = {"opened_at": utc_now() - timedelta(minutes=1)}
    sink.send(message(**{**vars_of(alert), **started, **closed}), "k")
    assert firing(alertmanager, alert.key) == []


def test_two_archives_without_lots_are_two_alerts_to_alertmanager(alertmanager, workspace):
    sink = AlertmanagerSink(alertmanager, workspace)
    for name in ("a", "b"):
        sink.send(message(key=f"source/{name}.npz/Loc", lot="", layer="", signature="Loc"), "k")
    assert [len(firing(alertmanager, f"source/{name}.npz/Loc")) for name in ("a", "b")] == [1, 1]


def vars_of(alert: Message) -> dict:
    return {name: getattr(alert, name) for name in Message.__slots__}


def test_sinks_are_those_of_the_settings(workspace):
    def names(**settings):
        return [s.name for s in configured(Settings(**settings), workspace)]

    assert names() == ["log", "file"]
    every = names(
        alertmanager_url="http://127.0.0.1:9093/", webhook_url="https://h/x", notify_urls="json://a/ jsons://b/ json://a/"
    )  # fmt: skip
    assert every[:4] == ["log", "file", "alertmanager", "webhook"]
    assert len(set(every)) == 6


@pytest.mark.parametrize(
    "settings",
    [{"webhook_url": "ftp://h/token"}, {"alertmanager_url": "token"}, {"notify_urls": "nonsense://token"}],
)
def test_a_url_that_cannot_be_is_refused_without_showing_it(workspace, settings):
    with pytest.raises(ParamsError, match=f"INSPECTION_{next(iter(settings)).upper()}") as caught:
        configured(Settings(**settings), workspace)
    assert "token" not in str(caught.value)
