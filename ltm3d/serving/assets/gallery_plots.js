// Parts of the gallery page: the table of metrics, bars with their intervals, and training curves, as SVG.
(function () {
  "use strict";
  const { make, readable, words } = ltm3d.page;
  const WIDTH = 380, HEIGHT = 210, LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 26;

  function svg(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  const isInterval = (name, names) => /_(low|high)$/.test(name) && names.includes(name.replace(/_(low|high)$/, ""));

  function table(rows) {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const shown = names.filter((name) => !isInterval(name, names));
    const head = make("tr", "", ...shown.map((name) => make("th", "", words(name))));
    const body = rows.map((row) => make("tr", "", ...shown.map((name) => {
      const value = row[name];
      const cell = make("td", typeof value === "number" ? "number" : "", typeof value === "string" ? words(value) : readable(value));
      const [low, high] = [row[`${name}_low`], row[`${name}_high`]];
      if (typeof low === "number" && typeof high === "number") cell.append(make("small", "", ` ${readable(low)}–${readable(high)}`));
      return cell;
    })));
    shown.forEach((name, i) => head.children[i].classList.toggle("number", rows.some((row) => typeof row[name] === "number")));
    return make("div", "summary", make("table", "", make("thead", "", head), make("tbody", "", ...body)));
  }

  // --- bars --------------------------------------------------------------------------------------------------------
  function bars(rows) {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const metrics = names.filter((name) => names.includes(`${name}_low`) && names.includes(`${name}_high`));
    return metrics.map((metric) => barChart(metric, rows.filter((row) => typeof row[metric] === "number")));
  }

  function label(row) {
    return [row.version, row.prompt === "none" ? "" : row.prompt, row.grid, words(row.method || "")].filter(Boolean).join(" · ");
  }

  function barChart(metric, rows) {
    const longest = Math.max(1e-12, ...rows.map((row) => Math.max(row[metric], row[`${metric}_high`] || 0)));
    const lower = ltm3d.page.data.lower_is_better.some((start) => metric.startsWith(start));
    const list = make("div", rows.some((row) => row.version) ? "bars long" : "bars");
    for (const row of rows) {
      const [value, low, high] = [row[metric], row[`${metric}_low`], row[`${metric}_high`]];
      const bar = make("span", "bar", make("i", ""), make("b", ""));
      bar.firstChild.style.width = `${(100 * value) / longest}%`;
      Object.assign(bar.lastChild.style, { left: `${(100 * low) / longest}%`, width: `${(100 * (high - low)) / longest}%` });
      const line = make("div", row.method === "generated" || row.method === "round_trip" ? "own" : "", make("span", "name", label(row)), bar, make("span", "value", readable(value)));
      line.title = `${label(row)}: ${readable(value)}, 95 % interval ${readable(low)} to ${readable(high)}`;
      list.append(line);
    }
    return make("figure", "plot", make("figcaption", "", make("strong", "", words(metric)), ` ${lower ? "lower" : "higher"} is better`), list);
  }

  // --- curves ------------------------------------------------------------------------------------------------------
  function curve({ name, rows }) {
    const series = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => key !== "step" && rows.some((row) => typeof row[key] === "number"));
    const values = series.flatMap((key) => rows.map((row) => row[key])).filter((value) => typeof value === "number");
    const steps = rows.map((row) => row.step);
    const [first, last, low, high] = [Math.min(...steps), Math.max(...steps), Math.min(...values), Math.max(...values)];
    const isLog = low > 0 && high / low > 8;
    const scale = isLog ? Math.log10 : (value) => value;
    const [bottom, top] = [scale(low), scale(high) === scale(low) ? scale(low) + 1 : scale(high)];
    const x = (step) => LEFT + ((step - first) / Math.max(1, last - first)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - ((scale(value) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name}: from ${readable(rows[0][series[0]])} to ${readable(rows[rows.length - 1][series[0]])} in ${last} steps` });
    for (let i = 0; i < 4; i++) {
      const value = isLog ? Math.pow(10, bottom + ((top - bottom) * i) / 3) : bottom + ((top - bottom) * i) / 3;
      picture.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" }, String(Number(value.toPrecision(2)))));
    }
    for (const step of [first, last])
      picture.append(svg("text", { x: x(step), y: HEIGHT - 8, "text-anchor": step === first ? "start" : "end" }, step === last ? `step ${step}` : step));
    series.forEach((key, i) => {
      const points = rows.filter((row) => typeof row[key] === "number").map((row) => `${x(row.step).toFixed(1)},${y(row[key]).toFixed(1)}`);
      picture.append(svg("polyline", { class: `line line${i % 4}`, points: points.join(" ") }));
    });
    const readout = make("span", "readout", series.map((key) => words(key)).join(", ") + (isLog ? ", logarithmic" : ""));
    const rest = readout.textContent, mark = svg("line", { class: "mark", y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9 });
    picture.append(mark);
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * WIDTH;
      const row = rows.reduce((best, each) => (Math.abs(x(each.step) - at) < Math.abs(x(best.step) - at) ? each : best));
      mark.setAttribute("x1", x(row.step));
      mark.setAttribute("x2", x(row.step));
      readout.textContent = `step ${row.step}: ` + series.map((key) => `${series.length > 1 ? words(key) + " " : ""}${readable(row[key])}`).join(", ");
    });
    picture.addEventListener("pointerleave", () => {
      mark.setAttribute("x1", -9);
      mark.setAttribute("x2", -9);
      readout.textContent = rest;
    });
    return make("figure", "plot", make("figcaption", "", make("strong", "", words(name)), " ", readout), picture);
  }

  ltm3d.page.table = table;
  ltm3d.page.plots = (rows, curves) => [...bars(rows), ...curves.filter(({ rows }) => rows.length).map(curve)];
})();
