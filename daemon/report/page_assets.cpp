#include "report/page_assets.hpp"

namespace pgcurfew {

namespace {

constexpr std::string_view kStyle = R"css(:root { color-scheme: light dark;
  --ground: #fff; --text: #1c1e21; --quiet: #5b616a; --line: #c9ccd1; --bar: #1f5fbf; --link: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --text: #e4e6ea; --quiet: #a3a9b3; --line: #3d4149; --bar: #6ea8fe; --link: #8ab8ff; }
}
body { font: 15px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 80rem;
  background: var(--ground); color: var(--text); overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; border-top: 1px solid var(--line); padding-top: .6rem; }
h3 { font-size: 1rem; margin: .9rem 0 .2rem; }
p { margin: .2rem 0; }
a { color: var(--link); }
.quiet, th { color: var(--quiet); }
.bad, .good, #answer { color: #fff; padding: .1rem .4rem; border-radius: .2rem; }
.bad, #answer { background: #b00020; }
.good { background: #1b6e3c; }
#answer { position: sticky; top: 0; z-index: 1; padding: .4rem .6rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .15rem .6rem .15rem 0; min-width: 4rem; }
th { font-weight: normal; font-size: .85rem; border-bottom: 1px solid var(--line); }
td { border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
bdi, .long { overflow-wrap: anywhere; }
td:has(.long) { min-width: 14rem; }
time { white-space: nowrap; }
.bars { list-style: none; margin: 0; padding: 0; }
.bars li { display: grid; grid-template-columns: 12rem 10rem 1fr; gap: 0 .8rem; align-items: center;
  padding: .2rem 0; border-bottom: 1px solid var(--line); }
.step { font-variant-numeric: tabular-nums; font-weight: 600; }
progress { width: 100%; height: .8rem; accent-color: var(--bar); }
.who { grid-column: 3; }
@media (max-width: 45rem) {
  body { padding: .6rem; }
  .bars li { grid-template-columns: 3fr 2fr; }
  .who { grid-column: 1 / 3; }
}
)css";

constexpr std::string_view kScript = R"js("use strict";
{
  const pause = 3000, patience = 5000;
  const notice = document.getElementById("answer");
  // when what the page shows was so, by a clock that no one sets
  let began = performance.getEntriesByType("navigation")[0].responseStart;
  let isAnswered = true;

  function text(left) {
    const s = Math.ceil(left / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60), d = Math.floor(h / 24);
    if (d) return `${d}d ${h % 24}h`;
    if (h) return `${h}h ${min % 60}min`;
    return min ? `${min}min ${s % 60}s` : `${s}s`;
  }

  function count() {
    // what a daemon that does not answer does is not known
    if (!isAnswered) return;
    const gone = performance.now() - began;
    for (const each of document.querySelectorAll("[data-left]")) {
      const left = each.dataset.left - gone;
      if (each.localName === "progress") {
        each.value = Math.max(0, Math.min(each.max, each.max - left));
        continue;
      }
      const words = left > 0 ? `in ${text(left)}` : each.dataset.over;
      if (each.textContent !== words) each.textContent = words;
    }
  }

  function say(words) {
    if (notice.textContent !== words) notice.textContent = words;
    notice.hidden = !words;
  }

  function show(next) {
    const old = document.querySelector("main");
    if (next.dataset.version !== old.dataset.version) return location.reload();
    const moved = Array.from(old.querySelectorAll(".scroll"), each => each.scrollLeft);
    old.replaceWith(next);
    next.querySelectorAll(".scroll").forEach((each, i) => { each.scrollLeft = moved[i] ?? 0; });
  }

  async function update() {
    const main = document.querySelector("main");
    let trouble = "no answer";
    try {
      const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(patience) });
      const received = performance.now();
      if (!answer.ok) trouble = `no page, but status ${answer.status}`;
      const page = new DOMParser().parseFromString(answer.ok ? await answer.text() : "", "text/html");
      const next = page.querySelector("main");
      isAnswered = next !== null;
      if (isAnswered) {
        const chosen = getSelection();
        // replacing a text takes the selection from whoever is about to copy it
        const isKept = !chosen.isCollapsed && main.contains(chosen.anchorNode);
        if (!isKept) {
          began = received;
          show(document.adoptNode(next));
        }
        say(isKept ? `not updated since ${main.dataset.at}, because text is selected` : "");
      }
    } catch {
      isAnswered = false;
    }
    if (!isAnswered) say(`${trouble} since ${main.dataset.at}; what follows was so then`);
    count();
    setTimeout(update, pause);
  }

  count();
  setInterval(count, 200);
  setTimeout(update, pause);
}
)js";

}  // namespace

std::string_view page_style() {
  return kStyle;
}

std::string_view page_script() {
  return kScript;
}

}  // namespace pgcurfew
