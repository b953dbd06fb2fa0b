import { Secret } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { describeSqlConformance } from "@weft/sql/conformance";
import { openProxiedDatabase } from "./proxied.fixture.ts";
import { runStatement } from "./testing.ts";

describeBackend("postgres", (server) => {
  let databases = 0;
  describeSqlConformance("postgres", async () => {
    const name = `conformance_${(databases += 1)}`;
    await runStatement(new Secret(server().url), `create database ${name}`);
    const url = new URL(server().url);
    url.pathname = `/${name}`;
    return openProxiedDatabase(new Secret(url.href));
  });
});
