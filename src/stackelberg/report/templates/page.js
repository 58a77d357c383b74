"use strict";
// Reads numbers off the curves: by pointer over the drawing, or by the slider below it with the arrow keys.
const SVG = "http://www.w3.org/2000/svg";

function marker(kind, attributes) {
  const node = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function start(figure) {
  const data = JSON.parse(figure.querySelector("script.data").textContent);
  const plot = figure.querySelector("svg.plot");
  const cursor = figure.querySelector("g.cursor");
  const slide = figure.querySelector(".slide");
  const input = slide.querySelector("input");
  const output = slide.querySelector("output");
  const values = [...figure.querySelectorAll(".legend .value")];
  const last = data.steps.length - 1;
  if (last < 1) return;

  function show(index, drawn) {
    const words = [];
    cursor.replaceChildren();
    if (drawn) cursor.append(marker("line", { x1: data.across[index] + "%", x2: data.across[index] + "%", y1: 0, y2: 220 }));
    values.forEach((value, place) => {
      const text = data.texts[place][index];
      value.textContent = text === null ? "not measured here" : text;
      words.push((data.labels[place] + " " + value.textContent).trim());
      if (drawn && text !== null) {
        const at = { cx: data.across[index] + "%", cy: data.heights[place][index], r: 4, class: "dot shade" + (place % 3) };
        cursor.append(marker("circle", at));
      }
    });
    input.value = index;
    output.textContent = data.steps[index].toLocaleString("en");
    input.setAttribute("aria-valuetext", "step " + data.steps[index] + ": " + words.join("; "));
  }

  function nearest(event) {
    const box = plot.getBoundingClientRect();
    const share = (100 * (event.clientX - box.left)) / box.width;
    let best = 0;
    data.across.forEach((place, index) => {
      if (Math.abs(place - share) < Math.abs(data.across[best] - share)) best = index;
    });
    return best;
  }

  input.max = last;
  input.setAttribute("aria-label", "Step at which " + data.metric + " is read");
  slide.hidden = false;
  show(last, false);
  input.addEventListener("input", () => show(Number(input.value), true));
  plot.addEventListener("pointermove", (event) => show(nearest(event), true));
  plot.addEventListener("pointerdown", (event) => show(nearest(event), true));
}

document.querySelectorAll("figure.chart").forEach(start);
