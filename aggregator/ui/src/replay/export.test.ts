import { expect, test } from "vitest";
import { offlinePage, scriptSafe } from "./export";

test("nothing recorded can end the script or the title", () => {
  const visit = { title: "</title><script>alert(1)</script>", text: "</script><!-- <script>" };
  expect(JSON.parse(scriptSafe(visit))).toEqual(visit);
  const page = offlinePage(visit, "run('</script>')", "a{}");
  expect(page.match(/<\/script>/g)).toHaveLength(2);
  expect(page.match(/<title>(.*?)<\/title>/)?.[1]).toBe("/titlescriptalert(1)/script");
});
