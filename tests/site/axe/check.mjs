// Looks at pages with axe-core, in Chromium: light and dark, on a desk and on a phone.
// node check.mjs CHROMIUM SITE PAGE...; fails if axe-core finds a fault, or if a page is wider than a phone.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [chromium, site, ...pages] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
let faults = 0;
const tell = (...words) => {
  faults += 1;
  console.log(...words);
};

for (const page of pages) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1400, 390]) {
      const where = `${page} (${scheme}, ${width} pixels):`;
      const tab = await browser.newPage();
      await tab.setViewport({ width, height: 900, isMobile: width === 390 });
      await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await tab.goto(pathToFileURL(resolve(site, page)).href, { waitUntil: "load" });
      await tab.evaluate(axe);
      const { violations } = await tab.evaluate(() => globalThis.axe.run());
      for (const { id, help, nodes } of violations) tell(where, id, help, nodes[0].html);
      const { scrollWidth, clientWidth } = await tab.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      if (scrollWidth > clientWidth) tell(where, "is wider than its window");
      await tab.close();
    }
  }
}
await browser.close();
console.log(`${pages.length} pages, ${faults} faults`);
process.exitCode = faults ? 1 : 0;
