// Shapes that spin: one renderer for several panes, turning by hand and by keys, or for any number of tiles.
// Needs the globals THREE and ltm3d (shapes.js). No network, no storage.
(function () {
  "use strict";
  const SPIN = 0.7; // radians a second
  const PATIENCE_MS = 12; // of a frame that tiles may take; those that are left come in the next
  const LOOK = ltm3d.LOOK;
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const START = { yaw: radians(LOOK.azimuth), pitch: radians(LOOK.elevation) };

  function lights(camera) {
    const headlight = new THREE.DirectionalLight(0xffffff, LOOK.headlight);
    headlight.position.set(...LOOK.key_direction);
    camera.add(headlight, headlight.target);
    return new THREE.HemisphereLight(0xffffff, new THREE.Color().setScalar(LOOK.ground), LOOK.sky);
  }

  function release(object) {
    object.geometry.dispose();
    object.material.dispose();
  }

  // A canvas with the project's camera and light. `draw` puts an object into a part of it, in the canvas's own pixels
  // over `ratio`.
  function createDrawer(canvas) {
    const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    renderer.outputEncoding = THREE.sRGBEncoding;
    renderer.setClearColor(0x000000, 0);
    const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(LOOK.field_of_view, 1, 0.1, 50);
    scene.add(camera, lights(camera));

    function look(yaw, pitch, zoom) {
      const far = LOOK.distance * zoom;
      camera.position.set(far * Math.cos(pitch) * Math.sin(yaw), far * Math.sin(pitch), far * Math.cos(pitch) * Math.cos(yaw));
      camera.lookAt(0, 0, 0);
    }

    function draw(object, magnify, left, bottom, width, height) {
      camera.aspect = width / height;
      // The field of view holds for the shorter side, so a narrow pane does not cut the shape.
      const half = Math.tan(radians(LOOK.field_of_view) / 2) / Math.min(1, camera.aspect);
      camera.fov = (Math.atan(half) * 360) / Math.PI;
      camera.zoom = magnify;
      camera.updateProjectionMatrix();
      camera.updateMatrixWorld();
      renderer.setViewport(left, bottom, width, height);
      renderer.setScissor(left, bottom, width, height);
      const ratio = renderer.getPixelRatio();
      if (object.prepare) object.prepare(camera, width * ratio, height * ratio);
      scene.add(object);
      renderer.render(scene, camera);
      scene.remove(object);
    }

    return { renderer, look, draw };
  }

  // One canvas over several panes; each pane = {element, object}: the object is drawn where the element stands.
  function createStage(canvas) {
    const { renderer, look, draw: drawObject } = createDrawer(canvas);
    let panes = [], fit = 1, request = 0, last = 0, yaw = START.yaw, pitch = START.pitch, zoom = 1, spinning = true, held = null;

    function turn(byYaw, byPitch) {
      yaw += byYaw;
      pitch = Math.max(-1.45, Math.min(1.45, pitch + byPitch));
    }

    function scale(factor) {
      zoom = Math.max(0.4, Math.min(2.5, zoom * factor));
    }

    function draw(now) {
      request = requestAnimationFrame(draw);
      if (spinning && !held) yaw += SPIN * Math.min(0.1, (now - last) / 1000);
      last = now;
      const frame = canvas.getBoundingClientRect();
      if (!frame.width || !frame.height) return;
      const ratio = Math.min(2, window.devicePixelRatio || 1);
      if (canvas.width !== Math.floor(frame.width * ratio) || canvas.height !== Math.floor(frame.height * ratio)) {
        renderer.setPixelRatio(ratio);
        renderer.setSize(frame.width, frame.height, false);
      }
      look(yaw, pitch, zoom);
      renderer.setScissorTest(false);
      renderer.clear();
      renderer.setScissorTest(true);
      for (const pane of panes) {
        const box = pane.element.getBoundingClientRect();
        if (box.width > 0 && box.height > 0) drawObject(pane.object, fit, box.left - frame.left, frame.bottom - box.bottom, box.width, box.height);
      }
      canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
    }

    function turnBy(element) {
      element.addEventListener("pointerdown", (event) => {
        held = { x: event.clientX, y: event.clientY };
        element.setPointerCapture(event.pointerId);
      });
      element.addEventListener("pointermove", (event) => {
        if (!held) return;
        turn((held.x - event.clientX) * 0.01, (event.clientY - held.y) * 0.01);
        held = { x: event.clientX, y: event.clientY };
      });
      for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => (held = null));
      element.addEventListener("dblclick", () => (spinning = !spinning));
      element.addEventListener("wheel", (event) => {
        event.preventDefault();
        scale(Math.exp(event.deltaY * 0.001));
      }, { passive: false });
    }

    // Arrows turn, + and - zoom, the space bar stops and starts; for addEventListener("keydown", …).
    function press(event) {
      const keys = {
        ArrowLeft: () => turn(-0.12, 0), ArrowRight: () => turn(0.12, 0), ArrowUp: () => turn(0, 0.1), ArrowDown: () => turn(0, -0.1),
        "+": () => scale(0.9), "=": () => scale(0.9), "-": () => scale(1.1), " ": () => (spinning = !spinning),
      };
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === " " && event.target.closest && event.target.closest("button")) return; // presses the button
      event.preventDefault();
      keys[event.key]();
    }

    function stop() {
      cancelAnimationFrame(request);
      request = 0;
      for (const pane of panes) release(pane.object);
      panes = [];
    }

    // `magnify` as the page's maker found it: the largest at which no shape leaves the picture while it turns.
    function show(shown, magnify) {
      stop();
      panes = shown;
      fit = magnify;
      [yaw, pitch, zoom, spinning, held] = [START.yaw, START.pitch, 1, true, null];
      last = performance.now();
      request = requestAnimationFrame(draw);
    }

    return { show, stop, turnBy, press };
  }

  // Any number of tiles with one WebGL context: each is drawn in turn and copied to the tile's own plain canvas.
  function createTurntable() {
    const canvas = document.createElement("canvas"), drawer = createDrawer(canvas);
    drawer.renderer.setScissorTest(true);
    let tiles = [], left = 0, request = 0, last = 0, yaw = START.yaw; // `left`: tiles that this turn is still to show
    let paused = false;

    function drawTile(tile) {
      const box = tile.canvas.getBoundingClientRect(), ratio = Math.min(2, window.devicePixelRatio || 1);
      const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
      if (!width || !height) return;
      if (canvas.width < width || canvas.height < height)
        drawer.renderer.setSize(Math.max(canvas.width, width), Math.max(canvas.height, height), false);
      if (tile.canvas.width !== width || tile.canvas.height !== height) Object.assign(tile.canvas, { width, height });
      drawer.draw(tile.object, tile.magnify, 0, 0, width, height);
      const plain = tile.canvas.getContext("2d");
      plain.clearRect(0, 0, width, height);
      plain.drawImage(canvas, 0, canvas.height - height, width, height, 0, 0, width, height);
      tile.canvas.dataset.frames = Number(tile.canvas.dataset.frames || 0) + 1;
      if (tile.onFirst) tile.onFirst();
      tile.onFirst = null;
    }

    // The shapes turn on together, once each of them has been drawn: however long that takes, they look the same way.
    function draw(now) {
      request = requestAnimationFrame(draw);
      if (left <= 0) {
        yaw += SPIN * Math.min(0.25, (now - last) / 1000);
        last = now;
        left = tiles.length;
      }
      drawer.look(yaw, START.pitch, 1);
      const start = performance.now();
      do {
        const tile = tiles.shift();
        tiles.push(tile);
        drawTile(tile);
      } while (--left > 0 && performance.now() - start < PATIENCE_MS);
    }

    function go() {
      if (!request && tiles.length && !paused) {
        [last, left] = [performance.now(), 1]; // the first frame is as the still pictures
        request = requestAnimationFrame(draw);
      }
    }

    // A tile is {canvas, object, magnify, onFirst}; the object is the turntable's until `remove`. `onFirst` is called
    // when the tile has been drawn once.
    function add(tile) {
      if (!tiles.length) yaw = START.yaw;
      tiles.unshift(tile);
      left++;
      go();
    }

    function remove(tile) {
      if (!tiles.includes(tile)) return;
      tiles = tiles.filter((other) => other !== tile);
      release(tile.object);
      if (!tiles.length) halt();
    }

    function halt() {
      cancelAnimationFrame(request);
      request = 0;
    }

    // While something else is looked at.
    function pause(on) {
      paused = on;
      if (on) halt();
      else go();
    }

    return { add, remove, pause };
  }

  Object.assign(ltm3d, { createStage, createTurntable });
})();
