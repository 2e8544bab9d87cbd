// Shapes out of text: meshes, points as discs, Gaussians as splats. Needs the global THREE; gives the global ltm3d.
(function () {
  "use strict";
  const CREASE = Math.cos((40 * Math.PI) / 180); // faces that meet more sharply keep their edge
  const DILATION = 0.3; // pixels², added to a projected Gaussian, as ltm3d/splatting/camera.py adds it
  const LOG_SCALE_STEPS = 1000; // of ltm3d/serving/packing.py
  // Camera and light of ltm3d/rendering, filled in by viewer.py: a shape does not jump when its picture begins to turn.
  const LOOK = "$look";
  const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, u4: Uint32Array };

  function bytesOf(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  // Arrays of a packed shape by name, whether they are text still or numbers already.
  function arraysOf(packed) {
    const arrays = {};
    for (const [name, value] of Object.entries(packed.arrays))
      arrays[name] = Array.isArray(value) ? new TYPES[value[0]](bytesOf(value[1]).buffer) : value;
    return arrays;
  }

  // Undo squeeze_shape of packing.py.
  async function unsqueeze(text) {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const arrays = {};
    let at = 4 + length;
    for (const [name, type, rows, columns] of header.arrays) {
      const values = new TYPES[type](rows * columns), width = values.BYTES_PER_ELEMENT, count = rows * columns;
      const planes = new Uint8Array(buffer, at, count * width);
      at += count * width;
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let row = 0; row < rows; row++) {
          let folded = 0;
          for (let byte = 0; byte < width; byte++) folded |= planes[byte * count + column * rows + row] << (8 * byte);
          sum = (sum + ((folded >>> 1) ^ -(folded & 1))) | 0;
          values[row * columns + column] = sum;
        }
      }
      arrays[name] = values;
    }
    return { ...header, arrays };
  }

  function toLinear(value) {
    const s = value / 255;
    return s <= 0.04045 ? s / 12.92 : Math.pow((s + 0.055) / 1.055, 2.4);
  }

  // What a surface of an sRGB colour, or a grey one, reflects of the light.
  function reflected(colors, count) {
    return Float32Array.from({ length: 3 * count }, (_, i) => LOOK.black + (LOOK.white - LOOK.black) * toLinear(colors ? colors[i] : LOOK.grey));
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

  function toMesh({ faces, colors }, positions) {
    const normals = cornerNormals(faces, faceNormals(positions, faces), positions.length / 3);
    const light = reflected(colors, positions.length / 3);
    const corners = new Float32Array(faces.length * 3), shades = new Float32Array(faces.length * 3);
    for (let i = 0; i < faces.length; i++)
      for (let k = 0; k < 3; k++) {
        corners[3 * i + k] = positions[3 * faces[i] + k];
        shades[3 * i + k] = light[3 * faces[i] + k];
      }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(corners, 3));
    geometry.setAttribute("normal", new THREE.BufferAttribute(normals, 3));
    geometry.setAttribute("color", new THREE.BufferAttribute(shades, 3));
    const material = new THREE.MeshPhongMaterial({ vertexColors: true, side: THREE.DoubleSide, specular: 0, shininess: 0 });
    return new THREE.Mesh(geometry, material);
  }

  // Each point a disc that faces the camera, lit by its normal as a surface is.
  function toPoints({ normals, colors }, positions, radius) {
    const count = positions.length / 3, geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    geometry.setAttribute("normal", new THREE.BufferAttribute(normals ? Float32Array.from(normals, (value) => value / 127) : new Float32Array(3 * count), 3));
    geometry.setAttribute("light", new THREE.BufferAttribute(reflected(colors, count), 3));
    const material = new THREE.ShaderMaterial({
      uniforms: { focal: { value: 1 }, radius: { value: radius }, key: { value: new THREE.Vector3(...LOOK.key_direction).normalize() } },
      vertexShader: `
        attribute vec3 light;
        uniform float focal, radius;
        uniform vec3 key;
        varying vec3 shade;
        void main() {
          vec4 seen = modelViewMatrix * vec4(position, 1.0);
          gl_Position = projectionMatrix * seen;
          gl_PointSize = max(2.0 * radius * focal / -seen.z, 1.5);
          float strength = ${(LOOK.sky + LOOK.headlight / 2).toFixed(4)};
          if (dot(normal, normal) > 0.1) {
            vec3 n = normalize(normalMatrix * normal);
            float side = dot(n, seen.xyz) > 0.0 ? -1.0 : 1.0;
            float up = normalize(normal).y * side;
            strength = ${LOOK.sky.toFixed(4)} * mix(${LOOK.ground.toFixed(4)}, 1.0, 0.5 + 0.5 * up) + ${LOOK.headlight.toFixed(4)} * max(dot(n * side, key), 0.0);
          }
          shade = light * strength;
        }`,
      fragmentShader: `
        varying vec3 shade;
        void main() {
          vec2 p = 2.0 * gl_PointCoord - 1.0;
          if (dot(p, p) > 1.0) discard;
          vec3 c = clamp(shade, 0.0, 1.0);
          gl_FragColor = vec4(mix(1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, 12.92 * c, vec3(lessThanEqual(c, vec3(0.0031308)))), 1.0);
        }`,
    });
    const object = new THREE.Points(geometry, material);
    object.prepare = (camera, width, height) => (material.uniforms.focal.value = (height / 2) * camera.projectionMatrix.elements[5]);
    return object;
  }

  // Covariance of each Gaussian: xx, xy, xz, yy, yz, zz, from its quaternion (wxyz) and sizes.
  function covariances(quats, logScales) {
    const count = quats.length / 4, result = new Float32Array(6 * count);
    for (let i = 0; i < count; i++) {
      const length = Math.hypot(quats[4 * i], quats[4 * i + 1], quats[4 * i + 2], quats[4 * i + 3]) || 1;
      const [w, x, y, z] = [0, 1, 2, 3].map((k) => quats[4 * i + k] / length);
      const turn = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
      ];
      const variance = [0, 1, 2].map((k) => Math.exp((2 * logScales[3 * i + k]) / LOG_SCALE_STEPS));
      let at = 6 * i;
      for (let a = 0; a < 3; a++)
        for (let b = a; b < 3; b++)
          result[at++] = turn[a][0] * turn[b][0] * variance[0] + turn[a][1] * turn[b][1] * variance[1] + turn[a][2] * turn[b][2] * variance[2];
    }
    return result;
  }

  // EWA splats (Zwicker et al. 2001): far ones first, blended as 3DGS does; sorted anew whenever the camera has moved.
  function toSplats({ quats, log_scales, opacities, colors }, positions) {
    const count = positions.length / 3, spread = covariances(quats, log_scales);
    const geometry = new THREE.InstancedBufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array([-2, -2, 0, 2, -2, 0, 2, 2, 0, -2, 2, 0]), 3));
    geometry.setIndex([0, 1, 2, 0, 2, 3]);
    const sorted = {};
    for (const [name, width] of [["center", 3], ["spreadA", 3], ["spreadB", 3], ["tint", 4]]) {
      sorted[name] = new THREE.InstancedBufferAttribute(new Float32Array(width * count), width);
      sorted[name].usage = THREE.DynamicDrawUsage;
      geometry.setAttribute(name, sorted[name]);
    }
    geometry.instanceCount = count;
    const material = new THREE.ShaderMaterial({
      uniforms: { focal: { value: new THREE.Vector2() }, size: { value: new THREE.Vector2() } },
      side: THREE.DoubleSide, transparent: true, premultipliedAlpha: true, depthTest: false, depthWrite: false,
      vertexShader: `
        attribute vec3 center, spreadA, spreadB;
        attribute vec4 tint;
        uniform vec2 focal, size;
        varying vec2 corner;
        varying vec4 color;
        void main() {
          vec3 seen = (modelViewMatrix * vec4(center, 1.0)).xyz;
          gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
          if (seen.z > -0.01) return;
          float near = -1.0 / seen.z;
          mat3 spread = mat3(spreadA, spreadA.y, spreadB.x, spreadB.y, spreadA.z, spreadB.y, spreadB.z);
          mat3 turn = mat3(modelViewMatrix);
          vec3 right = vec3(turn[0][0], turn[1][0], turn[2][0]), up = vec3(turn[0][1], turn[1][1], turn[2][1]), back = vec3(turn[0][2], turn[1][2], turn[2][2]);
          vec3 u = focal.x * near * (right + seen.x * near * back), v = focal.y * near * (up + seen.y * near * back);
          float a = dot(u, spread * u) + ${DILATION}, b = dot(u, spread * v), c = dot(v, spread * v) + ${DILATION};
          float middle = 0.5 * (a + c), half_gap = length(vec2(0.5 * (a - c), b));
          float large = middle + half_gap, small = max(middle - half_gap, 0.05);
          vec2 axis = abs(b) > 1e-6 ? normalize(vec2(b, large - a)) : (a >= c ? vec2(1.0, 0.0) : vec2(0.0, 1.0));
          vec2 offset = position.x * min(sqrt(2.0 * large), 1024.0) * axis + position.y * min(sqrt(2.0 * small), 1024.0) * vec2(axis.y, -axis.x);
          vec4 place = projectionMatrix * vec4(seen, 1.0);
          gl_Position = vec4(place.xy / place.w + 2.0 * offset / size, 0.0, 1.0);
          corner = position.xy;
          color = tint;
        }`,
      fragmentShader: `
        varying vec2 corner;
        varying vec4 color;
        void main() {
          float far = dot(corner, corner);
          if (far > 4.0) discard;
          float alpha = color.a * exp(-far);
          gl_FragColor = vec4(color.rgb * alpha, alpha);
        }`,
    });
    const object = new THREE.Mesh(geometry, material), depth = new Float32Array(count), order = new Uint32Array(count);
    object.frustumCulled = false;
    let seenFrom = "";
    object.prepare = (camera, width, height) => {
      const view = camera.projectionMatrix.elements;
      material.uniforms.size.value.set(width, height);
      material.uniforms.focal.value.set((width / 2) * view[0], (height / 2) * view[5]);
      const { x, y, z } = camera.position, from = `${x} ${y} ${z}`;
      if (from === seenFrom) return;
      seenFrom = from;
      for (let i = 0; i < count; i++) {
        order[i] = i;
        depth[i] = x * positions[3 * i] + y * positions[3 * i + 1] + z * positions[3 * i + 2]; // the camera looks at the origin
      }
      order.sort((first, second) => depth[first] - depth[second]);
      for (let at = 0; at < count; at++) {
        const i = order[at];
        for (let k = 0; k < 3; k++) {
          sorted.center.array[3 * at + k] = positions[3 * i + k];
          sorted.spreadA.array[3 * at + k] = spread[6 * i + k];
          sorted.spreadB.array[3 * at + k] = spread[6 * i + 3 + k];
          sorted.tint.array[4 * at + k] = colors[3 * i + k] / 255;
        }
        sorted.tint.array[4 * at + 3] = opacities[i] / 255;
      }
      for (const attribute of Object.values(sorted)) attribute.needsUpdate = true;
    };
    return object;
  }

  // `packed` as pack_shape makes it, or as `unsqueeze` gives it.
  function toObject(packed) {
    const arrays = arraysOf(packed);
    const positions = Float32Array.from(arrays.positions, (value) => value * packed.scale);
    if (packed.kind === "points") return toPoints(arrays, positions, packed.radius);
    if (packed.kind === "gaussians") return toSplats(arrays, positions);
    return toMesh(arrays, positions);
  }

  window.ltm3d = { LOOK, toObject, unsqueeze };
})();
