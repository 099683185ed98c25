"use strict";
(() => {
  const { points, groups, sizes } = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  const charts = [...document.querySelectorAll("figure svg")];
  const rows = [...document.querySelectorAll("tbody tr")];
  const card = $("card");
  const choices = { lab: $("lab"), country: $("country"), license: $("license") };
  let visible = [];

  const circle = (svg, i) => svg.querySelector(`.p[data-i="${i}"]`);
  const shown = (svg) => svg.getBoundingClientRect().width > 0;
  const make = (parent, name, attributes, text) => {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };

  // -- which models are shown ----------------------------------------------------------------------------------

  function passes(point) {
    return (!$("fits").checked || point.runs)
      && Object.entries(choices).every(([key, select]) => !select.value || point.group[key] === select.value);
  }

  function update() {
    visible = points.map((_, i) => i).filter((i) => passes(points[i]));
    let best = 0;
    const leaders = new Set();
    for (const i of visible) { // the points come in the order of their memory
      if (points[i].quality > best) { best = points[i].quality; leaders.add(i); }
    }
    const on = new Set(visible);
    charts.forEach((svg, number) => draw(svg, on, leaders, sizes[number]));
    rows.forEach((row, i) => {
      row.hidden = !on.has(i);
      row.classList.toggle("lead", leaders.has(i));
    });
    $("count").textContent = `${visible.length} of ${points.length} models`;
    hide();
  }

  function draw(svg, on, leaders, size) {
    const key = $("color").value;
    points.forEach((point, i) => {
      const dot = circle(svg, i);
      const lead = leaders.has(i);
      dot.classList.toggle("off", !on.has(i));
      dot.classList.toggle("lead", lead);
      dot.setAttribute("r", lead ? 6 : 4);
      dot.setAttribute("fill-opacity", lead ? 1 : 0.6);
      dot.setAttribute("fill", groups[key][point.group[key]] || groups.other);
      dot.setAttribute("tabindex", lead ? 0 : -1);
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", dot.querySelector("title")?.textContent || dot.getAttribute("aria-label"));
      if (lead) dot.parentNode.append(dot);
    });
    const at = [...leaders].map((i) => ({
      name: points[i].name, x: +circle(svg, i).getAttribute("cx"), y: +circle(svg, i).getAttribute("cy"),
    }));
    const path = at.map((p, n) => (n ? `H${p.x}V${p.y}` : `M${p.x} ${p.y}`)).join("");
    svg.querySelector(".front").setAttribute("d", path ? `${path}H${size.right}` : "");
    label(svg, at, [...on].map((i) => circle(svg, i)), size);
    legend(svg, key, size);
  }

  // -- names of the leaders, where none covers another (the rule of labels.py) ----------------------------------

  function* places(x, y, width, height) {
    const gap = 9;
    for (let step = 0; step < 4; step++) {
      const up = y - height * (1.05 + step * 0.9);
      yield [x - gap - width, up];
      if (step) yield [x - width / 2, up - gap / 2];
    }
    for (let step = 1; step < 4; step++) yield [x - gap, y - height * (1.05 + step * 0.9) - gap / 2];
    yield [x + gap, y - height / 2];
  }

  function label(svg, leaders, dots, size) {
    const layer = svg.querySelector(".labels");
    layer.replaceChildren();
    const taken = dots.map((dot) => {
      const [x, y] = [+dot.getAttribute("cx"), +dot.getAttribute("cy")];
      return [x - 4, y - 4, x + 4, y + 4];
    });
    const free = (b) => b[0] >= size.left + 2 && b[1] >= size.top - 4 && b[2] <= size.width - 4 && b[3] <= size.bottom
      && !taken.some((t) => b[0] < t[2] && t[0] < b[2] && b[1] < t[3] && t[1] < b[3]);
    for (const { name, x, y } of leaders) {
      const width = 0.63 * size.text * name.length;
      const height = 1.25 * size.text;
      for (const [left, top] of places(x, y, width, height)) {
        const box = [left, top, left + width, top + height];
        if (!free(box)) continue;
        taken.push(box);
        const foot = box[3] - size.text * 0.2;
        if (y - foot > size.text * 0.6) {
          make(layer, "line", { class: "lead-line", x1: x, y1: y - 7, x2: Math.min(Math.max(x, box[0]), box[2]), y2: foot,
            stroke: "#5b6675", "stroke-opacity": 0.5 });
        }
        const end = box[2] < x;
        make(layer, "text", { class: "ink", x: end ? box[2] : box[0], y: top + size.text, "font-weight": 600,
          "text-anchor": end ? "end" : "start", "paint-order": "stroke", stroke: "#ffffff", "stroke-width": 3,
          "stroke-linejoin": "round", fill: "#1c2430" }, name);
        break;
      }
    }
  }

  function legend(svg, key, size) {
    const layer = svg.querySelector(".legend");
    const first = layer.querySelector("text");
    const start = +layer.dataset.x;
    let [x, y] = [start, +layer.dataset.y];
    if (!first) return;
    layer.replaceChildren();
    for (const [name, color] of [...Object.entries(groups[key]), ["others", groups.other]]) {
      const width = 32 + name.length * size.text * 0.56;
      if (x + width - 14 > size.width - 4) { x = start; y += size.text * 1.6; }
      make(layer, "circle", { cx: x + 5, cy: y - 4, r: 5, fill: color });
      make(layer, "text", { class: "soft", x: x + 15, y, fill: "#5b6675" }, name);
      x += width;
    }
  }

  // -- the record of one model ---------------------------------------------------------------------------------

  function show(dot) {
    const point = points[dot.dataset.i];
    card.replaceChildren();
    const title = document.createElement("b");
    title.textContent = point.name;
    const list = document.createElement("dl");
    for (const [term, text] of point.record) {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = text;
      list.append(dt, dd);
    }
    card.append(title, list);
    card.hidden = false;
    card.style.left = card.style.top = "0"; // measured where nothing squeezes it
    const at = dot.getBoundingClientRect();
    const width = card.offsetWidth;
    const height = card.offsetHeight;
    const right = document.documentElement.clientWidth;
    const narrow = right < 640;
    const below = at.bottom + 14 + height < innerHeight;
    const left = narrow ? (right - width) / 2 : at.right + 12 + width < right ? at.right + 12 : at.left - 12 - width;
    card.style.left = `${Math.max(8, Math.min(left, right - width - 8)) + scrollX}px`;
    const top = !narrow ? at.top - height / 2 : below ? at.bottom + 14 : at.top - height - 14;
    card.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8)) + scrollY}px`;
  }

  function hide() { card.hidden = true; }

  function move(event) {
    const dot = event.target.closest?.(".p");
    if (!dot) return;
    if (event.key === "Escape") { hide(); return; }
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const svg = charts.find(shown);
    const next = visible[visible.indexOf(+dot.dataset.i) + step];
    if (next !== undefined) circle(svg, next).focus();
  }

  for (const svg of charts) {
    // A native tooltip beside the card would say it twice; a screen reader has the label.
    svg.querySelectorAll(".p > title").forEach((title) => {
      title.parentNode.setAttribute("aria-label", title.textContent);
      title.remove();
    });
    svg.setAttribute("role", "group");
    svg.addEventListener("pointerover", (event) => event.target.closest(".p") && show(event.target.closest(".p")));
    svg.addEventListener("pointerout", hide);
    svg.addEventListener("focusin", (event) => event.target.closest(".p") && show(event.target.closest(".p")));
    svg.addEventListener("focusout", hide);
    svg.addEventListener("keydown", move);
  }
  for (const [key, select] of Object.entries(choices)) {
    for (const name of [...new Set(points.map((point) => point.group[key]))].sort((a, b) => a.localeCompare(b))) {
      select.append(new Option(name, name));
    }
    select.addEventListener("change", update);
  }
  $("fits").addEventListener("change", update);
  $("color").addEventListener("change", update);
  document.querySelector(".filters").hidden = false;
  document.querySelector(".hint").hidden = false;
  $("color").value = groups.start;
  update();
})();
