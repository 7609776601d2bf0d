// Lists of wafers: pictures of those that have one, all of them as a table.

const FIRST_ROWS = 100;

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// A picture is kept once: with the page's own pictures, or among those that only the cells show.
const pictureOf = (i) => given.pictures[i] ?? document.querySelector(`img[data-wafer="${i}"]`)?.src;

const probabilityOf = (i) => wafers.said[i] / 65535;
const nameOf = (i) => `${given.lots[wafers.lot[i]]} · ${given.wafers[i]}`;

// The wafers of a cell, worst first: the surest of the wrong ones, the least sure of the right ones.
const wafersOfCell = (row, column) => {
  const found = [];
  for (let i = 0; i < wafersInAll; i += 1) {
    if (wafers.truth[i] === row && wafers.decision[i] === column) found.push(i);
  }
  const way = row === column ? 1 : -1;
  return found.sort((a, b) => way * (wafers.said[a] - wafers.said[b]) || a - b);
};

const exhibitOf = (i) => {
  const call = given.calls[wafers.decision[i]];
  const picture = make("img", { src: pictureOf(i), width: 145, height: 145, alt: `${given.classes[wafers.truth[i]]} wafer called ${call}` });
  return make("figure", {}, picture, make("figcaption", {}, nameOf(i), make("br"), `${call} ${odds(probabilityOf(i))}`));
};

const rowOf = (i) => {
  const texts = [given.lots[wafers.lot[i]], given.wafers[i], given.calls[wafers.decision[i]], given.classes[wafers.likeliest[i]]];
  const cells = texts.map((text) => make("td", { className: "words", textContent: text }));
  return make("tr", {}, ...cells, make("td", { textContent: odds(probabilityOf(i)) }));
};

const tableOf = (positions) => {
  const titles = ["lot", "wafer", "decision", "likeliest", "probability"].map((text, place) =>
    make("th", { scope: "col", textContent: text, className: place < 4 ? "words" : "" }));
  const body = make("tbody", {}, ...positions.slice(0, FIRST_ROWS).map(rowOf));
  const table = make("div", { className: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...titles)), body));
  if (positions.length <= FIRST_ROWS) return [table];
  const all = make("button", { type: "button", textContent: `Show all ${positions.length} wafers` });
  all.addEventListener("click", () => {
    body.append(...positions.slice(FIRST_ROWS).map(rowOf));
    all.remove();
  });
  return [table, all];
};
