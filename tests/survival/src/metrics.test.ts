import { expect, test } from "vitest";
import { parseSamples } from "./metrics.ts";

test("Prometheus' text is read", () => {
  const text = `# HELP a_total Of a kind.
# TYPE a_total counter
a_total 3
b_seconds_count{rpc_service="weft.user.v1.UserService",rpc_method="GetUser"} 12.5
c{le="+Inf",text="say \\"hi\\""} 1e3
`;
  expect(parseSamples(text)).toEqual([
    { name: "a_total", labels: {}, value: 3 },
    {
      name: "b_seconds_count",
      labels: { rpc_service: "weft.user.v1.UserService", rpc_method: "GetUser" },
      value: 12.5,
    },
    { name: "c", labels: { le: "+Inf", text: 'say \\"hi\\"' }, value: 1000 },
  ]);
});
