import { afterAll, expect } from "vitest";
import { html, tag } from "./browser.ts";
import { closeBrowser, test } from "./fixture.ts";

afterAll(closeBrowser);

test("the sixth click of a burst is told of while it lasts; one click goes with its outcome", async ({
  agent,
  page,
}) => {
  agent.pages.set("/", html(`<button id="b">Count</button>`, tag(agent, `data-replay="off"`)));
  await page.goto(agent.url);
  await page.evaluate(() => {
    const button = document.getElementById("b") as HTMLElement;
    button.onclick = () => button.append("!");
  });
  await page.waitForFunction(
    () =>
      performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/evidence.js")) &&
      !document.querySelector("script[src$='evidence.js']"),
  );
  await agent.until(() => agent.of("web_vital").length >= 2, "what the start of a page brings");
  const before = agent.batches.length;
  await page.click("#b");
  await agent.until(() => agent.of("click_outcome").length, "outcome");
  const with_ = agent.batches.slice(before).filter((types) => types.includes("click"));
  expect(with_).toEqual([expect.arrayContaining(["click", "click_outcome"])]);

  const begun = Date.now();
  for (let n = 0; n < 6; n++) await page.click("#b", { delay: 0 });
  const clicked = Date.now();
  await agent.until(() => agent.of("click").length === 7, "the sixth click");
  expect(clicked - begun, "six clicks are a burst").toBeLessThan(2_000);
  expect(Date.now() - clicked).toBeLessThan(1_000);
});
