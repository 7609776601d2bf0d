// The confusion matrix: one stop of the Tab key, arrow keys from cell to cell, Enter, Space or a click opens a cell, Escape closes it.

const startConfusion = () => {
  const buttons = [...document.querySelectorAll("#matrix button")];
  const panel = document.getElementById("cell");
  if (!buttons.length) return;
  const at = (row, column) => document.querySelector(`#matrix button[data-row="${row}"][data-column="${column}"]`);
  let current = buttons[0];
  current.tabIndex = 0;

  const moveTo = (button) => {
    current.tabIndex = -1;
    current = button;
    current.tabIndex = 0;
  };

  const close = () => {
    panel.hidden = true;
    panel.replaceChildren();
    buttons.forEach((button) => button.setAttribute("aria-expanded", "false"));
    current.focus();
  };

  const open = (button) => {
    moveTo(button);
    const [row, column] = [Number(button.dataset.row), Number(button.dataset.column)];
    const positions = wafersOfCell(row, column);
    const pictured = positions.filter((i) => pictureOf(i) !== undefined);
    const shut = make("button", { type: "button", className: "shut", textContent: "Close" });
    shut.addEventListener("click", close);
    const order = row === column ? "The least sure first." : "The most confident first.";
    const shown = pictured.length < positions.length ? ` Pictures of ${pictured.length}.` : "";
    panel.replaceChildren(
      shut,
      make("h3", { textContent: `${given.classes[row]} called ${given.calls[column]}` }),
      make("p", { textContent: `${button.title}. ${order}${shown}` }),
      make("div", { className: "exhibits" }, ...pictured.map(exhibitOf)),
      ...tableOf(positions),
    );
    buttons.forEach((one) => one.setAttribute("aria-expanded", String(one === button)));
    panel.hidden = false;
    panel.focus();
  };

  // The next cell with wafers in a direction.
  const step = (down, right) => {
    const table = [given.classes.length, given.calls.length];
    let [row, column] = [Number(current.dataset.row) + down, Number(current.dataset.column) + right];
    while (row >= 0 && row < table[0] && column >= 0 && column < table[1]) {
      if (at(row, column)) return at(row, column);
      row += down;
      column += right;
    }
    return current;
  };

  const ways = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  document.getElementById("matrix").addEventListener("keydown", (event) => {
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    moveTo(step(...way));
    current.focus();
  });
  buttons.forEach((button) => {
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", "cell");
    button.addEventListener("click", () => open(button));
  });
  panel.addEventListener("keydown", (event) => event.key === "Escape" && close());
};
