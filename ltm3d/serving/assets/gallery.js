// The gallery page: cards out of window.GALLERY, with filters and an order.
// "#blind" shows one generated shape an item, numbered and without labels; "#blind=14" only the first fourteen.
(function () {
  "use strict";
  const { data, make, button, readable, words, picturePath, shapeTile, sprite, enlarge } = ltm3d.page;
  const page = document.getElementById("page");
  const lowerIsBetter = (metric) => data.lower_is_better.some((start) => metric.startsWith(start));

  function promptTile(item) {
    const parts = [];
    if (item.prompt_image) {
      const picture = document.createElement("img");
      Object.assign(picture, { src: picturePath(item.prompt_image), alt: item.caption, loading: "lazy" });
      parts.push(make("figure", "", make("div", "tile photo", picture), make("figcaption", "", "prompt: image")));
    }
    if (item.prompt_text)
      parts.push(make("figure", "", make("div", "tile words", `“${item.prompt_text}”`), make("figcaption", "", "prompt: text")));
    return parts;
  }

  // The shapes of an item: the true one, and of each version its samples.
  function shapesOf(item) {
    const [truth, made] = [data.words.truth, data.words.sample];
    const shapes = [{ name: item.truth, magnify: item.magnify, drawn: item.truth_drawn, label: truth }];
    for (const result of item.results)
      result.samples.forEach((name, i) => {
        const seed = result.samples.length > 1 ? `, seed ${i}` : "";
        const version = data.versions[result.version];
        shapes.push({
          name, magnify: item.magnify, drawn: result.drawn, isMade: true, version: result.version,
          label: `${version ? version + ": " : ""}${made}${seed}`, caption: `${made}${seed}`,
        });
      });
    return shapes;
  }

  function metricList(result, first) {
    const list = make("dl", "metrics");
    for (const [name, value] of Object.entries(result.metrics)) {
      const entry = make("div", "", make("dt", "", words(name)), make("dd", "", readable(value)));
      const base = first.metrics[name];
      if (first !== result && typeof value === "number" && typeof base === "number" && value !== base)
        entry.append(make("dd", value < base === lowerIsBetter(name) ? "better" : "worse", (value > base ? "+" : "−") + readable(Math.abs(value - base))));
      list.append(entry);
    }
    return list;
  }

  function card(item) {
    const shapes = shapesOf(item);
    const open = () => enlarge(shapes.filter((shape) => shape.name), item.caption || item.category);
    const tile = (shape) => make("figure", shape.isMade ? "made" : "", shapeTile(shape, open), make("figcaption", "", shape.caption || shape.label));
    const article = make("article", "item");
    const title = make("header", "", make("h2", "", item.category || item.uid));
    title.append(make("span", "", item.prompt_text ? "" : item.caption), make("code", "", item.uid));
    article.append(title);
    const given = [...promptTile(item), tile(shapes[0])];
    if (data.versions.length > 1) {
      const most = Math.max(...item.results.map((result) => result.samples.length));
      const columns = item.results.map((result) => {
        const row = make("div", "row", ...shapes.filter((shape) => shape.version === result.version).map(tile));
        row.style.gridTemplateColumns = `repeat(${most}, minmax(0, 1fr))`;
        return make("section", "side", make("em", "version", data.versions[result.version]), row, metricList(result, item.results[0]));
      });
      article.append(make("div", "sides-by", make("div", "row given", ...given), ...columns));
    } else {
      article.append(make("div", "row", ...given, ...shapes.slice(1).map(tile)), ...item.results.map((result) => metricList(result, result)));
    }
    Object.assign(article.dataset, { category: item.category, kind: item.prompt_kind });
    return article;
  }

  // --- filters and order -------------------------------------------------------------------------------------------
  function chips(cards) {
    const chosen = { category: "", kind: "" }, bar = make("div", "chips"), count = make("output", "count");
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "filters");
    const apply = () => {
      for (const article of cards)
        article.hidden = Object.entries(chosen).some(([key, value]) => value && article.dataset[key] !== value);
      for (const each of bar.querySelectorAll("button"))
        each.setAttribute("aria-pressed", String(chosen[each.dataset.key] === each.dataset.value));
      const shown = cards.filter((article) => !article.hidden).length;
      count.textContent = shown < cards.length ? `${shown} of ${cards.length} shown` : `${shown} shown`;
    };
    const group = (key, values) => {
      for (const value of ["", ...values]) {
        const each = button("", value || (key === "kind" ? "any prompt" : "all"), () => ((chosen[key] = value), apply()));
        Object.assign(each.dataset, { key, value });
        bar.append(each);
      }
    };
    const distinct = (key) => [...new Set(data.items.map((item) => item[key]))].filter(Boolean).sort();
    const [categories, kinds] = [distinct("category"), distinct("prompt_kind")];
    if (categories.length > 1) group("category", categories);
    if (categories.length > 1 && kinds.length > 1) bar.append(make("span", "gap"));
    if (kinds.length > 1) group("kind", kinds);
    apply();
    bar.append(count);
    return bar;
  }

  function ordering(cards) {
    const names = [...new Set(data.items.flatMap((item) => item.results.flatMap((result) => Object.keys(result.metrics))))]
      .filter((name) => data.items.some((item) => item.results.some((result) => typeof result.metrics[name] === "number")));
    if (!names.length || cards.length < 2) return [];
    const select = make("select", "");
    select.setAttribute("aria-label", "order");
    const choices = { "as listed": null };
    for (const name of names) {
      const sign = lowerIsBetter(name) ? 1 : -1;
      const value = (result) => (result && typeof result.metrics[name] === "number" ? result.metrics[name] : null);
      const last = (item) => value(item.results[item.results.length - 1]);
      choices[`worst ${words(name)} first`] = (item) => (last(item) === null ? -Infinity : sign * last(item));
      if (data.versions.length > 1)
        choices[`most worsened ${words(name)} first`] = (item) => (last(item) === null || value(item.results[0]) === null ? -Infinity : sign * (last(item) - value(item.results[0])));
      choices[`best ${words(name)} first`] = (item) => (last(item) === null ? -Infinity : -sign * last(item));
    }
    for (const choice of Object.keys(choices)) select.append(make("option", "", choice));
    select.addEventListener("change", () => {
      const rank = choices[select.value];
      const order = cards.map((_, i) => i);
      if (rank) order.sort((a, b) => rank(data.items[b]) - rank(data.items[a]) || a - b);
      cards[0].parentNode.append(...order.map((i) => cards[i]));
    });
    return [make("label", "order", "order ", select)];
  }

  function turnButton() {
    const each = button("turn", "turn", () => {
      ltm3d.page.setTurning(!ltm3d.page.isTurning());
      each.setAttribute("aria-pressed", String(ltm3d.page.isTurning()));
    });
    each.title = "all shapes on the screen turn, or only the one that is pointed at";
    each.setAttribute("aria-pressed", String(ltm3d.page.isTurning()));
    return each;
  }

  // --- pages -------------------------------------------------------------------------------------------------------
  function head(title, text) {
    const theme = button("theme", "◐", () => {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
    });
    theme.title = "light or dark";
    theme.setAttribute("aria-label", "light or dark");
    return make("div", "head", make("div", "", make("h1", "", title), make("p", "", text)), theme);
  }

  function section(title, className, children, isOpen) {
    if (!children.length) return [];
    const box = make("details", "", make("summary", "", title), make("div", className, ...children));
    box.open = isOpen;
    return [box];
  }

  function showAll() {
    const left = data.num_left_out ? `; ${data.num_left_out} more did not fit into this file, the folder has them` : "";
    page.append(head(data.title, data.subtitle + left));
    const further = [
      ...section("Generation, step by step", "processes", ltm3d.page.processes(), true),
      ...section("Plots", "plots", ltm3d.page.plots(data.summary, data.curves), true),
      ...section("Metrics", "", data.summary.length ? [ltm3d.page.table(data.summary)] : [], data.summary.length < 8),
    ];
    if (further.length) page.append(jumps(further));
    const cards = data.items.map(card);
    page.append(make("div", "tools", chips(cards), make("div", "right", ...ordering(cards), turnButton())));
    const most = Math.max(0, ...data.items.map((item) => item.results.reduce((sum, result) => sum + result.samples.length, 1) + (item.prompt_kind === "none" ? 0 : 1)));
    page.append(make("div", most > 3 ? "items" : "items few", ...cards), ...further);
  }

  function jumps(sections) {
    const to = (box) => button("plain", box.querySelector("summary").textContent, () => {
      box.open = true;
      box.scrollIntoView({ behavior: "smooth" });
    });
    return make("nav", "jumps", ...sections.map(to));
  }

  function showBlind(count) {
    const items = data.blind.slice(0, count || data.blind.length).map((index) => data.items[index]);
    page.append(head("What is each of these?", `${items.length} generated shapes, without labels.`));
    const grid = make("div", "blind");
    const cells = items.map((item, i) => {
      const shape = { name: item.results[0].samples[0], magnify: item.magnify, drawn: item.results[0].drawn, label: `shape ${i + 1}` };
      const cell = make("figure", "", make("span", "number", i + 1), shapeTile(shape, () => enlarge([shape], shape.label)));
      const frames = data.frames > 1 ? [2, 4, 6].map((eighth) => Math.floor((eighth * data.frames) / 8)) : [];
      if (shape.name) cell.append(make("div", "sides", ...frames.map((frame) => make("div", "tile", sprite(shape, frame)))));
      return cell;
    });
    grid.append(...cells);
    const answers = button("plain", "Show the answers", () => {
      answers.remove();
      items.forEach((item, i) => cells[i].append(make("figcaption", "", item.category || item.caption)));
    });
    page.append(grid, answers);
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
