// What the test wafers would be called at other thresholds: the decision rule of scoring/decision.py, in counts.

// For each place in a class's thresholds: how many of its wafers, and of all others, reach it.
const curveOf = (c) => {
  const places = edgesOf(c).length;
  const hits = new Float64Array(places);
  const alarms = new Float64Array(places);
  const codes = codesOf(c);
  for (let i = 0; i < wafersInAll; i += 1) (wafers.truth[i] === c ? hits : alarms)[codes[i]] += 1;
  for (let j = places - 2; j >= 0; j -= 1) {
    hits[j] += hits[j + 1];
    alarms[j] += alarms[j + 1];
  }
  return { hits, alarms, positives: hits[0], negatives: alarms[0] };
};

// The call of wafer i when class c's threshold is at places[c].
const callAt = (i, places, codes) => {
  const call = wafers.ungated[i];
  if (call >= classesInAll || codes[call][i] >= places[call]) return call;
  return REVIEW;
};

// The numbers of class c: rates of its curve by its own probability, the others by decision.
const pointAt = (c, places, curve) => {
  const codes = given.classes.map((_, k) => codesOf(k));
  const count = { missed: 0, invented: 0, escapes: 0, overkill: 0, review: 0, defective: 0, normal: 0 };
  for (let i = 0; i < wafersInAll; i += 1) {
    const truth = wafers.truth[i];
    const call = callAt(i, places, codes);
    const named = call < classesInAll;
    if (truth === c && call !== c) count.missed += 1;
    if (truth !== c && call === c) count.invented += 1;
    if (given.normal[truth]) {
      count.normal += 1;
      if (named && !given.normal[call]) count.overkill += 1;
    } else {
      count.defective += 1;
      if (named && given.normal[call]) count.escapes += 1;
    }
    if (call === REVIEW) count.review += 1;
  }
  return {
    tpr: { hits: curve.hits[places[c]], trials: curve.positives },
    fpr: { hits: curve.alarms[places[c]], trials: curve.negatives },
    missed: { hits: count.missed, trials: curve.positives },
    invented: { hits: count.invented, trials: curve.negatives },
    escapes: { hits: count.escapes, trials: count.defective },
    overkill: { hits: count.overkill, trials: count.normal },
    review: { hits: count.review, trials: wafersInAll },
  };
};
