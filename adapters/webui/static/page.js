"use strict";
(function () {
  const paths = document.body.dataset;
  const form = document.getElementById("filter");
  const rows = document.getElementById("runs");
  const message = document.getElementById("message");
  const object = document.getElementById("object");
  const back = document.getElementById("back");
  const more = document.getElementById("more");
  let offset = 0, limit = 50, asked = 0;

  // Everything that comes from the store is shown by textContent alone.
  function element(tag, text) {
    const e = document.createElement(tag);
    e.textContent = text;
    return e;
  }

  async function ask(path, parameters, options) {
    const query = new URLSearchParams(parameters).toString();
    const url = query === "" ? path : path + (path.includes("?") ? "&" : "?") + query;
    const response = await fetch(url, { credentials: "same-origin", ...options });
    let body = {};
    try { body = await response.json(); } catch { /* somebody else's answer, such as a proxy's */ }
    if (!response.ok) throw new Error(body.error || "the server answered " + response.status);
    return body;
  }

  function attempt(what) {
    message.textContent = "";
    what().catch((err) => { message.textContent = err.message; });
  }

  function button(text, what) {
    const b = element("button", text);
    b.addEventListener("click", () => attempt(what));
    return b;
  }

  async function show(run) {
    const got = await ask(paths.object, { run_id: run.run_id });
    object.textContent = "run_id: " + got.run_id + ", version " + got.version + ", " + got.size + " bytes\n\n" +
      ("object" in got ? JSON.stringify(got.object, null, 2) : got.object_base64 || "(not shown)");
    object.hidden = false;
  }

  async function update(run, action) {
    let reason = "";
    if (action !== "resume") {
      reason = window.prompt(action + " run " + run.run_id + ". Why?", "");
      if (reason === null) return;
    }
    await ask(paths.update, {}, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ run_id: run.run_id, action: action, version: run.version, reason: reason }),
    });
    await load();
  }

  const actions = {
    Initiated: ["pause", "cancel"], Running: ["pause", "cancel"], Paused: ["resume", "cancel"],
    Completed: ["delete"], Cancelled: ["delete"], DataDeleted: ["delete"],
  };

  function row(run) {
    const tr = document.createElement("tr");
    const status = (run.status_name || "") + " (" + run.status + ")";
    for (const text of [run.workflow_name, run.foreign_id, run.run_id, run.run_state_name, status, run.version, run.updated_at, run.reason]) {
      tr.append(element("td", text));
    }
    const cell = document.createElement("td");
    if (paths.object) cell.append(button("object", () => show(run)));
    if (paths.update) {
      for (const action of actions[run.run_state_name] || []) cell.append(button(action, () => update(run, action)));
    }
    tr.append(cell);
    return tr;
  }

  async function load() {
    const mine = ++asked;
    const parameters = [...new FormData(form)].filter(([, value]) => value !== "");
    const got = await ask(paths.list, [...parameters, ["offset", offset], ["limit", limit]]);
    if (mine !== asked) return; // a later question is under way
    rows.replaceChildren(...got.runs.map(row));
    back.disabled = offset === 0;
    more.disabled = !got.more;
    if (got.runs.length === 0) message.textContent = "No runs.";
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    offset = 0;
    attempt(load);
  });
  back.addEventListener("click", () => { offset = Math.max(0, offset - limit); attempt(load); });
  more.addEventListener("click", () => { offset += limit; attempt(load); });
  attempt(load);
})();
