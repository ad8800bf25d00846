"use strict";
// What a point says, where the mouse or the keyboard is.
const tip = document.getElementById("tip");
const show = (event) => {
  const point = event.target.closest?.(".tip");
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = point.getAttribute("aria-label");
  const box = point.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${window.scrollX + Math.max(8, Math.min(box.right + 8, room))}px`;
  const above = box.top - tip.offsetHeight - 8;
  tip.style.top = `${window.scrollY + (above < 0 ? box.bottom + 8 : above)}px`;
};
for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, show);
document.addEventListener("focusout", () => { tip.hidden = true; });
// Arrow keys go from point to point of a chart, which is one stop of the Tab key.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
  const point = event.target.closest?.(".tip");
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!point || !step) return;
  event.preventDefault();
  const points = [...point.closest("svg").querySelectorAll(".tip")];
  const next = points[(points.indexOf(point) + step + points.length) % points.length];
  point.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
// A click on a header sorts, a second one the other way round; what is absent stays last.
const value = (row, place) => row.cells[place].dataset.v ?? row.cells[place].textContent;
const compare = (a, b) => {
  if (a === "" || b === "") return 0;
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = head.closest("table").tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, head.cellIndex), value(b, head.cellIndex)];
      return (x === "") - (y === "") || (down ? -1 : 1) * compare(x, y);
    });
    body.append(...rows);
  });
}
// On paper everything is open.
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
