import { expect, test } from "vitest";
import { Histogram } from "./histogram.ts";

const about = "How long it took.";
const buckets = [0.1, 0.5];

test("values are counted up to each bound, by attributes", () => {
  const labels = [
    { attribute: "rpc.method", label: "rpc_method" },
    { attribute: "rpc.code", label: "rpc_code" },
  ];
  const histogram = new Histogram({ name: "took_seconds", about, labels, buckets });
  for (const value of [0.1, 0.2, 0.5, 3]) histogram.record(value, { "rpc.method": "Get", "rpc.code": "OK" });
  histogram.record(1, { "rpc.code": 'a"b\\c\nd', "rpc.method": "Get" });
  histogram.record(2, { "rpc.code": "OK", unknown: "is left out" });
  expect(histogram.text()).toBe(
    [
      "# HELP took_seconds How long it took.",
      "# TYPE took_seconds histogram",
      'took_seconds_bucket{le="0.1",rpc_method="Get",rpc_code="OK"} 1',
      'took_seconds_bucket{le="0.5",rpc_method="Get",rpc_code="OK"} 3',
      'took_seconds_bucket{le="+Inf",rpc_method="Get",rpc_code="OK"} 4',
      'took_seconds_sum{rpc_method="Get",rpc_code="OK"} 3.8',
      'took_seconds_count{rpc_method="Get",rpc_code="OK"} 4',
      'took_seconds_bucket{le="0.1",rpc_method="Get",rpc_code="a\\"b\\\\c\\nd"} 0',
      'took_seconds_bucket{le="0.5",rpc_method="Get",rpc_code="a\\"b\\\\c\\nd"} 0',
      'took_seconds_bucket{le="+Inf",rpc_method="Get",rpc_code="a\\"b\\\\c\\nd"} 1',
      'took_seconds_sum{rpc_method="Get",rpc_code="a\\"b\\\\c\\nd"} 1',
      'took_seconds_count{rpc_method="Get",rpc_code="a\\"b\\\\c\\nd"} 1',
      'took_seconds_bucket{le="0.1",rpc_method="",rpc_code="OK"} 0',
      'took_seconds_bucket{le="0.5",rpc_method="",rpc_code="OK"} 0',
      'took_seconds_bucket{le="+Inf",rpc_method="",rpc_code="OK"} 1',
      'took_seconds_sum{rpc_method="",rpc_code="OK"} 2',
      'took_seconds_count{rpc_method="",rpc_code="OK"} 1',
      "",
    ].join("\n"),
  );
});

test("without attributes it is there before the first value", () => {
  const histogram = new Histogram({ name: "took_seconds", about, labels: [], buckets });
  expect(histogram.text()).toContain('took_seconds_bucket{le="+Inf"} 0\ntook_seconds_sum 0\ntook_seconds_count 0\n');
});
