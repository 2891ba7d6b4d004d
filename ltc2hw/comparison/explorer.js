// The samples that a report kept, to explore: choices, charts, and the numbers under a cursor.
"use strict";
(() => {
  const byId = (name) => document.getElementById(`explorer-${name}`);
  const { metric, higher, samples } = JSON.parse(byId("data").textContent);
  const charts = byId("charts");
  const inputs = { sample: byId("sample"), population: byId("population"), neuron: byId("neuron"), step: byId("step") };
  const chosen = { sample: 0, population: 0, row: 0, step: 0 };
  const LEFT = 54, RIGHT = 40, TOP = 14, BOTTOM = 20, NARROWEST = 1.2;
  let drawn = "", geometry = null;

  // Data: arrays are base64 of little-endian numbers, spikes are bits by neuron and step.

  const KINDS = { f4: Float32Array, f8: Float64Array, i2: Int16Array, i4: Int32Array, u1: Uint8Array };

  function decoded(packed, steps) {
    if ("value" in packed) return new Float64Array(steps).fill(packed.value);
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    return new KINDS[packed.kind](bytes.buffer);
  }

  function spikesOf(population, steps) {
    if (!population.bits) {
      const sides = [decoded(population.float, steps), decoded(population.integer, steps)];
      population.bits = (side, row, step) => {
        const place = row * steps + step;
        return (sides[side][place >> 3] >> (place & 7)) & 1;
      };
    }
    return population.bits;
  }

  function membraneOf(population, neuron, steps) {
    const found = population.membranes.find((membrane) => membrane.neuron === neuron);
    if (found && !found.lines) {
      const integers = decoded(found.integer, steps);
      found.lines = {
        float: decoded(found.float, steps),
        integer: Float64Array.from(integers, (value) => value / 2 ** found.fraction),
        integers,
        thresholds: found.thresholds.map((threshold) => decoded(threshold, steps)),
      };
    }
    return found;
  }

  function outputsOf(sample) {
    if (!sample.lines) {
      sample.lines = ["float", "integer"].map((side) => decoded(sample.outputs[side], sample.steps));
    }
    return (side, index, step) => sample.lines[side][index * sample.steps + step];
  }

  const current = () => {
    const sample = samples[chosen.sample];
    const population = sample.populations[chosen.population];
    return { sample, population, neuron: population && population.neurons[chosen.row] };
  };

  // Words.

  function number(value) {
    const rounded = Number(value.toPrecision(6));
    if (Math.abs(rounded) >= 1e9) return rounded.toExponential();
    return String(Number.isInteger(value) ? value : rounded);
  }

  const short = (value) => (Math.abs(value) < 1e5 ? number(value) : Number(value.toPrecision(3)).toExponential());

  function verdict(sample) {
    const [float, integer] = sample.verdicts;
    const loss = higher ? float - integer : integer - float;
    const fate = loss > 0 ? "worse" : loss < 0 ? "better" : "";
    if (sample.label === null) {
      return `${metric} ${number(float)} float, ${number(integer)} integer${fate && `, ${fate}`}`;
    }
    const [first, second] = sample.answers;
    const changed = fate || (first === second ? "" : "changed");
    return `label ${sample.label}, float ${first}, integer ${second}${changed && `, ${changed}`}`;
  }

  function differences(population, row, steps) {
    const spikes = spikesOf(population, steps);
    let fired = 0, differing = 0;
    for (let step = 0; step < steps; step++) {
      fired += spikes(0, row, step);
      differing += spikes(0, row, step) ^ spikes(1, row, step);
    }
    return { fired, differing };
  }

  function firstDifference(sample) {
    if (!sample.first) return "all spikes are equal";
    const [step, population, neuron] = sample.first;
    return `first differing spike: step ${step}, ${sample.populations[population].name} neuron ${neuron}`;
  }

  // Building blocks.

  function make(tag, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function options(select, texts, index) {
    select.replaceChildren(...texts.map((text, place) => new Option(text, place, false, place === index)));
    select.disabled = texts.length === 0;
  }

  function ticks(low, high, most) {
    const raw = (high - low || 1) / most;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= raw);
    const found = [];
    for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step);
    return found;
  }

  const x = (step) => LEFT + (step + 0.5) * geometry.cell;

  function frame(svg, height, label) {
    svg.setAttribute("width", geometry.width);
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", `0 0 ${geometry.width} ${height}`);
    document.getElementById(`${svg.id}-name`).textContent = label;
    const steps = geometry.steps;
    const whole = ticks(0, steps - 1, Math.max(2, Math.min(12, geometry.width / 90))).filter(Number.isInteger);
    svg.replaceChildren(
      ...whole.map((step) => make("text", { x: x(step), y: height - 5, class: "tick middle" }, step)),
    );
    return svg;
  }

  function measure() {
    const steps = current().sample.steps;
    const room = Math.max(charts.clientWidth - LEFT - RIGHT, 120);
    const cell = Math.max(room / steps, NARROWEST);
    geometry = { steps, cell, width: Math.round(LEFT + steps * cell + RIGHT), room };
  }

  // Charts.

  function drawRaster() {
    const { sample, population } = current();
    const svg = byId("raster");
    byId("rasterpart").hidden = !population;
    if (!population) return;
    const rows = population.neurons.length;
    const height = (geometry.row = 2 * Math.max(3, Math.min(8, Math.floor(150 / rows))));
    const shown = rows < population.size ? ` (the ${rows} of ${population.size} neurons that differ most)` : "";
    frame(svg, TOP + rows * height + BOTTOM, `Spikes of ${population.name}${shown}`);
    const spikes = spikesOf(population, sample.steps);
    const paths = ["", "", ""];
    const width = Math.max(geometry.cell * 0.86, 1), half = height / 2 - 0.5;
    for (let row = 0; row < rows; row++) {
      const top = TOP + row * height;
      for (let step = 0; step < sample.steps; step++) {
        const kind = spikes(0, row, step) + 2 * spikes(1, row, step);
        if (!kind) continue;
        const left = (x(step) - width / 2).toFixed(1);
        const [y, tall] = kind === 3 ? [top + 0.5, 2 * half] : kind === 1 ? [top + 0.5, half] : [top + 0.5 + half, half];
        paths[kind - 1] += `M${left} ${y}h${width.toFixed(1)}v${tall}h-${width.toFixed(1)}z`;
      }
    }
    ["float", "integer", "both"].forEach((side, kind) => svg.append(make("path", { d: paths[kind], class: `spike ${side}` })));
    const every = Math.ceil(13 / height);
    for (let row = 0; row < rows; row += every) {
      svg.append(make("text", { x: LEFT - 6, y: TOP + (row + 0.5) * height + 4, class: "tick end" }, population.neurons[row]));
    }
    markFirst(svg, TOP + rows * height);
    svg.append(
      make("rect", { x: LEFT, y: 0, width: geometry.steps * geometry.cell, height, class: "row", id: "explorer-row" }),
      make("line", { y1: TOP - 4, y2: TOP + rows * height, class: "cursor" }),
    );
  }

  function markFirst(svg, bottom) {
    const { first } = current().sample;
    if (!first) return;
    const at = x(first[0]);
    svg.append(
      make("path", { d: `M${at - 5} ${TOP - 10}h10l-5 8z`, class: "first" }),
      make("line", { x1: at, x2: at, y1: TOP - 1, y2: bottom, class: "first" }),
    );
  }

  function plot(svg, height, label, lines) {
    frame(svg, height, label);
    const values = lines.flatMap((line) => Array.from(line.values)).filter(Number.isFinite);
    let low = Math.min(...bounds(values)), high = Math.max(...bounds(values));
    if (low === high) [low, high] = [low - 1, high + 1];
    const y = (value) => TOP + 4 + ((high - value) / (high - low)) * (height - TOP - BOTTOM - 10);
    for (const tick of ticks(low, high, 4)) {
      svg.append(
        make("line", { x1: LEFT, x2: geometry.width - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }),
        make("text", { x: LEFT - 6, y: y(tick) + 4, class: "tick end" }, short(tick)),
      );
    }
    for (const { values: own, kind } of lines) {
      svg.append(make("path", { d: pathOf(own, y), class: `line ${kind}` }));
    }
    return y;
  }

  // A line with gaps where there is no number, and a dot where there is a single one.
  function pathOf(values, y) {
    let path = "", begun = false;
    values.forEach((value, step) => {
      const place = `${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
      if (Number.isFinite(value)) path += begun ? `L${place}` : `M${place}h0`;
      begun = Number.isFinite(value);
    });
    return path;
  }

  function bounds(values) {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return low > high ? [0, 1] : [low, high];
  }

  function cursorOn(svg, height) {
    markFirst(svg, height - BOTTOM);
    svg.append(make("line", { y1: TOP - 4, y2: height - BOTTOM, class: "cursor" }));
  }

  function drawMembrane() {
    const { sample, population, neuron } = current();
    const svg = byId("membrane"), height = 220;
    const kept = population && membraneOf(population, neuron, sample.steps);
    byId("membranebox").hidden = !kept;
    byId("nomembrane").hidden = Boolean(kept) || !population;
    if (!kept) return;
    const { float, integer, thresholds } = kept.lines;
    const y = plot(svg, height, `Membrane and threshold of ${population.name} neuron ${neuron}`, [
      { values: thresholds[0], kind: "threshold float" },
      { values: thresholds[1], kind: "threshold integer" },
      { values: float, kind: "float" },
      { values: integer, kind: "integer" },
    ]);
    const spikes = spikesOf(population, sample.steps);
    ["float", "integer"].forEach((side, index) => {
      for (let step = 0; step < sample.steps; step++) {
        if (!spikes(index, chosen.row, step) || !Number.isFinite(thresholds[index][step])) continue;
        const at = x(step), level = y(thresholds[index][step]);
        const d = index ? `M${at - 4} ${level + 2}h8l-4 7z` : `M${at - 4} ${level - 2}h8l-4 -7z`;
        svg.append(make("path", { d, class: `mark ${side}` }));
      }
    });
    cursorOn(svg, height);
  }

  function drawOutputs() {
    const { sample } = current();
    const svg = byId("outputs"), height = 270;
    const read = outputsOf(sample), { indices, size } = sample.outputs;
    const line = (side, place) => Array.from({ length: sample.steps }, (_, step) => read(side, place, step));
    const [first, ...others] = sample.outputs.telling;
    const places = indices.map((_, place) => place);
    const kind = (place) => (indices[place] === first ? " thick" : others.includes(indices[place]) ? "" : " quiet");
    const lines = [0, 1].flatMap((side) =>
      places.map((place) => ({ values: line(side, place), kind: (side ? "integer" : "float") + kind(place) })),
    );
    const shown = indices.length < size ? ` (${indices.length} of ${size})` : "";
    const thin = others.length ? `, ${others.join(" and ")} thin` : "";
    const grey = indices.length > 1 + others.length ? ", others grey" : "";
    const y = plot(svg, height, `Outputs of the network${shown}: ${first} thick${thin}${grey}`, lines);
    let last = -Infinity;
    const ends = places.map((place) => [y(read(0, place, sample.steps - 1)), indices[place], kind(place)]);
    for (const [level, index, quiet] of ends.filter(([at]) => Number.isFinite(at)).sort((a, b) => a[0] - b[0])) {
      last = Math.max(level + 4, last + 12);
      svg.append(make("text", { x: geometry.width - RIGHT + 6, y: last, class: `tick${quiet === " quiet" ? "" : " strong"}` }, index));
    }
    cursorOn(svg, height);
  }

  // The numbers under the cursor.

  function rowsOfNumbers() {
    const { sample, population, neuron } = current();
    const step = chosen.step, rows = [];
    if (population) {
      const spikes = spikesOf(population, sample.steps);
      const kept = membraneOf(population, neuron, sample.steps);
      if (kept) {
        const { float, integer, integers, thresholds } = kept.lines;
        rows.push(["membrane", float[step], integer[step], `${integers[step]} / 2^${kept.fraction}`]);
        rows.push(["threshold", thresholds[0][step], thresholds[1][step], ""]);
      }
      rows.push(["spike", spikes(0, chosen.row, step), spikes(1, chosen.row, step), ""]);
    }
    const read = outputsOf(sample);
    sample.outputs.indices.forEach((index, place) => {
      const roles = [];
      if (index === sample.label) roles.push("label");
      if (sample.answers && index === sample.answers[0]) roles.push("float answer");
      if (sample.answers && index === sample.answers[1]) roles.push("integer answer");
      const name = `output ${index}${roles.length ? ` (${roles.join(", ")})` : ""}`;
      rows.push([name, read(0, place, step), read(1, place, step), ""]);
    });
    return rows;
  }

  function showNumbers() {
    const { sample, population, neuron } = current();
    const body = byId("numbers");
    body.replaceChildren(
      ...rowsOfNumbers().map(([name, float, integer, stored]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        row.append(head);
        for (const text of [number(float), number(integer), number(integer - float), stored]) {
          const cell = document.createElement("td");
          cell.className = "number";
          cell.textContent = text;
          row.append(cell);
        }
        if (float !== integer && name === "spike") row.className = "differs";
        return row;
      }),
    );
    const where = population ? `, ${population.name} neuron ${neuron}` : "";
    byId("reading").textContent =
      `Sample ${sample.sample} (${verdict(sample)}), step ${chosen.step} of ${sample.steps}${where}; ${firstDifference(sample)}.`;
  }

  function showCursor() {
    for (const line of charts.querySelectorAll(".cursor")) {
      line.setAttribute("x1", x(chosen.step));
      line.setAttribute("x2", x(chosen.step));
    }
    const row = document.getElementById("explorer-row");
    const { population } = current();
    if (row && population) {
      const top = TOP + chosen.row * geometry.row;
      row.setAttribute("y", top);
      follow(byId("rasterbox"), "scrollTop", "clientHeight", top, geometry.row);
    }
    follow(charts, "scrollLeft", "clientWidth", x(chosen.step), geometry.cell);
  }

  function follow(box, scroll, room, place, size) {
    if (place < box[scroll] + 40) box[scroll] = place - 40;
    else if (place + size > box[scroll] + box[room] - 20) box[scroll] = place + size - box[room] + 20;
  }

  // Choosing.

  function show() {
    const { sample, population } = current();
    const key = [chosen.sample, chosen.population, charts.clientWidth].join(" ");
    if (key !== drawn) {
      drawn = key;
      measure();
      drawRaster();
      drawOutputs();
      options(inputs.population, sample.populations.map((own) => own.name), chosen.population);
      const texts = (population ? population.neurons : []).map((neuron, row) => {
        const { fired, differing } = differences(population, row, sample.steps);
        const without = population.membranes.some((kept) => kept.neuron === neuron) ? "" : ", no membrane";
        return `${neuron}: ${fired} spike${fired === 1 ? "" : "s"}, ${differing} differ${without}`;
      });
      options(inputs.neuron, texts, chosen.row);
      inputs.step.max = sample.steps - 1;
    }
    drawMembrane();
    inputs.sample.value = chosen.sample;
    inputs.population.value = chosen.population;
    inputs.neuron.value = chosen.row;
    inputs.step.value = chosen.step;
    byId("stepvalue").textContent = chosen.step;
    showNumbers();
    showCursor();
  }

  const within = (value, count) => Math.max(0, Math.min(count - 1, value));

  function choose(changes) {
    const before = current();
    if ("sample" in changes) chosen.sample = within(changes.sample, samples.length);
    const populations = samples[chosen.sample].populations;
    chosen.population = within(changes.population ?? chosen.population, populations.length || 1);
    const { sample, population } = current();
    if (population) {
      const wanted = changes.neuron ?? (before.population && before.population.name === population.name ? before.neuron : null);
      const row = "row" in changes ? changes.row : population.neurons.indexOf(wanted);
      chosen.row = row < 0 ? Math.max(0, population.neurons.indexOf(population.telling)) : within(row, population.neurons.length);
    }
    chosen.step = within(changes.step ?? chosen.step, sample.steps);
    show();
    try {
      history.replaceState(null, "", `#${fragment()}`);
    } catch {
      // A page without an address of its own has no links to share.
    }
  }

  function toFirst(index = chosen.sample) {
    const { first } = samples[index];
    choose(first ? { sample: index, population: first[1], neuron: first[2], step: first[0] } : { sample: index, step: 0 });
  }

  function toNext() {
    const { sample, population } = current();
    if (!population) return;
    const spikes = spikesOf(population, sample.steps);
    for (let offset = 1; offset <= sample.steps; offset++) {
      const step = (chosen.step + offset) % sample.steps;
      if (spikes(0, chosen.row, step) !== spikes(1, chosen.row, step)) return choose({ step });
    }
    byId("reading").textContent = `${population.name} neuron ${current().neuron}: no spike differs.`;
  }

  // Addresses name the choice, so that it can be shared.

  function fragment() {
    const { sample, population, neuron } = current();
    const named = new URLSearchParams({ sample: sample.sample });
    if (population) {
      named.set("population", population.name);
      named.set("neuron", neuron);
    }
    named.set("step", chosen.step);
    return named.toString();
  }

  function readFragment() {
    const named = new URLSearchParams(location.hash.slice(1));
    const index = samples.findIndex((sample) => String(sample.sample) === named.get("sample"));
    if (index < 0) return toFirst(0);
    const changes = { sample: index };
    const population = samples[index].populations.findIndex((own) => own.name === named.get("population"));
    if (population >= 0) changes.population = population;
    for (const name of ["neuron", "step"]) {
      if (/^\d+$/.test(named.get(name) ?? "")) changes[name] = Number(named.get(name));
    }
    choose(changes);
    byId("section").scrollIntoView();
  }

  function key(event) {
    const steps = current().sample.steps;
    const moves = {
      ArrowLeft: () => choose({ step: chosen.step - 1 }),
      ArrowRight: () => choose({ step: chosen.step + 1 }),
      ArrowUp: () => choose({ row: Math.max(0, chosen.row - 1) }),
      ArrowDown: () => choose({ row: chosen.row + 1 }),
      PageUp: () => choose({ sample: chosen.sample - 1 }),
      PageDown: () => choose({ sample: chosen.sample + 1 }),
      Home: () => choose({ step: 0 }),
      End: () => choose({ step: steps - 1 }),
      d: () => toFirst(),
      n: toNext,
    };
    if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    moves[event.key]();
  }

  function point(event) {
    const svg = event.target.closest("svg");
    if (!svg || (event.type === "pointermove" && !(event.buttons & 1 && event.pointerType === "mouse"))) return;
    const box = svg.getBoundingClientRect();
    const changes = { step: Math.floor((event.clientX - box.left - LEFT) / geometry.cell) };
    const row = Math.floor((event.clientY - box.top - TOP) / geometry.row);
    if (svg.id === "explorer-raster" && row >= 0) changes.row = row;
    choose(changes);
  }

  // What scrolls sideways takes the focus, so that keys can scroll it; what does not is passed over.

  function reachable() {
    for (const box of document.querySelectorAll("section:not(.explorer), .picture, #explorer-table")) {
      if (box.scrollWidth > box.clientWidth) {
        const heading = box.closest("section, figure").querySelector("h2");
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", heading.textContent);
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  }

  options(inputs.sample, samples.map((sample) => `${sample.sample}: ${verdict(sample)}`), 0);
  inputs.sample.addEventListener("change", () => choose({ sample: Number(inputs.sample.value) }));
  inputs.population.addEventListener("change", () => choose({ population: Number(inputs.population.value) }));
  inputs.neuron.addEventListener("change", () => choose({ row: Number(inputs.neuron.value) }));
  inputs.step.addEventListener("input", () => choose({ step: Number(inputs.step.value) }));
  byId("first").addEventListener("click", () => toFirst());
  byId("next").addEventListener("click", toNext);
  charts.addEventListener("keydown", key);
  charts.addEventListener("pointerdown", point);
  charts.addEventListener("pointermove", point);
  addEventListener("hashchange", readFragment);
  addEventListener("resize", () => {
    show();
    reachable();
  });
  byId("section").hidden = false;
  readFragment();
  reachable();
})();
