// The numbers that travel with the page. Arrays are base64 of little-endian unsigned integers (operating.py says what each holds).

const given = JSON.parse(document.getElementById("data").textContent);
const wafersInAll = given.wafers.length;
const classesInAll = given.classes.length;
const REVIEW = classesInAll + 1; // the column after Unknown

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
const shorts = (text) => new Uint16Array(bytesOf(text));

const wafers = {
  truth: shorts(given.truth),
  decision: shorts(given.decision), // at each class's own threshold
  ungated: shorts(given.ungated), // with every threshold at 0
  likeliest: shorts(given.likeliest),
  said: shorts(given.said), // in 1/65535
  lot: new Uint32Array(bytesOf(given.lot)),
};

// codes[c][i]: place in edgesOf(c) of the last threshold that wafer i's probability of class c reaches.
const allCodes = given.codes === null ? null : shorts(given.codes);
const codesOf = (c) => allCodes.subarray(c * wafersInAll, (c + 1) * wafersInAll);

// The thresholds that can be tried for a class: the grid, and its own threshold in its place.
const allEdges = given.thresholds.map((own) => [...new Set([...given.grid, own])].sort((a, b) => a - b));
const edgesOf = (c) => allEdges[c];
const ownPlace = (c) => edgesOf(c).indexOf(given.thresholds[c]);
