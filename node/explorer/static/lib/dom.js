// Elements from plain values. Text becomes text nodes and nothing else, so what comes from a chain is never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "vars") for (const [key, given] of Object.entries(value)) element.style.setProperty(`--${key}`, given);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element; `on` holds listeners, `vars` CSS variables; children are nodes or texts. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A link within the page; `route` holds only what this page has checked or encoded. */
export function link(route, attributes, ...children) {
  return h("a", { href: `#${route}`, ...attributes }, ...children);
}

/** A place whose content is built anew only when its key changes; a link or button in it keeps the focus. */
export function slot(element) {
  let last = null;
  return {
    element,
    set(key, build) {
      if (key === last) return;
      last = key;
      const active = element.contains(document.activeElement) ? document.activeElement : null;
      const mark = active && (active.id || active.getAttribute("href"));
      element.replaceChildren(...[build()].flat().filter(Boolean));
      if (!mark) return;
      const again = [...element.querySelectorAll("[id], a")].find((one) => one.id === mark || one.getAttribute("href") === mark);
      again?.focus({ preventScroll: true });
    },
  };
}
