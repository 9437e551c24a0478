/** An element of the page by its id. */
export const $ = (id) => document.getElementById(id)

/** The page's only way to make elements: text stays text, whatever a frame or a name holds. */
export function make (tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** Writes only what differs, so that nothing is laid out or announced anew every second. */
export function write (element, text) {
  if (element.textContent !== text) element.textContent = text
}

/** What the fields of a form hold, by name. */
export const values = (id) => Object.fromEntries(new FormData($(id)))

/** Writes how something went below its form. */
export function tell (id, text, isBad = false) {
  $(id).classList.toggle('bad', isBad)
  write($(id), text)
}
