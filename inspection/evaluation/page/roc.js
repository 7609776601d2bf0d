// The ROC curve of one class with its own operating point (diamond) and the one that is tried (dot).

const FRAME = { left: 46, top: 12, side: 270 };
const svg = (tag, attributes, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.textContent = text;
  return element;
};
const acrossOf = (share) => FRAME.left + share * FRAME.side;
const downOf = (share) => FRAME.top + (1 - share) * FRAME.side;

const axes = () => {
  const parts = [svg("path", { class: "chance", d: `M${acrossOf(0)} ${downOf(0)}L${acrossOf(1)} ${downOf(1)}` })];
  [0, 0.25, 0.5, 0.75, 1].forEach((share) => {
    parts.push(svg("path", { class: "grid", d: `M${acrossOf(share)} ${downOf(0)}V${downOf(1)}M${acrossOf(0)} ${downOf(share)}H${acrossOf(1)}` }));
    parts.push(svg("text", { x: acrossOf(share), y: downOf(0) + 16, "text-anchor": "middle" }, share));
    parts.push(svg("text", { x: FRAME.left - 7, y: downOf(share) + 4, "text-anchor": "end" }, share));
  });
  parts.push(svg("text", { x: acrossOf(0.5), y: downOf(0) + 36, "text-anchor": "middle" }, "false positive rate"));
  parts.push(svg("text", { x: 12, y: downOf(0.5), "text-anchor": "middle", transform: `rotate(-90 12 ${downOf(0.5)})` }, "true positive rate"));
  return parts;
};

// The places of the curve's corners: where nothing changes no point is needed.
const corners = (curve) => {
  const last = curve.hits.length - 1;
  const found = [];
  for (let j = last; j >= 0; j -= 1) {
    if (j === last || j === 0 || curve.hits[j] !== curve.hits[j + 1] || curve.alarms[j] !== curve.alarms[j + 1]) found.push(j);
  }
  return found;
};

const drawCurve = (curve, own, place) => {
  const across = (j) => acrossOf(curve.negatives ? curve.alarms[j] / curve.negatives : 0);
  const down = (j) => downOf(curve.positives ? curve.hits[j] / curve.positives : 0);
  const line = corners(curve).map((j) => `L${across(j).toFixed(2)} ${down(j).toFixed(2)}`).join("");
  const [x, y] = [across(own), down(own)];
  document.getElementById("roc").replaceChildren(
    ...axes(),
    svg("path", { class: "curve", d: `M${acrossOf(0)} ${downOf(0)}${line}` }),
    svg("path", { class: "own", d: `M${x - 6} ${y}L${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}Z` }),
    svg("circle", { class: "now", cx: across(place), cy: down(place), r: 5 }),
  );
};
