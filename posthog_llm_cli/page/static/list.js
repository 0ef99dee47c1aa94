// A list of any length: only the rows in view are elements. One row is active; the list (or the grid around it) has the
// focus and says which (aria-activedescendant), so that the keyboard works however many rows there are.
import { el } from "./dom.js";

const BEYOND = 8;

export class List {
  // `container` scrolls, `focused` has the focus. `row(number)` makes an element; `open(number)` is what Enter and a
  // click do; `moved(number)` is told where the keyboard is.
  constructor(container, { rowHeight, row, open, moved = () => {}, focused = container }) {
    Object.assign(this, { container, focused, row, open, moved, heightOf: rowHeight });
    this.count = 0;
    this.active = 0;
    this.shown = new Map();
    this.space = el("div", { class: "space", role: "presentation" });
    container.replaceChildren(this.space);
    container.addEventListener("scroll", () => this.draw(), { passive: true });
    focused.addEventListener("keydown", (event) => this.key(event));
    container.addEventListener("click", (event) => {
      const number = this.numberOf(event.target);
      if (number !== null) this.choose(number);
    });
    new ResizeObserver(() => this.redraw()).observe(container);
  }

  setCount(count, active = 0) {
    this.count = count;
    this.active = Math.max(0, Math.min(active, count - 1));
    this.redraw();
  }

  redraw() {
    this.rowHeight = this.heightOf();
    this.space.style.height = `${this.count * this.rowHeight}px`;
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.container;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - BEYOND);
    const last = Math.min(this.count, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + BEYOND);
    for (const [number, element] of this.shown) {
      if (number < first || number >= last) {
        element.remove();
        this.shown.delete(number);
      }
    }
    for (let number = first; number < last; number += 1) {
      if (!this.shown.has(number)) this.place(number);
    }
    this.mark();
  }

  place(number) {
    const element = this.row(number);
    element.id = `${this.container.id}-${number}`;
    element.style.transform = `translateY(${number * this.rowHeight}px)`;
    element.style.height = `${this.rowHeight}px`;
    element.dataset.number = number;
    this.shown.set(number, element);
    this.space.append(element);
  }

  mark() {
    for (const [number, element] of this.shown) element.setAttribute("aria-selected", number === this.active);
    const isShown = this.shown.has(this.active);
    if (isShown) this.focused.setAttribute("aria-activedescendant", `${this.container.id}-${this.active}`);
    else this.focused.removeAttribute("aria-activedescendant");
  }

  numberOf(target) {
    const element = target.closest("[data-number]");
    return element === null ? null : Number(element.dataset.number);
  }

  choose(number) {
    this.move(number);
    this.open(this.active);
  }

  move(number) {
    if (this.count === 0) return;
    this.active = Math.max(0, Math.min(number, this.count - 1));
    this.reveal();
    this.draw();
    this.moved(this.active);
  }

  reveal() {
    const top = this.active * this.rowHeight;
    const { scrollTop, clientHeight } = this.container;
    if (top < scrollTop) this.container.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.container.scrollTop = top + this.rowHeight - clientHeight;
  }

  key(event) {
    if (event.target !== this.focused || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.container.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.move(this.active + steps[event.key]);
    else if (event.key === "Enter" && this.count > 0) this.open(this.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
