// Shapes that spin: geometry out of packed text, one renderer for several panes, turning by hand.
// Needs the global THREE; gives the global ltm3d. No network, no storage.
(function () {
  "use strict";
  const CREASE = Math.cos((40 * Math.PI) / 180); // faces that meet more sharply keep their edge
  const SPIN = 0.7; // radians a second
  // Camera and light of ltm3d/rendering, filled in by viewer.py: a shape does not jump when its picture begins to turn.
  const LOOK = "$look";
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const START = { yaw: radians(LOOK.azimuth), pitch: radians(LOOK.elevation) };

  function unpack(text, Kind) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  function toLinear(value) {
    const s = value / 255;
    return s <= 0.04045 ? s / 12.92 : Math.pow((s + 0.055) / 1.055, 2.4);
  }

  function faceNormals(positions, faces) {
    const normals = new Float32Array(faces.length); // length = twice the area
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3];
      const ux = positions[b] - positions[a], uy = positions[b + 1] - positions[a + 1], uz = positions[b + 2] - positions[a + 2];
      const vx = positions[c] - positions[a], vy = positions[c + 1] - positions[a + 1], vz = positions[c + 2] - positions[a + 2];
      normals[f] = uy * vz - uz * vy;
      normals[f + 1] = uz * vx - ux * vz;
      normals[f + 2] = ux * vy - uy * vx;
    }
    return normals;
  }

  // Faces around each vertex, end to end: vertex v owns around[start[v]] … around[start[v + 1] - 1].
  function facesAround(faces, numVertices) {
    const start = new Uint32Array(numVertices + 1);
    for (const v of faces) start[v + 1]++;
    for (let v = 0; v < numVertices; v++) start[v + 1] += start[v];
    const next = start.slice(), around = new Uint32Array(faces.length);
    for (let i = 0; i < faces.length; i++) around[next[faces[i]]++] = i - (i % 3);
    return { start, around };
  }

  // Normals that are smooth over round parts and keep edges: each corner averages the faces that bend less than CREASE.
  function cornerNormals(faces, normals, numVertices) {
    const { start, around } = facesAround(faces, numVertices);
    const lengths = new Float32Array(faces.length / 3).map((_, f) => Math.hypot(normals[3 * f], normals[3 * f + 1], normals[3 * f + 2]) || 1);
    const result = new Float32Array(faces.length * 3);
    for (let i = 0; i < faces.length; i++) {
      const own = i - (i % 3), ownLength = lengths[own / 3];
      let x = 0, y = 0, z = 0;
      for (let k = start[faces[i]]; k < start[faces[i] + 1]; k++) {
        const f = around[k];
        const dot = normals[own] * normals[f] + normals[own + 1] * normals[f + 1] + normals[own + 2] * normals[f + 2];
        if (f !== own && dot < CREASE * ownLength * lengths[f / 3]) continue;
        x += normals[f]; y += normals[f + 1]; z += normals[f + 2];
      }
      const length = Math.hypot(x, y, z) || 1;
      result.set([x / length, y / length, z / length], 3 * i);
    }
    return result;
  }

  function toObject(packed) {
    const positions = Float32Array.from(unpack(packed.positions, Int16Array), (value) => value * packed.scale);
    const faces = unpack(packed.faces, packed.wide ? Uint32Array : Uint16Array);
    const colors = packed.colors ? unpack(packed.colors, Uint8Array) : null;
    const normals = cornerNormals(faces, faceNormals(positions, faces), positions.length / 3);
    const corners = new Float32Array(faces.length * 3), shades = new Float32Array(faces.length * 3);
    for (let i = 0; i < faces.length; i++)
      for (let k = 0; k < 3; k++) {
        corners[3 * i + k] = positions[3 * faces[i] + k];
        shades[3 * i + k] = LOOK.black + (LOOK.white - LOOK.black) * toLinear(colors ? colors[3 * faces[i] + k] : LOOK.grey);
      }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(corners, 3));
    geometry.setAttribute("normal", new THREE.BufferAttribute(normals, 3));
    geometry.setAttribute("color", new THREE.BufferAttribute(shades, 3));
    const material = new THREE.MeshPhongMaterial({ vertexColors: true, side: THREE.DoubleSide, specular: 0, shininess: 0 });
    return new THREE.Mesh(geometry, material);
  }

  function lights(camera) {
    const headlight = new THREE.DirectionalLight(0xffffff, LOOK.headlight);
    headlight.position.set(...LOOK.key_direction);
    camera.add(headlight, headlight.target);
    return new THREE.HemisphereLight(0xffffff, new THREE.Color().setScalar(LOOK.ground), LOOK.sky);
  }

  // One canvas over several panes; each pane = {element, object}: the object is drawn where the element stands.
  function createStage(canvas) {
    const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    renderer.outputEncoding = THREE.sRGBEncoding;
    renderer.setClearColor(0x000000, 0);
    const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(LOOK.field_of_view, 1, 0.1, 50);
    scene.add(camera, lights(camera));
    let panes = [], fit = 1, request = 0, last = 0, yaw = START.yaw, pitch = START.pitch, zoom = 1, spinning = true, held = null;

    function place() {
      const far = LOOK.distance * zoom;
      camera.position.set(far * Math.cos(pitch) * Math.sin(yaw), far * Math.sin(pitch), far * Math.cos(pitch) * Math.cos(yaw));
      camera.lookAt(0, 0, 0);
    }

    function drawPane(pane, frame) {
      const box = pane.element.getBoundingClientRect();
      const left = box.left - frame.left, bottom = frame.bottom - box.bottom;
      if (box.width <= 0 || box.height <= 0) return;
      camera.aspect = box.width / box.height;
      // The field of view holds for the shorter side, so a narrow pane does not cut the shape.
      const half = Math.tan(radians(LOOK.field_of_view) / 2) / Math.min(1, camera.aspect);
      camera.fov = (Math.atan(half) * 360) / Math.PI;
      camera.zoom = fit;
      camera.updateProjectionMatrix();
      renderer.setViewport(left, bottom, box.width, box.height);
      renderer.setScissor(left, bottom, box.width, box.height);
      scene.add(pane.object);
      renderer.render(scene, camera);
      scene.remove(pane.object);
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
      place();
      renderer.setScissorTest(false);
      renderer.clear();
      renderer.setScissorTest(true);
      for (const pane of panes) drawPane(pane, frame);
      canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
    }

    function turnBy(element) {
      element.addEventListener("pointerdown", (event) => {
        held = { x: event.clientX, y: event.clientY };
        element.setPointerCapture(event.pointerId);
      });
      element.addEventListener("pointermove", (event) => {
        if (!held) return;
        yaw -= (event.clientX - held.x) * 0.01;
        pitch = Math.max(-1.45, Math.min(1.45, pitch + (event.clientY - held.y) * 0.01));
        held = { x: event.clientX, y: event.clientY };
      });
      for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => (held = null));
      element.addEventListener("dblclick", () => (spinning = !spinning));
      element.addEventListener("wheel", (event) => {
        event.preventDefault();
        zoom = Math.max(0.4, Math.min(2.5, zoom * Math.exp(event.deltaY * 0.001)));
      }, { passive: false });
    }

    function stop() {
      cancelAnimationFrame(request);
      request = 0;
      for (const pane of panes) { pane.object.geometry.dispose(); pane.object.material.dispose(); }
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

    return { show, stop, turnBy };
  }

  window.ltm3d = { toObject, createStage };
})();
