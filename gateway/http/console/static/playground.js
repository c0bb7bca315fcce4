// The playground: each pane holds a conversation of its own, and asks by itself.
"use strict";

const root = document.getElementById("playground");
if (root) {
  const form = document.getElementById("say");
  const message = document.getElementById("message");
  const compare = document.getElementById("compare");
  const stop = document.getElementById("stop");
  const send = document.getElementById("send");
  let leaving = null;

  const panes = [...root.querySelectorAll(".pane")].map((section) => ({
    section,
    model: section.querySelector("select"),
    talk: section.querySelector(".talk"),
    stats: section.querySelector(".stats"),
    messages: [],
  }));

  compare.addEventListener("change", () => {
    panes[1].section.hidden = !compare.checked;
  });

  function say(pane, role, text) {
    if (!pane.messages.length && role === "user") pane.talk.replaceChildren();
    const line = document.createElement("div");
    line.className = `said ${role}`;
    line.textContent = text;
    pane.talk.append(line);
    pane.talk.scrollTop = pane.talk.scrollHeight;
    return line;
  }

  // Server-sent events: fields of lines, an empty line after each event.
  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
        const fields = rest.slice(0, end).split("\n").map((line) => line.split(/: (.*)/s));
        const event = Object.fromEntries(fields.map(([name, text]) => [name, text]));
        if (event.data === "[DONE]") return;
        yield { name: event.event, data: JSON.parse(event.data) };
      }
    }
  }

  function body(pane) {
    const system = document.getElementById("system").value.trim();
    const asked = {
      model: pane.model.value,
      messages: [...(system ? [{ role: "system", content: system }] : []), ...pane.messages],
    };
    for (const name of ["temperature", "max_tokens"]) {
      const given = document.getElementById(name).value;
      if (given !== "") asked[name] = Number(given);
    }
    return asked;
  }

  async function ask(pane, text, signal) {
    say(pane, "user", text);
    pane.messages.push({ role: "user", content: text });
    const line = say(pane, "assistant", "");
    line.classList.add("waiting");
    const began = performance.now();
    let first = null;
    let usage = null;
    let cost = null;
    let answer = "";
    const fail = (why) => {
      line.classList.add("failed");
      line.textContent = answer ? `${answer}\n${why}` : why;
      // The next question is asked without this one.
      pane.messages.pop();
    };
    try {
      const response = await fetch("/ui/playground/chat", {
        method: "POST",
        signal,
        headers: { "content-type": "application/json", "x-csrf-token": root.dataset.csrf },
        body: JSON.stringify(body(pane)),
      });
      if (!response.ok) {
        const said = await response.json().catch(() => null);
        return fail(said?.error?.message ?? `The gateway answered ${response.status}.`);
      }
      for await (const { name, data } of events(response)) {
        if (data.error) return fail(data.error.message);
        if (name === "cost") cost = data.cost;
        if (data.usage) usage = data.usage;
        const piece = data.choices?.[0]?.delta?.content;
        if (piece) {
          first ??= performance.now() - began;
          answer += piece;
          line.textContent = answer;
          pane.talk.scrollTop = pane.talk.scrollHeight;
        }
      }
      if (!answer) line.textContent = "(an answer without text)";
      pane.messages.push({ role: "assistant", content: answer });
      tell(pane, { first, all: performance.now() - began, usage, cost });
    } catch (error) {
      fail(signal.aborted ? "Stopped." : `The gateway cannot be reached: ${error.message}`);
    } finally {
      line.classList.remove("waiting");
    }
  }

  const ms = (value) => (value < 1000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(2)} s`);

  function tell(pane, { first, all, usage, cost }) {
    const parts = [];
    if (first !== null) parts.push(`first token ${ms(first)}`);
    parts.push(`all ${ms(all)}`);
    if (usage) parts.push(`${usage.prompt_tokens} tokens in, ${usage.completion_tokens} out`);
    const digits = cost ? Math.max(2, 1 - Math.floor(Math.log10(cost))) : 2;
    parts.push(cost === null ? "no known price" : `$${cost.toFixed(Math.min(9, digits))}`);
    pane.stats.textContent = parts.join(" · ");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = message.value.trim();
    if (!text || leaving) return;
    message.value = "";
    leaving = new AbortController();
    send.disabled = true;
    stop.hidden = false;
    const asked = panes.filter((pane) => !pane.section.hidden);
    await Promise.all(asked.map((pane) => ask(pane, text, leaving.signal)));
    leaving = null;
    send.disabled = false;
    stop.hidden = true;
    message.focus();
  });

  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  stop.addEventListener("click", () => leaving?.abort());

  document.getElementById("clear").addEventListener("click", () => {
    leaving?.abort();
    for (const pane of panes) {
      pane.messages = [];
      pane.talk.replaceChildren();
      pane.stats.textContent = "";
    }
  });
}
