export { openRedis, type OpenRedisOptions, type RedisArgument, type RedisClient, type RedisReply } from "./client.ts";
export { redisError } from "./errors.ts";
export { redisScript, type RedisScript } from "./script.ts";
