"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const root = document.documentElement;
  const drawn = new Set();
  let state = "raw";

  // ---- sorting: a press on a heading sorts by it, another press turns the order round; undefined numbers stay last
  function sortBy(heading) {
    const table = heading.closest("table");
    const headings = [...heading.parentElement.children];
    const column = headings.indexOf(heading);
    const before = heading.getAttribute("aria-sort");
    const first = heading.hasAttribute("data-descending") ? "descending" : "ascending";
    const order = before === null ? first : before === "ascending" ? "descending" : "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = row => {
      const text = row.children[column].dataset.sort;
      return text === undefined || text === "" ? null : column === 0 ? text : Number(text);
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (column === 0 ? x.localeCompare(y) : x - y);
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  }
  // the order of now, for other numbers
  function sortAgain(table) {
    const heading = table.querySelector("th[aria-sort]");
    if (!heading) return;
    const order = heading.getAttribute("aria-sort");
    heading.removeAttribute("aria-sort");
    do sortBy(heading); while (heading.getAttribute("aria-sort") !== order);
  }
  for (const button of document.querySelectorAll(".sortable thead button")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }

  // ---- one of several methods: parts of the page of which one is shown, or a table whose texts change
  const texts = JSON.parse(document.getElementById("choices")?.textContent ?? "{}");
  function choose(select) {
    const group = select.dataset.picks;
    const parts = document.querySelectorAll(`[data-of=${group}]`);
    parts.forEach((part, at) => { part.hidden = at !== Number(select.value); });
    if (group in texts) fill(document.getElementById(group), texts[group], Number(select.value));
  }
  function fill(table, { texts, bounds }, method) {
    for (const row of table.tBodies[0].rows) {
      const at = Number(row.dataset.at);
      texts[method].forEach((column, number) => {
        const cell = row.cells[number + 2]; // after the class and its examples
        cell.textContent = column[at];
        cell.dataset.sort = column[at] === "–" ? "" : column[at].replace("−", "-").replaceAll(",", "").replace("+", "");
        if (number === 0 && bounds[method][at]) {
          cell.appendChild(document.createElement("small")).textContent = bounds[method][at];
        }
      });
    }
    sortAgain(table);
  }
  for (const select of document.querySelectorAll("select[data-picks]")) {
    select.addEventListener("change", () => choose(select));
    if (select.value !== "0") choose(select); // a reload keeps the choice
  }

  // ---- colours: "@name" in a figure's data is the style sheet's --name
  function coloured(value, key) {
    if (Array.isArray(value)) return value.map(item => coloured(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, coloured(item, name)]));
    }
    if (key === "color" && typeof value === "string" && value[0] === "@") return css(value.slice(1));
    return value;
  }
  const css = name => getComputedStyle(root).getPropertyValue("--" + name).trim();

  // ---- drawing
  const PAPER = { card: 225, page: 690, shrink: 0.8 }; // pixels, as in the style sheet's print section
  const tracesOf = figure => (figure.states ? figure.states[state] : figure.traces);

  function axis(given, figure) {
    const line = css("line");
    return {
      gridcolor: line, zerolinecolor: css("muted"), zeroline: false, linecolor: line, automargin: true,
      fixedrange: !(figure.zoom && matchMedia("(pointer: fine)").matches),
      ...given,
      title: { text: given.title || "", standoff: 8, font: { size: 12 } },
    };
  }

  function layoutOf(figure, width, height) {
    const given = coloured(figure.layout);
    const narrow = width < 640;
    const entries = tracesOf(figure).filter(trace => trace.showlegend !== false).length;
    const below = given.showlegend && (given.legendbelow || narrow);
    const layout = {
      showlegend: false,
      ...given,
      xaxis: axis(given.xaxis, figure),
      yaxis: axis(given.yaxis, figure),
      font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: css("ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 52, r: 12, t: 8, b: 44 },
      hoverlabel: { bgcolor: css("panel"), bordercolor: css("line"), font: { color: css("ink"), size: 12 }, align: "left" },
      height: height + (below && !given.legendbelow ? 24 * Math.ceil(entries / 2) : 0),
      width,
      dragmode: figure.zoom ? "zoom" : false,
    };
    delete layout.legendbelow;
    layout.legend = below
      ? { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 11 }, tracegroupgap: 0 }
      : { x: 1.01, y: 1, yanchor: "top", font: { size: 11 }, tracegroupgap: 0 };
    if (figure.tops) layout.yaxis.range = [0, figure.tops[state]];
    if (width < 250) layout.xaxis.tickfont = { size: 9 };
    return layout;
  }

  function draw(id) {
    const place = document.getElementById(id);
    const figure = figures[id];
    const paper = root.classList.contains("printing");
    const onCard = place.closest(".card") !== null;
    const width = paper ? (onCard ? PAPER.card : PAPER.page) : place.clientWidth;
    const height = paper && onCard ? figure.height * PAPER.shrink : figure.height;
    const traces = tracesOf(figure);
    drawn.add(id);
    if (!traces) {
      Plotly.purge(place);
      place.textContent = "No temperature was recorded, so there is nothing after scaling.";
      place.classList.add("missing");
      return;
    }
    if (place.classList.contains("missing")) {
      place.textContent = "";
      place.classList.remove("missing");
    }
    const known = traces.map(({ untold, ...trace }) => coloured(trace));
    Plotly.react(place, known, layoutOf(figure, width, height), { displayModeBar: false });
  }

  const places = [...document.querySelectorAll(".plot")];
  for (const place of places) place.style.minHeight = figures[place.id].height + "px";
  // Forty methods have eighty diagrams: each is drawn when it is about to be seen.
  const watcher = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target.id);
    }
  }, { rootMargin: "800px" });
  places.forEach(place => watcher.observe(place));
  const redraw = () => drawn.forEach(id => draw(id));

  let waiting, lastWidth = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === lastWidth) return; // phones change the height while scrolling
    lastWidth = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Paper is light, and all of it is printed, seen or not.
  let opened = [];
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    opened = [...document.querySelectorAll("details:not(.numbers):not([open])")];
    for (const details of opened) details.open = true;
    for (const place of places) draw(place.id);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    for (const details of opened) details.open = false;
    redraw();
  });

  // ---- before and after scaling
  for (const choice of document.querySelectorAll("input[name=state]")) {
    choice.addEventListener("change", () => {
      state = choice.value;
      drawn.forEach(id => figures[id].states && draw(id));
      document.querySelectorAll("details.numbers[open]").forEach(fillNumbers);
    });
    if (choice.checked) state = choice.value; // a reload keeps the choice
  }

  // ---- the numbers behind a figure, as a table
  const MOST = 2000;
  const shown = value => (typeof value === "number" ? String(value) : value ?? "–");
  const decode = text => new DOMParser().parseFromString(text, "text/html").body.textContent;

  function fillNumbers(details) {
    details.querySelectorAll("div").forEach(old => old.remove());
    for (const id of details.dataset.for.split(" ")) details.append(numbersOf(figures[id]));
  }

  function numbersOf(figure) {
    const box = document.createElement("div");
    const table = box.appendChild(document.createElement("table"));
    table.setAttribute("aria-label", "The numbers of the figure");
    const rows = [];
    for (const trace of tracesOf(figure) || []) {
      if (trace.untold) continue;
      trace.x.forEach((x, i) => {
        const name = trace.meta || trace.name || "";
        rows.push([decode(name), x, trace.y[i], ...((trace.customdata || [])[i] || [])]);
      });
    }
    const kept = figure.columns.map((name, i) => i).filter(i => figure.columns[i] !== "" || (i === 0 && several(rows)));
    const head = table.createTHead().insertRow();
    for (const i of kept) {
      const cell = head.appendChild(document.createElement("th"));
      cell.scope = "col";
      cell.textContent = figure.columns[i];
    }
    const body = table.createTBody();
    for (const row of rows.slice(0, MOST)) {
      const line = body.insertRow();
      for (const i of kept) {
        const value = row[i];
        line.insertCell().textContent = typeof value === "string" ? decode(value) : shown(value);
      }
    }
    if (rows.length > MOST) box.append(`The first ${MOST} of ${rows.length} points.`);
    return box;
  }
  const several = rows => new Set(rows.map(row => row[0])).size > 1;
  for (const details of document.querySelectorAll("details.numbers")) {
    details.addEventListener("toggle", () => details.open && fillNumbers(details));
  }
})();
