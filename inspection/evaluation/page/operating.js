// The threshold slider: choose a class, move its threshold, read what would change.

const startOperating = () => {
  if (allCodes === null) return;
  const part = (id) => document.getElementById(id);
  const [chosen, slider] = [part("class"), part("threshold")];
  const own = given.classes.map((_, c) => ownPlace(c));
  const places = [...own];
  const curves = new Map(); // counted when a class is first looked at

  const show = () => {
    const c = Number(chosen.value);
    if (!curves.has(c)) curves.set(c, curveOf(c));
    const curve = curves.get(c);
    const [before, now] = [pointAt(c, own, curve), pointAt(c, places, curve)];
    const text = thresholdText(edgesOf(c)[places[c]]);
    document.querySelectorAll("#point tr[data-number]").forEach((row) => {
      const number = now[row.dataset.number];
      row.querySelector(".own").textContent = counted(before[row.dataset.number]);
      row.querySelector(".now").textContent = counted(number);
      row.querySelector(".between").textContent = between(number);
      row.classList.toggle("moved", number.hits !== before[row.dataset.number].hits);
    });
    const isOwn = places[c] === own[c];
    part("at").textContent = isOwn ? `${text} (${given.tuned[c] ? "tuned" : "neutral"})` : text;
    slider.setAttribute("aria-valuetext", part("at").textContent);
    part("tuned").disabled = isOwn;
    part("all-tuned").disabled = places.every((place, k) => place === own[k]);
    const moved = places.filter((place, k) => k !== c && place !== own[k]).length;
    const others = moved ? ` ${moved} other ${moved === 1 ? "class is" : "classes are"} moved, too.` : "";
    part("said").textContent = `${given.classes[c]} is called from ${text} on: ${now.escapes.hits} of ${now.escapes.trials} defective wafers escape `
      + `(${before.escapes.hits} at the model's own thresholds), ${now.overkill.hits} of ${now.overkill.trials} normal wafers raise a false alarm `
      + `(${before.overkill.hits}), ${now.review.hits} wafers go to a person for Review (${before.review.hits}).${others}`;
    drawCurve(curve, own[c], places[c]);
  };

  const choose = () => {
    const c = Number(chosen.value);
    slider.max = edgesOf(c).length - 1;
    slider.value = places[c];
    show();
  };

  slider.addEventListener("input", () => {
    places[Number(chosen.value)] = Number(slider.value);
    show();
  });
  chosen.addEventListener("change", choose);
  part("tuned").addEventListener("click", () => {
    places[Number(chosen.value)] = own[Number(chosen.value)];
    choose();
  });
  part("all-tuned").addEventListener("click", () => {
    own.forEach((place, c) => { places[c] = place; });
    choose();
  });
  // The class most worth a look: the one of which the largest share is missed.
  const [all, missed] = [given.classes.map(() => 0), given.classes.map(() => 0)];
  wafers.truth.forEach((t, i) => {
    all[t] += 1;
    missed[t] += wafers.decision[i] !== t;
  });
  const shares = all.map((count, c) => (count ? missed[c] / count : 0));
  chosen.value = String(shares.indexOf(Math.max(...shares)));
  choose();
};
