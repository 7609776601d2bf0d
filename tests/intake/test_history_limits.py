"""Laws of the limits that history sets, and of the tables of lots and days."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from inspection.intake.day_table import ALL_TOOLS, day_table
from inspection.intake.earlier import Seen, earlier_lots, past_lots
from inspection.intake.history import QUANTILES, PastLot, count_limits, duration_limit, odds_of_no_defect, quartile
from inspection.intake.lot_tables import lot_table, wafer_table
from inspection.params import Validate
from inspection.simulator.difficulty import SETTINGS
from inspection.simulator.schedule import generator, plan_lot
from inspection.simulator.signatures import draw_wafer

PARAMS = Validate()
NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - UTC and naive, as in the store


def limits(samples, odds=1e-4):
    quantiles = np.quantile(samples, QUANTILES)[:, None]
    low, high = count_limits(quantiles, np.array([float(len(samples))]), odds)
    return low[0], high[0]


@given(mean=st.floats(0, 500), size=st.floats(1, 30), lots=st.integers(8, 60), seed=st.integers(0, 2**32 - 1))
def test_limits_hold_the_median_and_widen_as_the_odds_shrink(mean, size, lots, seed):
    samples = np.random.default_rng(seed).negative_binomial(size, size / (size + mean), lots)
    low, high = limits(samples)
    wider_low, wider_high = limits(samples, 1e-6)
    assert 0 <= wider_low <= low <= np.median(samples) <= high <= wider_high


def test_limits_come_near_those_of_the_distribution_that_the_history_was_drawn_from():
    size, mean = 8.0, 120.0
    samples = np.random.default_rng(1).negative_binomial(size, size / (size + mean), 20_000)
    low, high = limits(samples, 1e-3)
    true_low, true_high = nbinom.ppf([1e-3, 1 - 1e-3], size, size / (size + mean))
    assert true_low / 2 <= low <= true_low, "the wider of both sides counts for both: on the safe side below"
    assert high == pytest.approx(true_high, rel=0.1)


@given(seed=st.integers(0, 2**32 - 1), lots=st.integers(20, 60))
def test_one_wild_lot_in_twenty_does_not_open_the_limits(seed, lots):
    samples = np.random.default_rng(seed).poisson(100, lots).astype(float)
    wild = samples.copy()
    wild[:: max(lots // 1, 20)] *= 50
    assert limits(wild)[1] < 1_000


def test_a_history_of_zeros_allows_the_odd_defect_and_not_a_hundred():
    low, high = limits(np.zeros(20))
    assert low == 0
    assert 1 <= high < 20


def test_a_gaussian_band_would_reach_below_zero_where_the_limits_do_not():
    samples = np.random.default_rng(2).negative_binomial(1.5, 1.5 / (1.5 + 40), 60).astype(float)
    assert samples.mean() - 3.7 * samples.std() < 0 <= limits(samples)[0]


@given(st.lists(st.floats(0, 48), min_size=14, max_size=60))
def test_the_longest_duration_is_longer_than_most(hours):
    limit = duration_limit(np.quantile(hours, QUANTILES)[:, None], np.array([float(len(hours))]), 1e-4)[0]
    assert limit >= np.median(hours)


@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=30), wafers=st.integers(1, 40))
def test_blocks_of_a_past_lot_cover_it(counts, wafers):
    lot = PastLot(np.array(counts, float), frozenset())
    found = lot.quartiles(wafers)
    assert len(found) == max(len(counts) // wafers, 1)
    assert min(counts) <= found.min() <= found.max() <= max(counts)
    if wafers >= len(counts):
        assert found == [quartile(np.array(counts))]


@given(level=st.integers(1, 200), hit=st.integers(0, 18), wafers=st.just(25))
def test_an_excursion_on_most_wafers_does_not_move_the_background(level, hit, wafers):
    counts = np.full(wafers, level)
    counts[:hit] += 5_000
    assert quartile(counts) == level


def test_no_defect_at_all_is_odd_only_where_the_history_knows_no_such_wafers():
    dirty, clean = PastLot(np.full(25, 40.0), frozenset()), PastLot(np.zeros(25), frozenset())
    assert odds_of_no_defect([dirty] * 10, 25) < 1e-9
    assert odds_of_no_defect([dirty] * 10, 1) > 1e-4
    assert odds_of_no_defect([dirty] * 9 + [clean], 25) >= 0.1
    assert odds_of_no_defect([clean] * 10, 25) > 0.5


# ---- lots ----------------------------------------------------------------------------------------------------------


def facts(rows):
    plain = {"source": "s", "kind": "points", "product": "P", "tool": "T", "defects": 5, "diameter_mm": 300.0, "notes": []}
    plain |= {"layer": "M1", "inspected_at": None}
    return pd.DataFrame([{**plain, "index": k, "lot": "L", "wafer": f"{k + 1:02d}", "slot": k + 1, **row} for k, row in enumerate(rows)])


def at(*hours):
    return [{"inspected_at": NOON + timedelta(hours=hour)} for hour in hours]


def test_a_pause_starts_another_inspection_whatever_the_order_of_the_files():
    table = wafer_table(facts(at(30, 0, 1, 31, 6.5, 50)), PARAMS)
    assert table["inspection"].tolist() == [1, 0, 0, 1, 0, 2]


def test_a_slot_used_again_in_a_later_inspection_is_no_fault_and_a_second_wafer_in_it_is():
    later = [{**row, "wafer": wafer, "slot": 3} for row, wafer in zip(at(0, 24, 48.0, 48.1), ("03", "03", "07", "09"), strict=True)]
    assert wafer_table(facts(later), PARAMS)["wafers_in_slot"].tolist() == [1, 1, 2, 2]
    scanned_twice = [{**row, "wafer": "03", "slot": 3} for row in at(0, 0.1)]
    assert wafer_table(facts(scanned_twice), PARAMS)["wafers_in_slot"].tolist() == [1, 1]


def test_the_same_slot_in_two_layers_of_one_inspection_is_two_layers():
    rows = [{"wafer": "01", "slot": 1, "layer": layer, **when} for layer, when in zip(("M1", "M2"), at(0, 0), strict=True)]
    assert wafer_table(facts(rows), PARAMS)["wafers_in_slot"].tolist() == [1, 1]


@pytest.mark.parametrize(("stray", "found"), [(1, True), (2, True), (5, False)])
def test_a_few_wafers_under_another_layer_are_strays_and_many_are_a_layer(stray, found):
    rows = [{"layer": "M2" if k < stray else "M1", **at(k / 15)[0]} for k in range(12)]
    table = wafer_table(facts(rows), PARAMS)
    assert (table["layer"] != table["layer_of_inspection"]).sum() == (stray if found else 0)


def test_a_wafer_inspected_at_two_layers_on_one_day_is_no_stray():
    rows = [*({"layer": "M1", **at(k / 15)[0]} for k in range(12)), {"layer": "M2", "wafer": "04", **at(1)[0]}]
    table = wafer_table(facts(rows), PARAMS)
    assert (table["layer"] == table["layer_of_inspection"]).all()


def test_most_wafers_say_what_the_lot_is_and_silence_is_no_contradiction():
    table = wafer_table(facts([{"product": "P"}, {"product": None}, {"product": "P"}, {"product": "Q"}]), PARAMS)
    assert table["product_of_lot"].tolist() == ["P"] * 4


def slots_missing(slots, earlier, refused=()):
    past = [PastLot(np.full(max(len(one), 1), 5.0), frozenset(one)) for one in earlier]
    table = wafer_table(facts([{"slot": slot} for slot in slots]), PARAMS)
    return lot_table(table, {("L", "M1"): past}, {("L", "M1"): refused}, PARAMS)["missing"][0]


WHOLE = range(1, 26)


@given(slots=st.sets(st.integers(1, 25), min_size=1), refused=st.sets(st.integers(1, 25)))
def test_missing_are_the_holes_that_earlier_lots_did_not_have(slots, refused):
    assert slots_missing(sorted(slots), [WHOLE] * 10, refused) == [s for s in range(1, max(slots | refused)) if s not in slots | refused]


@given(last=st.integers(1, 25))
def test_a_short_lot_misses_nothing_and_short_lots_are_a_history(last):
    assert slots_missing(range(1, last + 1), [WHOLE] * 10) == []
    assert slots_missing(range(1, last + 1), [range(1, 13)] * 6 + [WHOLE] * 6) == []


def test_a_fab_that_samples_some_slots_misses_only_those():
    sampled = [{1, 7, 13, 19, 25}] * 10
    assert slots_missing([1, 7, 13, 19, 25], sampled) == []
    assert slots_missing([1, 7, 19, 25], sampled) == [13]
    changing = [set(np.random.default_rng(k).choice(25, 5, replace=False) + 1) for k in range(20)]
    assert slots_missing([2, 9, 11, 20, 24], changing) == []


def test_history_is_of_the_same_product_layer_and_kind_and_never_of_a_later_lot():
    class Row:
        def __init__(self, lot, product="P", layer="M1", kind="points", wafers=25):
            self.lot, self.product, self.layer, self.kind, self.wafers = lot, product, layer, kind, wafers

    order = [
        Row("a"),
        Row("b", product="Q"),
        Row("c", layer="M2"),
        Row("d", kind="dies"),
        Row("e", "Q", wafers=1),
        Row("e"),
        Row("f"),
        Row("g"),
    ]
    assert earlier_lots(order, [("f", "M1"), ("d", "M1")]) == {("f", "M1"): [("a", "M1"), ("e", "M1")], ("d", "M1"): []}
    past = past_lots({("f", "M1"): [("a", "M1")]}, [("a", "M1", 1, 7), ("a", "M1", None, 9), ("a", "M2", 2, 3)])
    assert past["f", "M1"][0].defects.tolist() == [7, 9]
    assert past["f", "M1"][0].slots == {1}


# ---- days ----------------------------------------------------------------------------------------------------------


def arrivals(*rows):
    return pd.DataFrame([{"tool": tool, "inspected_at": NOON + timedelta(hours=hours), "file_sha256": str(hours)} for tool, hours in rows])


def test_no_arrivals_no_days():
    assert day_table(pd.DataFrame(columns=["tool", "inspected_at", "file_sha256"]), PARAMS).empty


def test_silences_are_counted_to_the_end_of_a_day_and_across_days():
    table = day_table(arrivals(("A", 0), ("A", 1), ("A", 59), ("B", 70)), PARAMS)
    of = {name: part.set_index("day") for name, part in table.groupby("tool")}
    assert of["A"]["silence_h"].round(2).tolist() == [11.0, 35.0, 58.0, 11.0], "noon; the clock stands at B's last file"
    assert of["A"]["wafers"].tolist() == [2, 0, 1, 0]
    assert of["B"]["wafers"].tolist() == [1]
    assert of[ALL_TOOLS]["wafers"].tolist() == [2, 0, 1, 1]
    assert table["open"].tolist() == [False] * 6 + [True] * 3


@given(gaps=st.lists(st.floats(0.01, 60), min_size=1, max_size=60))
def test_every_wafer_is_on_one_day_and_no_silence_is_longer_than_the_longest_gap(gaps):
    hours = np.concatenate(([0.0], np.cumsum(gaps)))
    table = day_table(arrivals(*(("A", float(hour)) for hour in hours)), PARAMS)
    tool = table[table["tool"] == "A"]
    assert tool["wafers"].sum() == len(hours)
    assert tool["silence_h"].max() <= max(gaps) + 1e-6
    assert tool["silence_h"].max() == pytest.approx(max(gaps), abs=1e-6)
    assert (table.loc[table["history"] < PARAMS.history_days, ["wafers_low", "wafers_high", "silence_high_h"]].isna()).all(axis=None)


def test_days_are_due_when_they_are_new_were_open_or_were_never_looked_at():
    day = [(NOON + timedelta(days=k)).date() for k in range(6)]
    checked = [{"day": day[k], "checked_at": NOON, "statistics": {"open": k == 3}} for k in (0, 1, 3)]
    seen = Seen.of(checked)
    assert seen.first_due(None) is None
    first = seen.first_due(NOON + timedelta(days=5))
    assert first == day[3]
    new = [{"inspected_at": NOON + timedelta(days=5), "ingested_at": NOON + timedelta(days=9)}]
    assert seen.due(day, new, first) == {day[3], day[4], day[5]}


# ---- the simulated fab ---------------------------------------------------------------------------------------------


def delivered(seed, lots, difficulty):
    """Facts of every inspection of ``lots`` lots, re-inspections included, without their files."""
    rows = []
    for number in range(1, lots + 1):
        plan = plan_lot(seed, number, 25)
        for wafer in plan.wafers:
            defects = len(draw_wafer(wafer.label, plan.product, SETTINGS[difficulty], generator(seed, number, wafer.slot)).xy_um)
            for when in filter(None, (wafer.inspected_at, wafer.again_at)):
                row = {"lot": plan.name, "layer": plan.layer, "wafer": wafer.wafer, "slot": wafer.slot, "product": plan.product.name}
                rows.append(
                    {**row, "tool": wafer.tool, "defects": defects, "inspected_at": when.replace(tzinfo=None), "file_sha256": len(rows)}
                )
    return facts(rows).assign(diameter_mm=300.0)


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_a_clean_fab_is_warned_of_in_less_than_one_lot_and_one_day_of_a_hundred(difficulty):
    table = delivered(11, 400, difficulty)
    wafers = wafer_table(table, PARAMS)
    assert (wafers["wafers_in_slot"] == 1).all()
    assert (wafers["layer"] == wafers["layer_of_inspection"]).all()
    begun = table.groupby("lot").agg(at=("inspected_at", "min"), layer=("layer", "first"), product=("product", "first"))
    history, pool = {}, {}
    for name, row in begun.sort_values("at").iterrows():
        past = pool.setdefault((row["product"], row["layer"]), [])
        history[name, row["layer"]] = [*past]
        past.append(PastLot(table.loc[table["lot"] == name, "defects"].to_numpy(float), frozenset(WHOLE)))
    lots = lot_table(wafers, history, {}, PARAMS)
    judged = lots[~lots["cold_start"]]
    assert len(judged) > 250
    warned = (judged["background"] > judged["background_high"]) | (judged["background"] < judged["background_low"])
    assert warned.mean() <= 0.01
    assert judged["odds_of_no_defect"].isna().all()
    assert (judged["slots_missing"] == 0).all()
    days = day_table(table, PARAMS)
    days = days[~days["cold_start"]]
    assert len(days) > 500
    odd = days["silence_h"] > days["silence_high_h"]
    for column in ("files", "wafers"):
        odd |= (days[column] > days[f"{column}_high"]) | (days[column] < days[f"{column}_low"])
    assert odd.mean() <= 0.01
