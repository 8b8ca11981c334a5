"use strict";
// Tables sort by their headings and filter by the boxes above them. Every page reads in full without this script.
const tables = [...document.querySelectorAll("table.sortable")];
const order = new Intl.Collator("en", { numeric: true });
const texts = new WeakMap();

const empty = text => text === "" || text === "–";

function number(text) {
  const found = text.replace(/−/g, "-").replace(/,/g, "").match(/^-?\d+(\.\d+)?(e[-+]?\d+)?(?=$|[\s–%])/i);
  return found ? Number(found[0]) : null;
}

function shown(cell) {
  return (cell.querySelector("summary") ?? cell).textContent.trim();
}

function sort(header) {
  const table = header.closest("table"), body = table.tBodies[0], falling = header.getAttribute("aria-sort") === "ascending";
  const rows = [...body.rows].map(row => ({ row, text: shown(row.cells[header.cellIndex]) }));
  const numeric = rows.every(({ text }) => empty(text) || number(text) !== null);
  const compare = numeric ? (a, b) => number(a.text) - number(b.text) : (a, b) => order.compare(a.text, b.text);
  rows.sort((a, b) => empty(a.text) - empty(b.text) || (empty(a.text) ? 0 : falling ? compare(b, a) : compare(a, b)));
  body.append(...rows.map(({ row }) => row));
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
}

function text(row) {
  if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase().replace(/\s+/g, " "));
  return texts.get(row);
}

function filter(boxes) {
  const wanted = about => boxes.filter(box => box.dataset.filter === about).flatMap(box => box.value.toLowerCase().split(/\s+/)).filter(Boolean);
  const ofRow = wanted("row"), ofTable = wanted("table");
  let all = 0, left = 0;
  for (const table of governed) {
    const fits = ofTable.every(word => table.dataset.name.toLowerCase().includes(word));
    let here = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !(fits && ofRow.every(word => text(row).includes(word)));
      all += 1;
      here += !row.hidden;
    }
    left += here;
    table.closest("section.board")?.toggleAttribute("hidden", here === 0);
  }
  for (const group of document.querySelectorAll("section.group")) group.toggleAttribute("hidden", !group.querySelector("section.board:not([hidden])"));
  document.querySelector(".count").textContent = `${left.toLocaleString("en")} of ${all.toLocaleString("en")} rows shown`;
}

for (const table of tables) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }
}

const panel = document.querySelector(".filters");
const governed = tables.filter(table => panel && panel.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING);
if (panel) {
  const boxes = [...panel.querySelectorAll("input")];
  for (const box of boxes) box.addEventListener("input", () => filter(boxes));
  panel.hidden = false;
  filter(boxes);
}

function open() {
  const aim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (aim instanceof HTMLDetailsElement) aim.open = true;
}
addEventListener("hashchange", open);
open();
