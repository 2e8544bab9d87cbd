// Part of the gallery page: how one shape was generated, with a slider over the steps.
(function () {
  "use strict";
  const { data, make, button, words, picturePath, shapeTile, replaceShape, enlarge } = ltm3d.page;
  const PLAY_MS = 450;

  function panel(process) {
    const item = data.items[process.item], numSteps = process.steps.length - 1, numTokens = process.known_at.length;
    const shapes = process.steps.map((name, step) => ({ name, magnify: item.magnify, label: stepWords(step) }));
    const firstSeen = shapes.find((shape) => shape.name);
    if (!firstSeen) return null;
    const tile = shapeTile(firstSeen, () => enlarge([tile.shape, { name: item.truth, magnify: item.magnify, drawn: item.truth_drawn, label: data.words.truth }], item.caption || item.category));
    const cells = process.known_at.map(() => make("i", "")), readout = make("output", "");
    const grid = make("div", "tokens", ...cells);
    grid.style.setProperty("--columns", Math.ceil(Math.sqrt(numTokens * 1.6)));
    const slider = make("input", "");
    Object.assign(slider, { type: "range", min: 0, max: numSteps, step: 1, value: numSteps });
    slider.setAttribute("aria-label", `step of ${words(item.category || item.uid)}`);
    const play = button("play", "▶", toggle);
    play.setAttribute("aria-label", "play the steps");
    let timer = 0;

    function numKnown(step) {
      return process.known_at.filter((at) => at <= step).length;
    }

    function stepWords(step) {
      return step ? `step ${step} of ${numSteps}: ${numKnown(step)} of ${numTokens} tokens known` : `before step 1: LTR's guess`;
    }

    function show() {
      const step = Number(slider.value), shape = shapes[step];
      cells.forEach((cell, i) => (cell.className = process.known_at[i] > step ? "" : process.known_at[i] === step ? "new" : "known"));
      readout.textContent = stepWords(step) + (shape.name ? "" : " (they hold no surface yet)");
      slider.setAttribute("aria-valuetext", readout.textContent);
      if (shape.name) replaceShape(tile, shape);
      tile.classList.toggle("faint", !shape.name);
    }

    function toggle() {
      if (timer) return stop();
      if (Number(slider.value) === numSteps) slider.value = 0;
      show();
      play.textContent = "❚❚";
      timer = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (Number(slider.value) === numSteps) stop();
      }, PLAY_MS);
    }

    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "▶";
    }

    slider.addEventListener("input", show);
    show();
    const version = data.versions[process.version];
    const head = make("header", "", make("h3", "", item.category || item.uid), make("span", "", item.prompt_text || item.caption));
    if (version) head.prepend(make("em", "version", version));
    const prompt = make("div", "prompt");
    if (item.prompt_image) {
      const picture = make("img", "");
      Object.assign(picture, { src: picturePath(item.prompt_image), alt: "prompt" });
      prompt.append(picture);
    }
    prompt.append(grid);
    return make("article", "process", head, make("div", "stage", prompt, tile), make("div", "controls", play, slider), readout);
  }

  ltm3d.page.processes = () => data.processes.map(panel).filter(Boolean);
})();
