// The demo page: sends a prompt to /stream, shows each line of the answer, and hands the shape to viewer.js.
// Needs the globals ltm3d (viewer.js) and limits.
(function () {
  "use strict";
  const get = (id) => document.getElementById(id);
  const MIME = { glb: "model/gltf-binary", ply: "application/octet-stream" };
  const NUMBERS = ["seed", "num_steps", "guidance_scale", "temperature"];
  let picture = null, running = null, stage = null, fileAddress = null;

  function say(text, isBad) {
    get("status").textContent = text;
    get("status").classList.toggle("bad", Boolean(isBad));
  }

  function choose(file) {
    if (get("preview").src) URL.revokeObjectURL(get("preview").src);
    picture = file || null;
    get("preview").hidden = get("clear").hidden = !picture;
    if (picture) get("preview").src = URL.createObjectURL(picture);
    else { get("preview").removeAttribute("src"); get("image").value = ""; }
  }

  function toBase64(file) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => reject(new Error("the picture cannot be read"));
      reader.readAsDataURL(file);
    });
  }

  async function readPrompt() {
    const prompt = {}, text = get("text").value.trim();
    if (text) prompt.text = text;
    if (picture && picture.size > limits.image_bytes)
      throw new Error(`the picture has ${picture.size.toLocaleString()} bytes, more than ${limits.image_bytes.toLocaleString()}: use a smaller one`);
    if (picture) prompt.image = await toBase64(picture);
    if (!text && !picture) throw new Error("write a text, choose a picture, or both");
    for (const name of NUMBERS) if (get(name).value !== "") prompt[name] = Number(get(name).value);
    return prompt;
  }

  const pause = (seconds, signal) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("", "AbortError")); });
  });

  // A full line answers 503 with Retry-After; the page waits and asks again.
  async function ask(prompt, signal) {
    for (;;) {
      const response = await fetch("stream", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(prompt), signal,
      });
      if (response.ok) return response;
      if (response.status !== 503) throw new Error((await response.json()).message);
      const seconds = Number(response.headers.get("Retry-After")) || 5;
      say(`Many are waiting; asking again in ${seconds} s.`);
      await pause(seconds, signal);
    }
  }

  async function* readLines(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) yield JSON.parse(part);
    }
  }

  function showProgress(line) {
    if ("before" in line) say(line.before ? `Waiting: ${line.before} before you.` : "Your turn.");
    if ("step" in line) {
      get("progress").value = line.step / line.of;
      say(line.step < line.of ? `Step ${line.step} of ${line.of}` : "The steps are done; the surface is being made.");
    }
  }

  function showShape(answer, view) {
    const kind = answer.glb ? "glb" : "ply";
    const bytes = Uint8Array.from(atob(answer[kind]), (letter) => letter.charCodeAt(0));
    if (fileAddress) URL.revokeObjectURL(fileAddress);
    fileAddress = URL.createObjectURL(new Blob([bytes], { type: MIME[kind] }));
    get("download").href = fileAddress;
    get("download").download = `shape-${answer.seed}.${kind}`;
    get("download").textContent = `Download ${kind.toUpperCase()}`;
    get("download").hidden = false;
    const things = { mesh: "faces", points: "points", gaussians: "Gaussians" }[view.shape.kind];
    const size = `${(answer.num_faces || answer.num_vertices).toLocaleString()} ${things}`;
    say(`${size}, seed ${answer.seed}${answer.note ? "; " + answer.note : ""}`);
    get("empty").hidden = true;
    showSeen(answer);
    try {
      if (!stage) {
        stage = ltm3d.createStage(get("canvas"));
        stage.turnBy(get("pane"));
      }
      stage.show([{ element: get("pane"), object: ltm3d.toObject(view.shape) }], view.magnify);
    } catch (error) {
      get("empty").textContent = `It cannot be shown here (${error.message}); the file is there to download.`;
      get("empty").hidden = false;
    }
  }

  // The picture that was cut out stands beside the shape, so that a bad cut is seen.
  function showSeen(answer) {
    get("seen").hidden = !(answer && answer.picture);
    if (answer && answer.picture) get("seen").querySelector("img").src = "data:image/png;base64," + answer.picture;
  }

  // An error leaves no shape of an earlier prompt, and no file of it.
  function clearShape() {
    if (stage) stage.show([], 1);
    showSeen(null);
    get("download").hidden = true;
    get("empty").hidden = false;
  }

  function setRunning(controller) {
    running = controller;
    get("generate").disabled = Boolean(controller);
    get("cancel").hidden = get("progress").hidden = !controller;
    get("progress").value = 0;
  }

  async function generate(event) {
    event.preventDefault();
    if (running) return;
    const controller = new AbortController();
    setRunning(controller);
    say("Sending…");
    try {
      const response = await ask(await readPrompt(), controller.signal);
      let last = null;
      for await (const line of readLines(response)) { showProgress(line); last = line; }
      if (!last || !("answer" in last)) throw new Error((last && last.failed) || "the server ended the answer early; try again");
      if (last.answer.error) { clearShape(); showSeen(last.answer); say(last.answer.error, true); return; }
      showShape(last.answer, last.view);
    } catch (error) {
      if (error.name === "AbortError") { say("Cancelled."); return; }
      clearShape();
      say(error instanceof TypeError ? "The server does not answer; is it still running?" : error.message, true);
    } finally {
      setRunning(null);
    }
  }

  const drop = get("drop");
  get("form").addEventListener("submit", generate);
  get("cancel").addEventListener("click", () => running && running.abort());
  get("image").addEventListener("change", () => choose(get("image").files[0]));
  get("clear").addEventListener("click", () => choose(null));
  for (const chip of document.querySelectorAll(".chip"))
    chip.addEventListener("click", () => { get("text").value = chip.textContent; get("form").requestSubmit(); });
  get("pane").addEventListener("keydown", (event) => stage && stage.press && stage.press(event));
  for (const name of ["dragover", "dragenter"])
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); choose(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) choose(event.clipboardData.files[0]); });
})();
