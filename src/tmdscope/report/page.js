"use strict";
(() => {
  // A column is of numbers where most of its cells begin with one: "84.8 ± 2.1", "1 234", "3 of 4", "2.0 ×".
  const number = /^[+-]?(?:\d{1,3}(?:[ \u00a0\u202f,]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[+-]?\d+)?/i;
  const missing = new Set(["", "-", "–", "—"]);

  const read = (text) => {
    const found = number.exec(text.replace("\u2212", "-"));
    return found ? Number(found[0].replace(/[ \u00a0\u202f,]/g, "")) : NaN;
  };

  const keys = (rows, column) => {
    const words = rows.map((row) => row.cells[column].textContent.trim());
    const known = words.filter((text) => !missing.has(text));
    const numbers = words.map(read);
    const counted = known.filter((text) => !Number.isNaN(read(text))).length;
    return counted * 2 > known.length
      ? { first: "descending", of: numbers.map((value) => (Number.isNaN(value) ? null : value)) }
      : { first: "ascending", of: words.map((text) => (missing.has(text) ? null : text)) };
  };

  const compare = (one, other) =>
    typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });

  const order = (key, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    return (one, other) => {
      const [a, b] = [key[one], key[other]];
      if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last, both ways
      return sign * compare(a, b);
    };
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const rows = [...body.rows]; // as the page gives them: a third click goes back to it
    const heads = [...table.tHead.rows[0].cells];
    if (rows.length < 2) return;
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const key = keys(rows, column);
        const last = key.first === "ascending" ? "descending" : "ascending";
        const now = head.getAttribute("aria-sort");
        const next = now === null ? key.first : now === key.first ? last : null;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        const places = rows.map((_, place) => place);
        if (next) {
          head.setAttribute("aria-sort", next);
          places.sort(order(key.of, next));
        }
        body.append(...places.map((place) => rows[place]));
      });
    });
  };

  const switchable = () => {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const button = document.createElement("button");
    const scheme = () => root.dataset.scheme ?? (system.matches ? "dark" : "light");
    const show = () => (button.textContent = scheme() === "dark" ? "Light colours" : "Dark colours");
    button.type = "button";
    button.className = "scheme";
    button.addEventListener("click", () => {
      root.dataset.scheme = scheme() === "dark" ? "light" : "dark";
      show();
    });
    system.addEventListener("change", show);
    show();
    document.querySelector("header").prepend(button);
  };

  const foldable = () => {
    const all = [...document.querySelectorAll("details")];
    if (!all.length) return;
    const button = document.createElement("button");
    const open = () => all.every((one) => one.open);
    const show = () => (button.textContent = open() ? "Close all" : "Open all");
    button.type = "button";
    button.className = "scheme";
    button.addEventListener("click", () => {
      const next = !open();
      all.forEach((one) => (one.open = next));
    });
    all.forEach((one) => one.addEventListener("toggle", show));
    show();
    document.querySelector("header").prepend(button);

    const unfold = () => {
      const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const folded = target && target.closest("details");
      if (folded) {
        folded.open = true;
        folded.scrollIntoView();
      }
    };
    addEventListener("hashchange", unfold);
    unfold();

    let shut = []; // paper has everything
    addEventListener("beforeprint", () => {
      shut = all.filter((one) => !one.open);
      shut.forEach((one) => (one.open = true));
    });
    addEventListener("afterprint", () => shut.forEach((one) => (one.open = false)));
  };

  document.querySelectorAll("table").forEach(sortable);
  foldable();
  switchable();
})();
