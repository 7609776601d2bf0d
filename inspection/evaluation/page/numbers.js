// Numbers as the rest of the page writes them.

const NBSP = "\u00a0";

// One decimal, halves to even as Python rounds: the same share reads the same everywhere on the page.
const oneDecimal = (x) => ((x * 4) % 4 === 1 ? x - 0.05 : x).toFixed(1);
const percent = (share) => (Number.isFinite(share) ? `${oneDecimal(share * 100)}${NBSP}%` : "–");

// Never "100 %" for what is not certain.
const odds = (probability) => {
  if (probability >= 0.9995) return `>99.9${NBSP}%`;
  if (probability < 0.0005) return `<0.1${NBSP}%`;
  return percent(probability);
};

// 95 % Wilson score interval of hits of trials.
const wilson = (hits, trials) => {
  const z = 1.959963984540054;
  const p = hits / trials;
  const middle = p + (z * z) / (2 * trials);
  const half = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials));
  const scale = 1 + (z * z) / trials;
  return [hits > 0 ? Math.max(0, (middle - half) / scale) : 0, hits < trials ? Math.min(1, (middle + half) / scale) : 1];
};

const between = ({ hits, trials }) => (trials ? wilson(hits, trials).map(percent).join(" to ") : "no interval");
const counted = ({ hits, trials }) => `${hits} of ${trials} · ${percent(hits / trials)}`;

// Thresholds near 0 and 1 need more digits than those between.
const thresholdText = (t) => (t > 0 && (t < 0.001 || (t > 0.999 && t < 1)) ? String(Number(t.toPrecision(6))) : t.toFixed(4));
