// What plain HTML cannot do: copy a secret, ask before what cannot be undone, show a chart's
// figures under the pointer. Every page works without it.

function copyFrom(button) {
  const source = document.getElementById(button.dataset.copy);
  navigator.clipboard.writeText(source.value ?? source.textContent).then(() => {
    const before = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = before; }, 1600);
  });
}

function tipLine(mark) {
  const line = document.createElement("div");
  const name = document.createElement("span");
  if (mark.colour !== "") {
    const swatch = document.createElement("span");
    swatch.className = `swatch ${mark.colour}`;
    name.append(swatch);
  }
  name.append(mark.name);
  const figure = document.createElement("b");
  figure.textContent = mark.figure;
  line.append(name, figure);
  return line;
}

function showTip(tip, column, event) {
  const rows = JSON.parse(column.dataset.tip);
  tip.replaceChildren(...rows.map(tipLine));
  tip.classList.add("is-shown");
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, event.clientY - box.height - 12)}px`;
}

function watchCharts() {
  const charts = document.querySelectorAll(".chart");
  if (charts.length === 0) return;
  const tip = document.createElement("div");
  tip.className = "tip";
  document.body.append(tip);
  for (const chart of charts) {
    chart.addEventListener("pointermove", (event) => {
      const column = event.target.closest("[data-tip]");
      if (column) showTip(tip, column, event);
      else tip.classList.remove("is-shown");
    });
    chart.addEventListener("pointerleave", () => tip.classList.remove("is-shown"));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copyFrom(button);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

watchCharts();
