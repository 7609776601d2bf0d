"""Versions of one inspection: the newest counts, in any order of arrival; everything else is kept apart."""

import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from inspection.dataset.snapshot import freeze
from inspection.formats import table
from inspection.intake.ingest import ingest
from inspection.intake.labels import read_labels
from inspection.intake.landing import land
from inspection.params import Params
from inspection.settings import Workspace
from inspection.store import alerts, predictions
from inspection.store.database import Store
from inspection.store.status import unscored
from inspection.store.supersession import inspections
from inspection.store.tables import superseded, wafers

PARAMS = Params()


def klarf(*, lot="L1", wafer="W1", step="M1", at="01-02-26 03:04:05", written="01-02-26 03:10:00", defects=((1000, 1000),)):
    """A whole KLARF 1.2 file of one wafer."""
    rows = "\n".join(f" {k} {x} {y} 0 0" for k, (x, y) in enumerate(defects, 1))
    return (
        f'FileVersion 1 2;\nFileTimestamp {written};\nResultTimestamp {at};\nLotID "{lot}";\nSampleSize 1 300;\n'
        f'DeviceID "D";\nStepID "{step}";\nWaferID "{wafer}";\nSlot 1;\nDiePitch 10000 10000;\nSampleCenterLocation 5000 5000;\n'
        f"DefectRecordSpec 5 DEFECTID XREL YREL XINDEX YINDEX ;\nDefectList\n{rows};\nEndOfFile;\n"
    )


def take_in(landing, workspace, store, **options):
    landed = land(landing, workspace, store, PARAMS.ingest, settle_s=0.0)
    return ingest(landed.claims, workspace, store, PARAMS, table.read, recognise=table.recognise, **options)


def put(landing, name, text, modified=None):
    (landing / name).write_text(text)
    if modified is not None:
        os.utime(landing / name, (modified, modified))


def states(store):
    with store.read() as c:
        return dict(c.execute(select(wafers.c.source, wafers.c.state)).tuples().all())


ORIGINAL = klarf(written="01-02-26 03:10:00")
CORRECTED = klarf(written="01-02-26 09:00:00", defects=((1000, 1000), (2000, 2000)))
CORRECTED_AGAIN = klarf(written="01-03-26 09:00:00", defects=())


@pytest.mark.parametrize("order", list(itertools.permutations(("original", "corrected", "last"))))
@pytest.mark.parametrize("at_once", [True, False])
def test_the_version_that_the_tool_wrote_last_supersedes_the_others_in_any_order_of_arrival(landing, workspace, store, order, at_once):
    text = {"original": ORIGINAL, "corrected": CORRECTED, "last": CORRECTED_AGAIN}
    count = 0
    for name in order:
        put(landing, name, text[name])
        count += 0 if at_once else take_in(landing, workspace, store).superseded
    count += take_in(landing, workspace, store).superseded
    assert states(store) == {"original": "superseded", "corrected": "superseded", "last": "valid"}
    assert count == 2
    with store.read() as c:
        history = inspections(c, "L1", "W1")
        links = {row.by_file_sha256 for row in c.execute(select(superseded))}
    newest = history[-1]
    assert (newest["state"], newest["source"], newest["by_file_sha256"]) == ("valid", "last", None)
    assert links == {newest["file_sha256"]}
    assert all((workspace.canonical / f"{row['file_sha256']}.parquet").is_file() for row in history), "the history is kept"


def test_where_the_tool_says_nothing_the_file_that_was_changed_last_is_the_newest(landing, workspace, store):
    put(landing, "corrected", ORIGINAL.replace("1000 1000", "1500 1000"), modified=2_000)
    take_in(landing, workspace, store)
    put(landing, "original", ORIGINAL, modified=1_000)
    take_in(landing, workspace, store)
    assert states(store) == {"original": "superseded", "corrected": "valid"}


def test_the_same_file_twice_is_one_wafer(landing, workspace, store):
    for name in ("a", "b"):
        put(landing, name, ORIGINAL)
    report = take_in(landing, workspace, store)
    assert (report.files, report.superseded) == (1, 0)
    assert states(store) == {"a": "valid"}


@pytest.mark.parametrize(
    "other",
    [{"step": "M2"}, {"at": "01-02-26 04:00:00"}, {"wafer": "W2"}, {"lot": "L2"}],
    ids=["another layer", "a re-inspection", "another wafer", "another lot"],
)
def test_what_is_another_inspection_is_kept_apart(landing, workspace, store, other):
    put(landing, "one", ORIGINAL)
    put(landing, "other", klarf(**other, written="01-09-26 00:00:00"))
    assert take_in(landing, workspace, store).superseded == 0
    assert set(states(store).values()) == {"valid"}


def test_layers_and_reinspections_of_a_wafer_are_found_together(landing, workspace, store):
    for number, (step, at) in enumerate([("M2", "01-02-26 03:00:00"), ("M1", "01-02-26 05:00:00"), ("M1", "01-02-26 03:00:00")]):
        put(landing, f"{number}", klarf(step=step, at=at))
    take_in(landing, workspace, store)
    with store.read() as c:
        found = [(row["layer"], row["inspected_at"].hour) for row in inspections(c, "L1", "W1")]
    assert found == [("M1", 3), ("M1", 5), ("M2", 3)]


@pytest.mark.parametrize("missing", ["ResultTimestamp 01-02-26 03:04:05;\n", 'LotID "L1";\n'])
def test_a_wafer_of_which_nothing_can_be_said_supersedes_nothing(landing, workspace, store, missing):
    for name, text in {"one": ORIGINAL, "other": CORRECTED}.items():
        put(landing, name, text.replace(missing, ""))
    assert take_in(landing, workspace, store).superseded == 0


def test_a_correction_that_is_refused_corrects_nothing(landing, workspace, store):
    put(landing, "one", ORIGINAL)
    put(landing, "cut", CORRECTED.replace("EndOfFile;", ""))
    put(landing, "off", klarf(written="01-05-26 00:00:00", defects=((9e9, 0),)))
    assert take_in(landing, workspace, store).quarantined_files == 2
    assert states(store) == {"one": "valid"}


def test_snapshot_scoring_and_alerts_see_the_newest_version_only(landing, workspace, store, tmp_path):
    put(landing, "original", ORIGINAL)
    (tmp_path / "labels.csv").write_text("lot,wafer,label\nL1,W1,Donut\n")
    labels = read_labels(tmp_path / "labels.csv", ["Donut"])
    take_in(landing, workspace, store, labels=labels)
    before = freeze(store, workspace, ["Donut"])
    old = predict(store)
    put(landing, "corrected", CORRECTED)
    take_in(landing, workspace, store, labels=labels)
    after = freeze(store, workspace, ["Donut"])
    assert (before.wafers, after.wafers, after.changed) == (1, 1, True)
    with store.read() as c:
        assert predictions.never_scored(c, labelled=True) == [(newest(store), 0)], "the correction is scored, the original no more"
        assert unscored(c) == 0
        assert [row["file_sha256"] for row in alerts.unjudged(c, 10)] == [old], "nothing waits for ever"
        assert alerts.signals_of_lot(c, "L1", "M1") == []


def test_labels_by_source_reach_the_newest_version_under_the_same_name(landing, workspace, store, tmp_path):
    (tmp_path / "labels.csv").write_text("source,index,label\nmap.klarf,0,Donut\n")
    labels = read_labels(tmp_path / "labels.csv", ["Donut"])
    for text in (ORIGINAL, CORRECTED):
        put(landing, "map.klarf", text)
        report = take_in(landing, workspace, store, labels=labels)
        assert report.labels.ambiguous == ()
    with store.read() as c:
        assert c.execute(select(wafers.c.label).where(wafers.c.state == "valid")).scalars().all() == ["Donut"]


def newest(store):
    with store.read() as c:
        return c.execute(select(wafers.c.file_sha256).where(wafers.c.state == "valid")).scalar_one()


def predict(store):
    sha256 = newest(store)
    with store.write() as c:
        predictions.insert(c, [predictions.Prediction(sha256, 0, "m" * 64, "c" * 64, "Donut", "Donut", 0.9, {"Donut": 0.9})])
    return sha256


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["W1", "W2"]),
        st.sampled_from(["M1", "M2"]),
        st.sampled_from(["01-02-26 03:04:05", "01-02-26 04:04:05"]),
        st.sampled_from(["01-02-26 05:00:00", "01-02-26 06:00:00"]),
        st.integers(0, 3),
    ),
    unique=True,
    min_size=1,
    max_size=6,
)


@given(arrivals=arrivals, order=st.randoms(use_true_random=False), cuts=st.integers(1, 3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_and_any_number_of_ingests_end_alike(tmp_path_factory, arrivals, order, cuts):
    files = {
        f"{k}.klarf": (klarf(wafer=w, step=s, at=at, written=wr, defects=[(1000 * (k + 1), d * 10.0) for k in range(d)]), 1_000 + d)
        for k, (w, s, at, wr, d) in enumerate(arrivals)
    }

    def outcome(names, parts):
        folder = tmp_path_factory.mktemp("order")
        workspace = Workspace(folder / "workspace")
        workspace.root.mkdir()
        with Store(f"sqlite:///{workspace.store}") as store:
            for part in range(parts):
                landing = folder / f"in{part}"
                landing.mkdir()
                for name in names[part::parts]:
                    put(landing, name, *files[name])
                take_in(landing, workspace, store)
            with store.read() as c:
                links = c.execute(select(superseded.c.file_sha256, superseded.c.by_file_sha256).order_by(superseded.c.file_sha256)).all()
            return states(store), links

    shuffled = list(files)
    order.shuffle(shuffled)
    assert outcome(shuffled, cuts) == outcome(list(files), 1)
    state, _ = outcome(list(files), 1)
    assert sum(s == "valid" for s in state.values()) == len({(w, s, at) for w, s, at, _, _ in arrivals})


def test_a_store_of_an_older_version_gets_the_new_tables(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    with Store(url) as store, store.write() as c:
        for name in ("superseded", "file_times", "sightings"):
            c.exec_driver_sql(f"DROP TABLE {name}")
    with Store(url) as store, store.read() as c:
        assert c.execute(select(superseded)).all() == []
