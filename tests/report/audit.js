// What a page must have so that everybody can read and use it; gives a list of sentences, empty where all is well.
() => {
  const faults = [];
  const all = selector => [...document.querySelectorAll(selector)];
  const seen = element => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const named = element => {
    const by = (element.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
    return element.getAttribute("aria-label") || by.map(id => document.getElementById(id)?.textContent).join("")
      || element.labels?.[0]?.textContent || element.textContent.trim() || "";
  };
  const short = element => `<${element.localName}${element.id ? " id=" + element.id : ""}> ${element.textContent.trim().slice(0, 40)}`;

  if (!document.documentElement.lang) faults.push("the language is not said");
  if (!document.title) faults.push("there is no title");
  for (const tag of ["main", "h1"]) if (all(tag).length !== 1) faults.push(`${all(tag).length} <${tag}>`);
  const ids = all("[id]").map(element => element.id);
  for (const id of new Set(ids)) if (ids.filter(other => other === id).length > 1) faults.push(`id ${id} twice`);

  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const now = Number(heading.localName[1]);
    if (now > level + 1) faults.push(`${short(heading)} follows a heading of level ${level}`);
    if (!heading.textContent.trim()) faults.push("an empty heading");
    level = now;
  }
  for (const element of all("a, button, summary, select, input, [tabindex='0'], [role=img], section, nav")) {
    if (!named(element)) faults.push(`${short(element)} has no name`);
  }
  for (const image of all("img")) if (!image.alt) faults.push(`an image has no words: ${image.src.slice(0, 40)}`);
  for (const clicked of all("[onclick], div[role=button], span[role=button]")) faults.push(`${short(clicked)} is no button`);
  for (const table of all("table")) {
    if (!table.caption && !table.getAttribute("aria-label") && !table.getAttribute("aria-labelledby")) {
      faults.push(`${short(table)} has no caption`);
    }
    for (const head of table.querySelectorAll("th")) if (!head.scope) faults.push(`${short(head)} heads nothing`);
  }
  for (const table of all("table.sortable")) {
    if (table.querySelectorAll("thead th[scope=col]:not(:has(button))").length) faults.push(`${short(table)}: a heading without a button`);
    if (table.querySelectorAll("thead th[aria-sort]").length > 1) faults.push(`${short(table)} is sorted twice`);
  }

  // contrast of text with what is behind it: 4.5, or 3 for large letters (WCAG 2.1, 1.4.3)
  const numbers = colour => colour.match(/[\d.]+/g).map(Number);
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (alpha > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  for (const element of all("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !seen(element) || element.closest("script, style, noscript, svg, .unseen")) continue;
    const style = getComputedStyle(element);
    const [light, dark] = [luminance(numbers(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < (large ? 3 : 4.5)) faults.push(`contrast ${contrast.toFixed(1)} of ${short(element)}`);
    if (parseFloat(style.fontSize) < 11) faults.push(`letters of ${style.fontSize} in ${short(element)}`);
  }

  // nothing is wider than the window but in a box that scrolls, and no text is broken letter by letter
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const cell of all("td, th, dd, p, li, h1, h2, h3")) {
    const text = cell.textContent.trim();
    if (seen(cell) && text.length > 3 && cell.clientWidth > 0 && cell.clientWidth < 24) {
      faults.push(`${short(cell)} is squeezed into ${cell.clientWidth} pixels`);
    }
  }
  for (const name of all("bdi")) {
    const box = name.getBoundingClientRect();
    if (seen(name) && name.textContent.trim().length > 2 && box.width < 16 && box.height > 40
        && getComputedStyle(name).writingMode === "horizontal-tb") {
      faults.push(`${short(name)} is broken into letters`);
    }
  }
  return faults;
}
