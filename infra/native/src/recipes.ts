import type { Recipe, ServerName } from "./recipe.ts";
import { consul } from "./servers/consul.ts";
import { elasticsearch } from "./servers/elasticsearch.ts";
import { kafka } from "./servers/kafka.ts";
import { postgres } from "./servers/postgres.ts";
import { redis } from "./servers/redis.ts";

/** To add a server: its recipe, a line here, and its name. */
export const recipes: Readonly<Record<ServerName, Recipe>> = { consul, elasticsearch, kafka, postgres, redis };
