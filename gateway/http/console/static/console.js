// What pages do beyond HTML: copy buttons, times in the reader's zone, hints on providers.
"use strict";

const each = (root, selector, work) => {
  if (root.matches?.(selector)) work(root);
  root.querySelectorAll(selector).forEach(work);
};

const inReadersZone = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "short",
});
const toTheSecond = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function enhance(root) {
  each(root, "time[datetime]", (time) => {
    const format = time.dataset.seconds === undefined ? inReadersZone : toTheSecond;
    time.textContent = format.format(new Date(time.dateTime));
  });
  each(root, "select[data-provider]", (select) => {
    const hint = document.getElementById("provider-hint");
    const usual = hint.textContent;
    const baseUrl = document.getElementById("base_url");
    const label = document.querySelector("label[for=base_url]");
    const tell = () => {
      const chosen = select.selectedOptions[0];
      const must = chosen?.dataset.baseUrl !== undefined;
      const needs = chosen?.dataset.needs || "";
      hint.textContent = must ? `Needs a base URL. ${needs}` : needs || usual;
      baseUrl.required = must;
      label.querySelector(".must")?.remove();
      if (must) {
        const mark = document.createElement("span");
        mark.className = "must";
        mark.textContent = "required";
        label.append(" ", mark);
      }
    };
    select.addEventListener("change", tell);
    tell();
  });
  each(root, "select[data-evaluator]", (select) => {
    const hint = document.getElementById("type-hint");
    const params = document.getElementById("params");
    const examples = [...select.options].map((option) => option.dataset.example);
    const tell = () => (hint.textContent = select.selectedOptions[0].dataset.about);
    select.addEventListener("change", () => {
      tell();
      // What somebody wrote is theirs.
      const written = params.value.trim();
      if (!written || examples.includes(written)) params.value = select.selectedOptions[0].dataset.example;
    });
    tell();
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    // Browsers give no clipboard to pages without TLS: have it selected at least.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = before), 2000);
});

// What htmx brings is enhanced as what was there.
new MutationObserver((changes) => {
  for (const change of changes)
    for (const node of change.addedNodes) if (node.nodeType === 1) enhance(node);
}).observe(document.body, { childList: true, subtree: true });
enhance(document);
// Where the tabs are wider than the window.
document.querySelector(".top a[aria-current]")?.scrollIntoView({ block: "nearest" });
