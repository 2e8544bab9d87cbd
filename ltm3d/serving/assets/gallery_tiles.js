// Parts of the gallery page: elements, shapes on demand, tiles that turn, and the large view.
// Needs ltm3d (shapes.js, viewer.js) and window.GALLERY; gives ltm3d.page.
(function () {
  "use strict";
  const data = window.GALLERY, waiting = new Map(), loaded = new Map(); // of shapes by name
  const inside = { shapes: window.GALLERY_SHAPES || {}, pictures: window.GALLERY_PICTURES || {} }; // of the single file
  ltm3d.receive = (name, text) => waiting.get(name)(text);

  // A shape's text: out of the page, or by a script tag, so that file:// works.
  function load(name) {
    if (inside.shapes[name]) return Promise.resolve(inside.shapes[name]);
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

  const unpack = async (name) => ltm3d.toObject(await ltm3d.unsqueeze(await load(name)));
  const picturePath = (path) => inside.pictures[path] || path;

  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  function button(className, words, press) {
    const element = make("button", className, words);
    element.type = "button";
    element.addEventListener("click", press);
    return element;
  }

  function readable(value) {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number" || Number.isInteger(value)) return String(value);
    return Math.abs(value) >= 1000 ? Math.round(value).toString() : String(Number(value.toPrecision(3)));
  }

  const words = (name) => name.replaceAll("_", " ");

  // --- shapes that turn: all tiles that are seen, or only the one that is pointed at -------------------------------
  const seen = new Set(); // tiles on the screen
  const live = new Map(); // tile → {canvas, object, magnify}, or null while it is loaded
  let table = null, noWebGL = false, turning = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  function turntable() {
    if (noWebGL) return null;
    try {
      return (table = table || ltm3d.createTurntable());
    } catch (error) {
      noWebGL = true; // the strips of pictures turn instead
      document.body.classList.add("no-webgl");
      return null;
    }
  }

  async function turn(tile) {
    if (live.has(tile)) return;
    tile.classList.add("turning");
    if (!turntable()) return;
    live.set(tile, null);
    const name = tile.shape.name, object = await unpack(name);
    if (!live.has(tile) || tile.shape.name !== name) {
      object.geometry.dispose();
      object.material.dispose();
      if (live.get(tile) === null) { live.delete(tile); turn(tile); } // it shows another shape by now
      return;
    }
    const canvas = make("canvas", "");
    tile.append(canvas);
    live.set(tile, { canvas, object, magnify: tile.shape.magnify, onFirst: () => tile.classList.add("live") });
    table.add(live.get(tile));
  }

  function rest(tile) {
    tile.classList.remove("turning", "live");
    const shown = live.get(tile);
    live.delete(tile);
    if (!shown) return;
    table.remove(shown);
    shown.canvas.remove();
  }

  let queue = Promise.resolve();
  const wanted = (tile) => seen.has(tile) && (turning || tile.matches(":hover, :focus-visible"));
  const settle = (tile) => {
    if (!wanted(tile)) return rest(tile);
    queue = queue.then(() => (wanted(tile) ? turn(tile) : null)).catch((error) => console.error(error.message))
      .then(() => new Promise((resolve) => setTimeout(resolve, 0))); // one after the other: the page stays at hand
  };
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      seen[isIntersecting ? "add" : "delete"](target);
      settle(target);
    }
  }, { rootMargin: "60px" });

  function setTurning(on) {
    turning = on;
    for (const tile of seen) settle(tile);
  }

  function sprite(shape, frame) {
    const picture = document.createElement("img");
    picture.src = picturePath(`assets/${shape.name}.webp`);
    picture.loading = "lazy";
    picture.alt = "";
    picture.style.transform = `translateX(-${(100 * frame) / data.frames}%)`;
    const box = make("div", "sprite", picture);
    if (shape.drawn && shape.drawn !== shape.magnify) box.style.transform = `scale(${shape.magnify / shape.drawn})`;
    return box;
  }

  // A shape is {name, label, magnify, drawn}: `drawn` is the magnification of its pictures, where that is another.
  function shapeTile(shape, onClick, frame = 0) {
    if (!shape.name) return make("div", "tile missing", "no surface");
    const tile = button("tile", sprite(shape, frame), onClick);
    tile.shape = shape;
    tile.style.setProperty("--frames", data.frames);
    tile.dataset.shape = shape.name;
    tile.setAttribute("aria-label", shape.label + ", enlarge");
    for (const name of ["pointerenter", "pointerleave", "focus", "blur"]) tile.addEventListener(name, () => setTimeout(() => settle(tile), 60));
    observer.observe(tile);
    return tile;
  }

  // Let a tile show another shape, as the slider does.
  function replaceShape(tile, shape) {
    if (tile.shape.name === shape.name) return;
    tile.shape = shape;
    tile.dataset.shape = shape.name;
    tile.querySelector(".sprite").replaceWith(sprite(shape, 0));
    rest(tile);
    settle(tile);
  }

  // --- the large view ----------------------------------------------------------------------------------------------
  const dialog = document.getElementById("large"), panes = document.getElementById("large-panes");
  let large = null;
  dialog.querySelector("button").onclick = () => dialog.close();
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.addEventListener("close", () => {
    if (large) large.stop();
    if (table) table.pause(false);
  });
  dialog.addEventListener("keydown", (event) => large && large.press(event));

  function largeStage() {
    if (large || noWebGL) return large;
    try {
      return (large = ltm3d.createStage(dialog.querySelector("canvas")));
    } catch (error) {
      noWebGL = true;
      return null;
    }
  }

  async function enlarge(shapes, words) {
    panes.replaceChildren();
    dialog.querySelector("p").textContent = words;
    dialog.showModal();
    panes.focus({ preventScroll: true });
    if (table) table.pause(true);
    const stage = largeStage();
    const columns = shapes.length > 3 ? Math.ceil(shapes.length / Math.ceil(shapes.length / 4)) : shapes.length;
    panes.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const boxes = shapes.map((shape) => {
      const box = make("div", "", make("span", "", shape.label));
      panes.append(box);
      if (stage) stage.turnBy(box);
      else box.append(sprite(shape, 0));
      return box;
    });
    if (!stage) return;
    const objects = await Promise.all(shapes.map((shape) => unpack(shape.name)));
    if (dialog.open) stage.show(objects.map((object, i) => ({ element: boxes[i], object })), shapes[0].magnify);
  }

  ltm3d.page = { data, make, button, readable, words, picturePath, shapeTile, replaceShape, sprite, enlarge, setTurning, isTurning: () => turning };
})();
