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

  const turnable = (figure) => {
    const picture = figure.querySelector("img");
    const { lines, axes } = JSON.parse(figure.dataset.space);
    const canvas = document.createElement("canvas");
    const view = { turn: 0.6, tilt: 0.45 };
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${picture.alt}: drag it, or use the arrow keys, to turn it`);

    const draw = () => {
      const width = canvas.clientWidth;
      const height = Math.round(width * 0.75);
      const ratio = window.devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      const [ct, st] = [Math.cos(view.turn), Math.sin(view.turn)];
      const [ci, si] = [Math.cos(view.tilt), Math.sin(view.tilt)];
      const place = ([x, y, z]) => {
        const [u, v, w] = [x - 0.5, y - 0.5, z - 0.5];
        const [across, deep] = [u * ct - v * st, u * st + v * ct];
        return [width / 2 + across * width * 0.62, height / 2 - (w * ci - deep * si) * height * 0.62];
      };
      const stroke = (points, colour, wide) => {
        pen.beginPath();
        points.forEach((point, k) => (k ? pen.lineTo : pen.moveTo).apply(pen, place(point)));
        pen.strokeStyle = colour;
        pen.lineWidth = wide;
        pen.stroke();
      };
      const ink = getComputedStyle(canvas).color;
      const floor = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]];
      stroke(floor, ink, 0.5);
      stroke([[0, 0, 0], [0, 0, 1]], ink, 0.5);
      pen.fillStyle = ink;
      pen.font = "13px system-ui, sans-serif";
      [[1.06, 0, 0], [0, 1.06, 0], [0, 0, 1.06]].forEach((end, k) => pen.fillText(axes[k], ...place(end)));
      lines.forEach(([colour, points]) => stroke(points, colour, 1.4));
    };

    const turned = (right, up) => {
      view.turn += right;
      view.tilt = Math.min(Math.PI / 2, Math.max(0, view.tilt + up));
      draw();
    };
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) turned(event.movementX * 0.01, event.movementY * 0.01);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (!step) return;
      event.preventDefault();
      turned(...step);
    });
    picture.after(canvas);
    new ResizeObserver(draw).observe(figure);
  };

  document.querySelectorAll("table").forEach(sortable);
  document.querySelectorAll("figure.space").forEach(turnable);
  foldable();
  switchable();
})();
