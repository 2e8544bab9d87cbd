// The gallery page: cards out of window.GALLERY (items.js), shapes fetched by script tags, so that file:// works.
// "#blind" shows one generated shape an item, numbered and without labels; "#blind=14" only the first fourteen.
(function () {
  "use strict";
  const data = window.GALLERY, page = document.getElementById("page");
  const waiting = new Map(); // shape's name → function that takes it
  ltm3d.receive = (name, packed) => waiting.get(name)(packed);
  const loaded = new Map();

  function load(name) {
    if (!loaded.has(name))
      loaded.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        waiting.set(name, resolve);
        script.onerror = () => reject(new Error(`assets/${name}.js is missing`));
        script.src = `assets/${name}.js`;
        document.head.append(script);
      }));
    return loaded.get(name);
  }

  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  function readable(value) {
    if (value === null) return "–";
    if (typeof value !== "number" || Number.isInteger(value)) return String(value);
    return Math.abs(value) >= 1000 ? Math.round(value).toString() : String(Number(value.toPrecision(3)));
  }

  // --- shapes that turn --------------------------------------------------------------------------------------------
  let small = null, smallOwner = null, large = null, noWebGL = false;

  function stageOn(canvas) {
    if (noWebGL) return null;
    try {
      return ltm3d.createStage(canvas);
    } catch (error) {
      noWebGL = true; // the strip of pictures turns instead
      return null;
    }
  }

  async function turn(tile, shape) {
    smallOwner = tile;
    tile.classList.add("turning");
    if (!small) {
      const canvas = document.createElement("canvas"), stage = stageOn(canvas);
      if (!stage) return;
      small = { canvas, stage };
    }
    const packed = await load(shape.name);
    if (smallOwner !== tile) return;
    tile.append(small.canvas);
    small.stage.show([{ element: tile, object: ltm3d.toObject(packed) }], shape.magnify);
    tile.classList.add("live");
  }

  function rest(tile) {
    tile.classList.remove("turning", "live");
    if (smallOwner !== tile) return;
    smallOwner = null;
    if (!small) return;
    small.stage.stop();
    small.canvas.remove();
  }

  const dialog = document.getElementById("large"), panes = document.getElementById("large-panes");
  dialog.querySelector("button").onclick = () => dialog.close();
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.addEventListener("close", () => large && large.stop());

  async function enlarge(shapes, words) {
    panes.replaceChildren();
    dialog.querySelector("p").textContent = words;
    dialog.showModal();
    large = large || stageOn(dialog.querySelector("canvas"));
    const columns = Math.min(shapes.length, shapes.length > 3 ? Math.ceil(shapes.length / 2) : shapes.length);
    panes.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const boxes = shapes.map((shape) => {
      const box = make("div", "", make("span", "", shape.label));
      panes.append(box);
      if (large) large.turnBy(box);
      else box.append(sprite(shape.name, 0));
      return box;
    });
    if (!large) return;
    const packed = await Promise.all(shapes.map((shape) => load(shape.name)));
    if (dialog.open) large.show(packed.map((mesh, i) => ({ element: boxes[i], object: ltm3d.toObject(mesh) })), shapes[0].magnify);
  }

  // --- cards -------------------------------------------------------------------------------------------------------
  function sprite(name, frame) {
    const picture = document.createElement("img");
    picture.src = `assets/${name}.png`;
    picture.loading = "lazy";
    picture.alt = "";
    picture.style.transform = `translateX(-${(100 * frame) / data.frames}%)`;
    return make("div", "sprite", picture);
  }

  function shapeTile(shape, onClick, frame = 0) {
    if (shape.missing) return make("div", "tile missing", "no surface");
    const tile = make("button", "tile", sprite(shape.name, frame));
    tile.type = "button";
    tile.style.setProperty("--frames", data.frames);
    tile.dataset.shape = shape.name;
    tile.setAttribute("aria-label", shape.label + ", enlarge");
    let timer = 0;
    tile.addEventListener("pointerenter", () => (timer = setTimeout(() => turn(tile, shape), 120)));
    tile.addEventListener("pointerleave", () => (clearTimeout(timer), rest(tile)));
    tile.addEventListener("click", onClick);
    return tile;
  }

  function promptTile(item) {
    const parts = [];
    if (item.prompt_image) {
      const picture = document.createElement("img");
      picture.src = item.prompt_image;
      picture.alt = item.caption;
      picture.loading = "lazy";
      parts.push(make("figure", "", make("div", "tile photo", picture), make("figcaption", "", "prompt: image")));
    }
    if (item.prompt_text)
      parts.push(make("figure", "", make("div", "tile words", `“${item.prompt_text}”`), make("figcaption", "", "prompt: text")));
    return parts;
  }

  function card(item) {
    const shapes = [{ name: item.truth, magnify: item.magnify, label: "true shape" }].concat(
      item.samples.map((name, i) => ({ name, magnify: item.magnify, missing: !name, label: item.samples.length > 1 ? `generated, seed ${i}` : "generated" })));
    const open = () => enlarge(shapes.filter((shape) => !shape.missing), item.caption || item.category);
    const row = make("div", "row", ...promptTile(item));
    shapes.forEach((shape, i) =>
      row.append(make("figure", i ? "made" : "", shapeTile(shape, open), make("figcaption", "", shape.label))));
    const title = make("header", "", make("h2", "", item.category || item.uid));
    title.append(make("span", "", item.prompt_text ? "" : item.caption), make("code", "", item.uid));
    const figures = make("dl", "figures");
    for (const [name, value] of Object.entries(item.figures))
      figures.append(make("div", "", make("dt", "", name.replaceAll("_", " ")), make("dd", "", readable(value))));
    const article = make("article", "item", title, row, figures);
    Object.assign(article.dataset, { category: item.category, kind: item.prompt_kind });
    return article;
  }

  function table(rows) {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const head = make("tr", "", ...names.map((name) => make("th", "", name.replaceAll("_", " "))));
    const body = rows.map((row) => make("tr", "", ...names.map((name) => make("td", "", readable(row[name] ?? null)))));
    return make("div", "summary", make("table", "", make("thead", "", head), make("tbody", "", ...body)));
  }

  function chips() {
    const chosen = { category: "", kind: "" }, bar = make("nav", "chips");
    const apply = () => {
      for (const article of document.querySelectorAll(".item"))
        article.hidden = Object.entries(chosen).some(([key, value]) => value && article.dataset[key] !== value);
      for (const button of bar.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(chosen[button.dataset.key] === button.dataset.value));
    };
    const group = (key, values) => {
      for (const value of ["", ...values]) {
        const button = make("button", "", value || (key === "kind" ? "any prompt" : "all"));
        Object.assign(button.dataset, { key, value });
        button.type = "button";
        button.onclick = () => ((chosen[key] = value), apply());
        bar.append(button);
      }
    };
    const distinct = (key) => [...new Set(data.items.map((item) => item[key]))].filter(Boolean).sort();
    const [categories, kinds] = [distinct("category"), distinct("prompt_kind")];
    if (categories.length > 1) group("category", categories);
    if (categories.length > 1 && kinds.length > 1) bar.append(make("span", "gap"));
    if (kinds.length > 1) group("kind", kinds);
    apply();
    return bar;
  }

  function head(title, words) {
    const button = make("button", "theme", "◐");
    button.type = "button";
    button.title = "light or dark";
    button.onclick = () => {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
    };
    return make("div", "head", make("div", "", make("h1", "", title), make("p", "", words)), button);
  }

  function showAll() {
    page.append(head(data.title, data.subtitle));
    if (data.summary.length) page.append(table(data.summary));
    page.append(chips(), ...data.items.map(card));
  }

  function showBlind(count) {
    const items = data.blind.slice(0, count || data.blind.length).map((index) => data.items[index]);
    page.append(head("What is each of these?", `${items.length} generated shapes, without labels.`));
    const grid = make("div", "blind");
    const cells = items.map((item, i) => {
      const shape = { name: item.samples[0], magnify: item.magnify, missing: !item.samples[0], label: `shape ${i + 1}` };
      const open = () => enlarge([shape], shape.label);
      const cell = make("figure", "", make("span", "number", i + 1), shapeTile(shape, open));
      const frames = [2, 4, 6].map((eighth) => Math.floor((eighth * data.frames) / 8));
      if (!shape.missing) cell.append(make("div", "sides", ...frames.map((frame) => make("div", "tile", sprite(shape.name, frame)))));
      return cell;
    });
    grid.append(...cells);
    const button = make("button", "plain", "Show the answers");
    button.onclick = () => {
      button.remove();
      items.forEach((item, i) => cells[i].append(make("figcaption", "", item.category || item.caption)));
    };
    page.append(grid, button);
  }

  function route() {
    page.replaceChildren();
    const blind = /^#blind(?:=(\d+))?$/.exec(location.hash);
    if (blind) showBlind(Number(blind[1] || 0));
    else showAll();
  }

  addEventListener("hashchange", route);
  route();
})();
