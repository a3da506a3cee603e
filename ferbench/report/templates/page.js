"use strict";
(() => {
  const root = document.documentElement;
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  const mode = () => root.dataset.mode || (wantsDark.matches ? "dark" : "light");

  // Tables: every header becomes a button that sorts; rows that summarise stay where they are.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1;
    if (typeof b === "number") return 1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  const sortBy = (table, column, descending) => {
    const body = table.tBodies[0];
    const missing = (row) => row.cells[column].textContent === "";
    const rows = [...body.rows].sort((x, y) => {
      if (missing(x) !== missing(y)) return missing(x) ? 1 : -1;
      const order = compare(valueOf(x, column), valueOf(y, column));
      return descending ? -order : order;
    });
    body.append(...rows);
    for (const [i, header] of [...table.tHead.rows[0].cells].entries()) {
      if (i === column) header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const [i, header] of [...table.tHead.rows[0].cells].entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => {
        const now = header.getAttribute("aria-sort");
        // Numbers are first sorted with the highest on top, text from A.
        const first = header.classList.contains("num");
        sortBy(table, i, now === null ? first : now === "ascending");
      });
      header.append(button);
    }
  }

  // Copying.
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        getSelection().selectAllChildren(source);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  // Figures: drawn when they come near the screen, or all at once for printing.
  const stored = document.getElementById("figures");
  const { figures, templates } = stored ? JSON.parse(stored.textContent) : { figures: {}, templates: {} };
  const plots = [...document.querySelectorAll("[data-figure]")];
  let library;
  const unpack = async () => {
    const packed = atob(document.getElementById("plotly").textContent);
    const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return globalThis.Plotly;
  };
  const plotly = () => (library ??= unpack());
  const layoutOf = (id) => ({ ...figures[id].layout, template: templates[mode()], autosize: true });
  const config = { displayModeBar: false, responsive: true };
  const draw = async (plot) => {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "asked";
    try {
      const library = await plotly();
      await library.newPlot(plot, figures[plot.dataset.figure].data, layoutOf(plot.dataset.figure), config);
      plot.dataset.drawn = "yes";
    } catch (error) {
      plot.textContent = "This browser cannot draw the figure; its numbers stand in the table.";
      console.error(error);
    }
    plot.classList.remove("waiting");
  };
  const drawAll = () => Promise.all(plots.map(draw));
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "800px" });
  for (const plot of plots) {
    plot.classList.add("waiting");
    near.observe(plot);
    const figure = plot.closest("figure");
    const id = plot.dataset.figure;
    for (const part of figure.querySelectorAll(".switch, .save")) part.hidden = false;
    for (const input of figure.querySelectorAll(".switch input")) {
      input.addEventListener("change", async () => {
        const view = figures[id].views[input.value];
        Object.assign(figures[id].data[0], view);
        await draw(plot);
        globalThis.Plotly.react(plot, figures[id].data, layoutOf(id), config);
      });
    }
    for (const button of figure.querySelectorAll("[data-save]")) {
      button.addEventListener("click", async () => {
        await draw(plot);
        const size = { width: plot.clientWidth, height: plot.clientHeight };
        globalThis.Plotly.downloadImage(plot, { format: button.dataset.save, filename: id, scale: 2, ...size });
      });
    }
  }
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    drawAll();
  });

  // Links into what is folded open it.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Light and dark.
  const button = document.getElementById("mode");
  const remembered = (() => { try { return localStorage.getItem("ferbench-mode"); } catch { return null; } })();
  if (remembered) root.dataset.mode = remembered;
  const label = () => { button.textContent = mode() === "dark" ? "Light mode" : "Dark mode"; };
  const repaint = () => {
    label();
    for (const plot of plots) {
      if (plot.dataset.drawn === "yes") {
        const id = plot.dataset.figure;
        globalThis.Plotly.react(plot, figures[id].data, layoutOf(id), config);
      }
    }
  };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    root.dataset.mode = mode() === "dark" ? "light" : "dark";
    try { localStorage.setItem("ferbench-mode", root.dataset.mode); } catch { /* the page works without */ }
    repaint();
  });
  wantsDark.addEventListener("change", repaint);
  document.documentElement.dataset.ready = "yes";
})();
