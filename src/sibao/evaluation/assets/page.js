// Sorting, filtering, language and theme of a report. The page is whole without it; it only hides, orders and recolours.
(() => {
  "use strict";
  const root = document.documentElement;
  const speak = (language) => {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
    for (const one of document.querySelectorAll("[data-label-en]"))
      one.setAttribute("aria-label", language === "zh" ? one.dataset.labelZh : one.dataset.labelEn);
    for (const one of document.querySelectorAll("[data-placeholder-en]"))
      one.placeholder = language === "zh" ? one.dataset.placeholderZh : one.dataset.placeholderEn;
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  document.getElementById("language").addEventListener("click", () => speak(root.dataset.language === "zh" ? "en" : "zh"));
  document.getElementById("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });
  for (const one of document.querySelectorAll(".bar, .filters")) one.hidden = false;

  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last, whichever way
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, root.lang, { numeric: true }) : x - y;
  };
  for (const head of document.querySelectorAll("th button")) {
    head.addEventListener("click", () => {
      const th = head.closest("th"), table = th.closest("table"), column = th.cellIndex;
      const first = th.dataset.first || "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = th.getAttribute("aria-sort") === first ? other : first;
      for (const one of th.parentNode.cells) one.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", order);
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        return x === "" || y === "" || order === "ascending" ? compare(x, y) : compare(y, x);
      });
      table.tBodies[0].append(...rows);
    });
  }

  const search = document.getElementById("search"), boxes = [...document.querySelectorAll("input[data-state]")];
  const shown = document.getElementById("shown"), things = [...document.querySelectorAll("[data-filter]")];
  const texts = new Map();
  const textOf = (one) => texts.get(one) ?? texts.set(one, one.textContent.toLowerCase()).get(one);
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(boxes.filter((box) => box.checked).map((box) => box.dataset.state));
    let count = 0;
    for (const one of things) {
      const fits = (!boxes.length || states.has(one.dataset.filter)) && words.every((word) => textOf(one).includes(word));
      one.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count} / ${things.length}`;
  };
  if (search) {
    let waiting = 0;
    search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
    for (const box of boxes) box.addEventListener("change", filter);
    filter();
  }
  speak(root.dataset.language);
})();
