// Elements and drawings. Names and other texts of the data are only ever set as text, never as markup.

function byId(id) {
  return document.getElementById(id);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

/** Sets a text if it differs: what is selected stays selected, and a screen reader hears changes only. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setShown(target, shown) {
  target.classList.toggle('hidden', !shown);
}

/** Puts these children first, in this order; only those that stand elsewhere are moved. */
function setOrder(parent, children) {
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}

/** A part of a table that keeps its role when narrow.css shows the table as a grid. */
function tablePart(tag, role, text) {
  const made = element(tag, '', text);
  made.setAttribute('role', role);
  if (role === 'rowheader') made.scope = 'row';
  if (role === 'columnheader') made.scope = 'col';
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing that is stretched to its place. `className` may be empty. */
function drawing(width, height, className) {
  const made = document.createElementNS(SVG, 'svg');
  made.setAttribute('viewBox', `0 0 ${width} ${height}`);
  made.setAttribute('preserveAspectRatio', 'none');
  made.setAttribute('aria-hidden', 'true');
  if (className) made.setAttribute('class', className);
  return made;
}

/** Says what a drawing shows; without that, screen readers pass it over. */
function setDescription(target, text) {
  target.removeAttribute('aria-hidden');
  target.setAttribute('role', 'img');
  target.setAttribute('aria-label', text);
}

function shape(target, className) {
  const made = document.createElementNS(SVG, 'path');
  made.setAttribute('class', className);
  target.append(made);
  return made;
}

/** Sets the path of a shape if it differs: the same path set again would be painted again. */
function draw(target, path) {
  if (target.getAttribute('d') !== path) target.setAttribute('d', path);
}
